"""Chains over workflows in a worker: what is told when, what becomes of it, and what a crash leaves."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from detectors.chains.compiling import compiled
from detectors.chains.hosted import Declared
from detectors.chains.joining import SLACK
from detectors.judge import Judge
from detectors.policy import ApprovalSettings
from models.cloudevent import encode_event
from models.command import Action
from models.event import AnyEvent
from models.finding import Finding
from models.session import Workflow
from stream import metrics
from stream.configuration.chain_files import declarations
from stream.state.partition import Partition
from stream.state.store import Claim
from stream.worker.intake import Intake
from stream.worker.joining import AT_ONCE_MAX, KEPT_MAX, Joining
from stream.worker.shadow import Shadow
from tests.builders import OFFICE, at, op
from tests.chains.hosting import alone
from tests.chains.test_joining import GRANT, LOOK, OVER, over
from tests.test_saving import Sending, Storing, saver_of

DECLARED = Declared(
    tuple(compiled(chain, ApprovalSettings()) for chain, _ in declarations("mine.yaml", OVER.encode()))
)


class Pipeline:
    """Commands in the order in which they were put in, as the store would carry them out."""

    def __init__(self, keys: dict[str, dict[bytes, int]]) -> None:
        self._keys = keys
        self.asked: list[Callable[[], Any]] = []

    def zadd(self, key: str, told: dict[bytes, int]) -> None:
        """See Redis."""
        self.asked.append(lambda: self._keys[key].update(told))

    def zrem(self, key: str, *members: bytes) -> None:
        """See Redis."""
        self.asked.append(lambda: [self._keys[key].pop(member, None) for member in members])

    def zremrangebyscore(self, key: str, _least: str, below: str) -> None:
        """See Redis."""
        newest = int(below.removeprefix("("))
        held = self._keys[key]
        self.asked.append(lambda: [held.pop(each) for each, score in list(held.items()) if score < newest])

    def pexpire(self, _key: str, _ttl_ms: int) -> None:
        """Time stands still here."""
        self.asked.append(lambda: None)

    def zrangebyscore(self, key: str, least: int, most: int) -> None:
        """See Redis."""
        held = self._keys[key]
        self.asked.append(
            lambda: [each for each, score in sorted(held.items(), key=_score) if least <= score <= most]
        )


def _score(item: tuple[bytes, int]) -> int:
    return item[1]


class Keeping(Storing):
    """A store of notes; `away` gives no answers."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[str, dict[bytes, int]] = defaultdict(dict)
        self.away = False
        self.asked = 0

    def key(self, name: str) -> str:
        """As `Store.key`."""
        return name

    async def hastily(self, ask: Callable[[Any], None], _within_s: float) -> list[Any] | None:
        """As `Store.hastily`: others get their turn between any two commands."""
        self.asked += 1
        pipeline = Pipeline(self.keys)
        ask(pipeline)
        await asyncio.sleep(0)
        if self.away:
            return None
        answers = []
        for command in pipeline.asked:
            answers.append(command())
            await asyncio.sleep(0)
        return answers


class Working:
    """One worker with one partition."""

    def __init__(self, store: Keeping, number: int = 0) -> None:
        self.partition = Partition(number, Claim(7, 0, "t"), "t", 0)
        self.judge = Judge(alone(), None, OFFICE, DECLARED)
        self._store = store
        self._joining = Joining(store, saver_of(store, Sending()))  # type: ignore[arg-type]  # notes are all it asks for
        self._offset = 0

    def judge_all(self, *events: AnyEvent) -> bool:
        """As one slice; whether what was noted should not wait."""
        records = []
        for event in events:
            value, headers = encode_event(event)
            records.append(
                SimpleNamespace(offset=self._offset, value=value, headers=headers, timestamp=event.at_ms)
            )
            self._offset += 1
            self.partition.workflows.setdefault(event.workflow, Workflow(event.workflow))
        intake = Intake("dead")
        arrived = intake.decode(self.partition, records, self.judge.policy)
        intake.fold(self.partition, arrived, self.judge)
        self.partition.next_offset = self._offset
        return self._joining.note(self.partition, arrived)

    async def join(self) -> list[Finding]:
        """At the end of a batch; what came of it."""
        _, decided = await self._joining.join(self.partition, self.judge.crossing)
        self.partition.held = None
        return [finding for _, decision in decided for finding in decision.findings]

    async def work(self, *events: AnyEvent) -> list[Finding]:
        """A batch of one slice."""
        self.judge_all(*events)
        return await self.join()


