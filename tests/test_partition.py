"""A partition's state between memory and store: no write, forgetting or failure may lose what was judged."""

import asyncio
from collections.abc import Iterator
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from msgspec.structs import replace

from detectors.judge import Judge
from detectors.policy import CommandSettings, Policy
from models.cloudevent import encode_event
from models.command import Command
from models.errors import FencedError, Unreadable
from models.event import AnyEvent
from models.session import Workflow
from stream import metrics
from stream.configuration.settings import Settings
from stream.enforcement.ledger import Ledger
from stream.kafka.dead_letters import VALUE_BYTES_MAX, dead_letter
from stream.kafka.messages import kept, verdict_of
from stream.kafka.topics import topics_of
from stream.state.claim import check_gap
from stream.state.partition import Partition
from stream.state.store import Claim
from stream.worker.intake import Intake
from stream.worker.outbox import Outbox
from tests.builders import CHAIN, approval, at, judged, op, release, told

SENDS_NOTHING: Any = SimpleNamespace()
"""An outbox that fails whoever sends."""

EPOCH = 7


class SlowStore:
    """Keeps what is saved, once `open` is set; refuses any epoch but the one it gave out."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.owed: list[str] = []
        self.open = asyncio.Event()
        self.loading = asyncio.Event()
        self.overdue_command: Command | None = None
        self.standing: bytes | None = None
        self.closed: list[str] = []

    async def save(
        self, number: int, epoch: int, workflows: list[tuple[str, bytes]], owed: list[Any], _ttl_ms: int
    ) -> None:
        """As `Store.save`, but waits."""
        await self.open.wait()
        if epoch != EPOCH:
            raise FencedError(number, epoch)
        self.kept |= dict(workflows)
        self.owed += [message.id for message in owed]

    async def load(self, _number: int, names: list[str]) -> list[bytes | None]:
        """As `Store.load`, a moment later."""
        self.loading.set()
        await asyncio.sleep(0.01)
        return [self.kept.get(name) for name in names]

    async def overdue(self, *_: int) -> list[tuple[str, bytes]]:
        """The one command that nobody acknowledged."""
        command = self.overdue_command
        return [] if command is None else [(command.id, kept(command))]

    async def verdict(self, _session: str) -> bytes | None:
        """What stands."""
        return self.standing

    async def close_command(self, _number: int, command: str) -> None:
        """No longer pending."""
        self.closed.append(command)

    async def acknowledgements(self, _command: str) -> dict[str, bytes]:
        """None came."""
        return {}

    async def put_off(self, *_: Any) -> int:
        """More resends than any policy asks for."""
        return 100


def partition_of(*names: str) -> Partition:
    """A partition that has judged one operation in each of these workflows."""
    partition = Partition(0, Claim(EPOCH, 0, "t"), "t", 0)
    judge = Judge(Policy(), None)
    for place, name in enumerate(names):
        partition.workflows[name] = Workflow(name)
        judge.fold(partition.workflows[name], op("D", place, workflow=name), place, 0)
        partition.touch(name)
    return partition


async def saved(partition: Partition, store: Any, *names: str) -> None:
    """One write of these workflows."""
    await partition.save(store, list(names), 1_000, 1_000)


def test_a_workflow_on_its_way_to_the_store_is_not_forgotten() -> None:
    """It would be loaded again as it was before, and what was judged since would be lost."""

    async def story() -> None:
        store, partition = SlowStore(), partition_of("w1", "w2")
        writing = asyncio.create_task(saved(partition, store, "w1"))
        await asyncio.sleep(0)
        partition.forget(0)
        assert set(partition.workflows) == {"w1", "w2"}
        store.open.set()
        await writing
        partition.forget(0)
        assert set(partition.workflows) == {"w2"}

    asyncio.run(story())


def test_the_workflow_stored_longest_ago_is_forgotten_first() -> None:
    """One that is at work all day is not loaded again and again because it began first."""

    async def story() -> None:
        store, partition = SlowStore(), partition_of("w1", "w2", "w3")
        store.open.set()
        await saved(partition, store, "w1", "w2", "w3")
        partition.touch("w1")
        await saved(partition, store, "w1")
        partition.forget(2)
        assert set(partition.workflows) == {"w1", "w3"}

    asyncio.run(story())


def test_to_forget_a_few_does_not_go_through_all() -> None:
    """It is asked after every batch, and a worker at its bound has tens of thousands."""

    class Counted(dict[str, Workflow]):
        looked_at = 0

        def __iter__(self) -> Iterator[str]:
            for name in super().__iter__():
                self.looked_at += 1
                yield name

    async def story() -> None:
        store, partition = SlowStore(), partition_of(*(f"w{number}" for number in range(500)))
        store.open.set()
        await saved(partition, store, *partition.dirty())
        partition.workflows = known = Counted(partition.workflows)
        partition.forget(497)
        assert known.looked_at < 20
        assert list(partition.workflows) == [f"w{number}" for number in range(3, 500)]

    asyncio.run(story())


def test_a_flush_passes_over_what_was_stored_and_forgotten_while_it_waited() -> None:
    """An urgent write came first: the flush's list of names is older than that."""

    async def story() -> None:
        store, partition = SlowStore(), partition_of("w1", "w2")
        store.open.set()
        names = partition.dirty()
        await saved(partition, store, "w2")
        partition.forget(1)
        await saved(partition, store, *names)
        assert set(store.kept) == {"w1", "w2"}

    asyncio.run(story())