def count(result: str) -> float:
    """Of that metric by now."""
    return float(metrics.REGISTRY.get_sample_value("chainbrake_notes_total", {"result": result}) or 0)


def test_what_two_workers_noted_is_put_together_and_stored_with_what_it_owes() -> None:
    """And what a replay says of the same log is the same, to the letter."""

    async def story() -> None:
        store = Keeping()
        one, two = Working(store), Working(store, 1)
        assert await one.work(LOOK) == []
        (finding,) = await two.work(GRANT)
        assert finding == over(OVER, LOOK, GRANT).findings[0]
        assert "w2" in two.partition.urgent, "a step-up is a command like any other"
        assert two.partition.workflows["w2"].sessions["writer"].verdict is Action.STEP_UP
        assert not one.partition.noting
        assert not two.partition.noting

    asyncio.run(story())


def test_two_halves_at_the_same_moment_are_found_by_at_least_one() -> None:
    """Whatever comes between any two commands of the two: each writes before it reads."""

    async def story() -> None:
        for head_start in range(10):
            store = Keeping()
            one, two = Working(store), Working(store, 1)

            async def later(working: Working, event: AnyEvent, turns: int) -> list[Finding]:
                for _ in range(turns):
                    await asyncio.sleep(0)
                return await working.work(event)

            found = await asyncio.gather(later(one, LOOK, 5), later(two, GRANT, head_start))
            assert any(found), head_start

    asyncio.run(story())


def test_within_a_partition_notes_are_judged_in_the_order_of_its_log() -> None:
    """Both halves in one batch are one finding, at the second, as in a replay."""

    async def story() -> None:
        for events in ((LOOK, GRANT), (GRANT, LOOK)):
            found = await Working(Keeping()).work(*events)
            assert found == over(OVER, *events).findings
            assert len(found) == 1

    asyncio.run(story())


def test_nobody_is_asked_where_nothing_was_noted() -> None:
    """No step of such a chain, or no such chain at all."""

    async def story() -> None:
        store = Keeping()
        working = Working(store)
        assert await working.work(op("X", 1), op("S", 2), op("D", 3, outcome="denied")) == []
        assert store.asked == 0
        assert not Judge(alone(), None).crossing

    asyncio.run(story())


def test_the_position_waits_until_a_batch_has_told_what_it_noted() -> None:
    """Else an event would not come again after a crash, and nobody had heard of it."""
    working = Working(Keeping())
    working.judge_all(op("X", 1))
    assert working.partition.reached == 1
    working.judge_all(LOOK)
    assert working.partition.reached == 1
    working.judge_all(op("X", 5))
    assert working.partition.reached == 1
    asyncio.run(working.join())
    assert working.partition.reached == 3


def test_a_worker_that_died_before_it_told_is_made_up_for_by_the_next() -> None:
    """What was judged is not judged again; what it noted is stored with its workflow."""

    async def story() -> None:
        store = Keeping()
        dead = Working(store)
        dead.judge_all(LOOK)
        stored = msgspec.msgpack.encode(dead.partition.workflows["w1"])

        class Loading:
            async def load(self, _number: int, names: list[str]) -> list[bytes]:
                return [stored for _ in names]

        heir = Working(store)
        await heir.partition.fetch(Loading(), ["w1"])  # type: ignore[arg-type]  # all that it is asked for
        assert await heir.work(LOOK) == [], "it comes again, and is known"
        assert heir.judge.tally.redelivered == 1
        assert await Working(store, 1).work(GRANT)

    asyncio.run(story())