def test_what_was_judged_but_owes_nothing_yet_never_reaches_the_store() -> None:
    """A failure between the two would else store the workflow as judged, and its command would be lost."""

    async def judge_and_fail(partition: Partition) -> None:
        async with partition.judging:
            await asyncio.sleep(0)
            raise ValueError("before the command was put down")

    async def story() -> None:
        store, partition = SlowStore(), partition_of("w1")
        store.open.set()
        failing = asyncio.create_task(judge_and_fail(partition))
        await asyncio.sleep(0)
        flushing = asyncio.create_task(saved(partition, store, "w1"))
        with pytest.raises(ValueError, match="put down"):
            await failing
        with pytest.raises(FencedError):
            await flushing
        assert store.kept == {}

    asyncio.run(story())


def test_a_stop_escalates_in_a_workflow_that_is_not_in_memory_while_a_flush_runs() -> None:
    """Nothing is marked for the store before it is there to be stored."""

    async def story() -> None:
        store, partition = SlowStore(), partition_of()
        store.open.set()
        store.overdue_command = replace(judged(told(CHAIN)).commands[0], expires_ms=9_999_999_999_999)
        sent: list[str] = []

        async def send(_partition: Partition, messages: list[Any]) -> None:
            sent.extend(message.id for message in messages)

        outbox: Any = SimpleNamespace(send=send)
        keeper: Any = store
        ledger = Ledger(keeper, CommandSettings(), 1_000)
        escalating = asyncio.create_task(ledger.chase(partition, outbox))
        await store.loading.wait()
        await saved(partition, store, *partition.dirty())
        await escalating
        assert len(sent) == 2
        assert sent == store.owed

    asyncio.run(story())


@pytest.mark.parametrize("escalated", [False, True])
def test_what_was_released_is_neither_sent_again_nor_escalated(*, escalated: bool) -> None:
    """A human said that it may go on: a kill that nobody acknowledged before does not come back."""

    async def story() -> None:
        heard = judged([*told(CHAIN), release(100)])
        kill, freed = heard.commands[0], heard.commands[-1]
        store, partition = SlowStore(), partition_of()
        pending = replace(kill, id="later", escalates=kill.id) if escalated else kill
        store.overdue_command = replace(pending, expires_ms=9_999_999_999_999)
        store.standing = verdict_of(freed)
        keeper: Any = store
        await Ledger(keeper, CommandSettings(resends_max=0), 1_000).chase(partition, SENDS_NOTHING)
        assert store.closed == [pending.id]

    asyncio.run(story())


def test_the_standing_of_a_session_follows_its_releases_whatever_the_order() -> None:
    """Owed messages come in any order: what a release lifted is gone, what came after it stands."""

    async def standing(commands: list[Command]) -> list[str]:
        said: list[str] = []

        async def set_verdict(_session: str, verdict: bytes, *_: Any) -> None:
            said.append(msgspec.json.decode(verdict)["verdict"])

        store: Any = SimpleNamespace(set_verdict=set_verdict)
        outbox = Outbox(None, store, topics_of(Settings()), "issuer")
        await outbox._tell_gateways(commands)  # noqa: SLF001 - what else it does needs a broker
        return said

    freed = judged([*told(CHAIN), release(100)])
    again = (
        freed.commands + judged([*told(CHAIN), release(100), *told("D@200 P@230 S@260 V@290")]).commands[3:]
    )
    for order in permutations(freed.commands):
        assert asyncio.run(standing(list(order))) == ["observe"]
    for order in permutations(again):
        assert asyncio.run(standing(list(order))) == ["kill_session"]


def test_a_gap_that_cannot_be_looked_into_stops_nobody() -> None:
    """The broker went away between the records and the question."""

    async def away(_partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        raise KafkaConnectionError

    consumer = SimpleNamespace(beginning_offsets=away)
    asyncio.run(check_gap(consumer, TopicPartition("t", 0), 3))


def test_a_dead_letter_is_never_larger_than_its_topic_takes() -> None:
    """A record may arrive compressed and leave in full; one the broker refuses would hold the position."""
    record = SimpleNamespace(
        value=b"x" * (64 * 1024 * 1024),
        key=b"k" * 1_000_000,
        headers=(("none", None), *((f"{n}" * 10_000, b"h" * 1_000_000) for n in range(100))),
        topic="actions",
        partition=1,
        offset=2,
        timestamp=3,
    )
    letter = dead_letter("dead-letters", record, Unreadable.TOO_LARGE, "x" * 10_000)
    assert ("cut-from-bytes", str(len(record.value)).encode()) in letter.headers
    assert letter.value == record.value[:VALUE_BYTES_MAX]
    headers = sum(len(name.encode()) + len(content or b"") for name, content in letter.headers)
    assert len(letter.key) + len(letter.value) + headers < 3.5 * 1024 * 1024


def arrived(seconds: float, *events: AnyEvent) -> list[Any]:
    """Records of a topic, all of which the broker took at that time."""
    return [
        SimpleNamespace(
            offset=offset, value=encode_event(event)[0], headers=encode_event(event)[1], timestamp=at(seconds)
        )
        for offset, event in enumerate(events)
    ]


def lag_of(records: list[Any]) -> float:
    """The source lag that one batch adds, in seconds."""
    before = metrics.REGISTRY.get_sample_value("chainbrake_source_lag_seconds_sum") or 0.0
    Intake("dead").decode(Partition(0, Claim(EPOCH, None, ""), "t", 0), records, Policy())
    return (metrics.REGISTRY.get_sample_value("chainbrake_source_lag_seconds_sum") or 0.0) - before


def test_source_lag_is_that_of_operations() -> None:
    """An approval is told when it is needed, however long ago it was given: that is no late feed."""
    assert lag_of(arrived(100, op("D", 98), approval(-200))) == pytest.approx(2.0)
    assert lag_of(arrived(100, approval(-200))) == 0.0


def test_a_metric_has_no_second_series_that_says_when_it_began() -> None:
    """Nothing reads them, and they double what is stored."""
    names = {sample.name for family in metrics.REGISTRY.collect() for sample in family.samples}
    assert "chainbrake_events_total" in names
    assert [name for name in names if name.endswith("_created")] == []