def test_while_the_store_is_away_the_newest_notes_are_kept_and_told_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody waits, it is counted, and asked again after a while."""
    now_s = [1_000.0]
    monkeypatch.setattr("stream.worker.joining.time.monotonic", lambda: now_s[0])

    async def story() -> None:
        store = Keeping()
        store.away = True
        working, before, dropped = Working(store), count("put_off"), count("dropped")
        assert await working.work(LOOK) == []
        assert (count("put_off") - before, store.asked) == (1, 1)
        assert working.partition.reached == 1, "the position does not wait for a store that is away"
        many = [replace(LOOK, id=f"more-{k}", at_ms=at(1) + k) for k in range(2 * KEPT_MAX)]
        assert working.judge_all(*many), "that many do not wait for the end of a batch"
        await working.join()
        assert store.asked == 1, "not before a second is over"
        workflow = working.partition.workflows["w1"]
        assert len(workflow.noted) == KEPT_MAX
        assert workflow.noted[-1].note.hit.step.event_id == many[-1].id
        assert count("dropped") - dropped == len(many) + 1 - KEPT_MAX
        working.partition.forget(0)
        assert "w1" in working.partition.workflows, "what has something to tell stays in memory"
        store.away, now_s[0] = False, now_s[0] + 2
        assert await working.join() == []
        assert not workflow.noted
        assert await Working(store, 1).work(GRANT)

    asyncio.run(story())


def test_no_more_notes_are_kept_than_a_chain_needs() -> None:
    """Whoever reads too many drops them with its next word, and counts them."""

    async def story() -> None:
        store = Keeping()
        working, before = Working(store), count("dropped")
        (joiner,) = (working.judge.crossing.joiner(chain.joined_as) for chain in DECLARED.chains)
        assert joiner is not None
        for k in range(AT_ONCE_MAX):
            await working.work(replace(LOOK, id=f"more-{k}", at_ms=at(1) + k, workflow=f"w{k % 9}"))
        (page,) = store.keys.values()
        assert joiner.notes_max <= len(page) <= joiner.notes_max + SLACK
        assert count("dropped") - before >= AT_ONCE_MAX - joiner.notes_max - SLACK
        await working.work(replace(LOOK, id="much later", at_ms=at(99_000)))
        assert len(page) == 1, "what no window reaches any more goes at once"

    asyncio.run(story())


def test_what_cannot_be_read_is_as_if_it_were_not_there() -> None:
    """Another version may have written it."""

    async def story() -> None:
        store = Keeping()
        await Working(store).work(LOOK)
        (page,) = store.keys.values()
        page[b"\xc1 no note"] = LOOK.at_ms
        assert await Working(store, 1).work(GRANT)

    asyncio.run(story())


def test_a_shadow_judges_the_same_notes() -> None:
    """Else each such verdict would count as the live one's alone."""

    async def story() -> None:
        store = Keeping()
        working = Working(store)
        shadow = Shadow(Judge(alone(), None, OFFICE, DECLARED), 1.0, 10)
        verdicts = metrics.SHADOW_VERDICTS.labels(Action.STEP_UP, "both")
        before = verdicts._value.get()  # noqa: SLF001 - as others read it
        for event in (LOOK, GRANT):
            working.partition.workflows.setdefault(event.workflow, Workflow(event.workflow))
            record = SimpleNamespace(offset=working._offset, partition=0)  # noqa: SLF001
            followed = shadow.prepare(working.partition, [(event, record, event.at_ms)])
            working.judge_all(event)
            shadow.follow(followed, [])
            told, decided = await working._joining.join(working.partition, working.judge.crossing)  # noqa: SLF001
            shadow.join(told, decided)
        assert verdicts._value.get() - before == 1  # noqa: SLF001

    asyncio.run(story())
