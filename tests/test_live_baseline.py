"""Between two baselines: bits are not mixed, a shadow follows the live one, and differences are counted."""

import asyncio
import threading
import time
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from detectors.judge import Judge
from detectors.policy import Policy
from models.baselines.baseline import Baseline, write_artifact
from models.baselines.cohorts import EVERYBODY, role_key
from models.baselines.learning import learn
from models.baselines.surprise import score_of
from models.command import Action, Command
from models.event import AnyEvent
from models.session import Session, Workflow
from stream import collector
from stream.configuration.settings import Settings
from stream.metrics import REGISTRY
from stream.model_registry.announcement import Act, Announcement, Slot
from stream.model_registry.registry import Kept
from stream.model_registry.slots import Slots
from stream.offline.scoring import Scorer
from stream.runs.recorded_run import RecordedRun
from stream.state.partition import Partition
from stream.state.store import Claim
from stream.worker.shadow import SETTLE_S, Comparison, Shadow
from tests.builders import AGENT, CHAIN, SIGNER, told
from tests.test_model_registry import artifact, loaded, runs


def test_surprise_starts_anew_with_another_baseline_and_what_was_done_stays_known() -> None:
    """The context is the session's, the bits are the model's."""
    one, two = loaded(artifact(40)), loaded(artifact(60))
    session, (run,) = Session(id="s"), runs(1)
    for event in run[:2]:
        session.events += 1
        one.surprise.expectation(AGENT, "deployer").follow(session, event)
    session.surprise = session.peak = 50.0
    session.events += 1
    two.surprise.expectation(AGENT, "deployer").follow(session, run[2])
    assert session.model == two.version
    assert len(session.symbols) == 3
    assert score_of(session, run[2]) < 25.0
    assert session.peak < 25.0
    before = session.surprise
    two.surprise.expectation(AGENT, "deployer").follow(session, run[2])
    assert session.surprise == before, "folded once"


def test_a_session_keeps_its_surprise_while_the_baseline_stays() -> None:
    """Stored and loaded in between, too."""
    baseline = loaded(artifact(40))
    whole, parted, (run,) = Session(id="s"), Session(id="s"), runs(1)
    for event in run:
        for session in (whole, parted):
            session.events += 1
            baseline.surprise.expectation(AGENT, "deployer").follow(session, event)
        parted = msgspec.msgpack.decode(msgspec.msgpack.encode(parted), type=Session)
    assert (whole.surprise, whole.peak) == (parted.surprise, parted.peak)
    assert whole.peak > 0.0


@pytest.mark.parametrize("first", ["agent", "platform"])
def test_the_judge_measures_a_session_as_it_was_learned(first: str) -> None:
    """In the order of arrival, each act once: two witnesses and a source that lags are no surprise."""
    baseline, (run,) = loaded(artifact(40)), runs(1)
    twice = [
        replace(event, id=f"{event.id}-{source}", source=source, act=f"{event.id}", target="t")
        for event in run
        for source in ((first, "other") if event is not run[1] else ("other", first))
    ]
    arrived = [*twice[:2], *twice[4:], *twice[2:4]]
    judge, workflow = Judge(Policy(), baseline), Workflow(twice[0].workflow)
    for place, event in enumerate(arrived):
        judge.fold(workflow, event, place, event.at_ms)
    (session,) = workflow.sessions.values()
    scored = Scorer(baseline, 0.01).run(RecordedRun("s", arrived))
    assert session.peak == pytest.approx(scored.score)
    assert len(session.symbols) == 3


def command(session: str, action: Action = Action.KILL_SESSION) -> Command:
    """One that somebody came to."""
    return Command(
        id="c",
        action=action,
        session=session,
        workflow="w",
        agent="a",
        at_ms=1,
        seen_ms=1,
        expires_ms=2,
        event_id="e",
        event_source="s",
        risk=1.0,
        reason="r",
    )


def test_verdicts_meet_within_a_minute_in_whatever_order() -> None:
    """Both, only live, only shadow; the same one twice is one."""
    counted: list[tuple[str, str]] = []
    comparison = Comparison(lambda action, who: counted.append((action, who)))
    comparison.note("shadow", command("s1"), 0.0)
    comparison.note("live", command("s1"), 1.0)
    comparison.note("live", command("s2"), 1.0)
    comparison.note("live", command("s2"), 2.0)
    comparison.note("shadow", command("s3", Action.STEP_UP), 3.0)
    assert comparison.settle(1.0 + SETTLE_S - 0.1) == []
    assert [each.command.session for each in comparison.settle(3.0 + SETTLE_S)] == ["s2", "s3"]
    assert comparison.settle(9_999.0) == []
    assert sorted(counted) == [("kill_session", "both"), ("kill_session", "live"), ("step_up", "shadow")]


def arrived(events: list[AnyEvent], start: int) -> list[Any]:
    """As they come out of the intake."""
    return [
        (event, SimpleNamespace(offset=start + number, partition=0), event.at_ms)
        for number, event in enumerate(events)
    ]


def partition_of(workflow: str) -> Partition:
    """One with a new workflow in memory."""
    partition = Partition(0, Claim(1, 0, ""), "topic", 0)
    partition.workflows[workflow] = Workflow(workflow)
    return partition


def judge_beside(shadow: Shadow, live: Judge, partition: Partition, events: list[Any]) -> list[Any]:
    """One slice, as the reader does it."""
    followed = shadow.prepare(partition, events)
    decided = [
        (event.workflow, decision)
        for event, record, seen_ms in events
        if (decision := live.fold(partition.workflows[event.workflow], event, record.offset, seen_ms))
    ]
    shadow.follow(followed, decided)
    return decided


def test_a_shadow_goes_on_from_where_the_live_one_is() -> None:
    """Begun in the middle, or after it lost the thread: the rest of the chain is seen by both."""
    events = told(CHAIN)
    name = events[0].workflow
    for lost in (False, True):
        live, partition = Judge(Policy(), None), partition_of(name)
        shadow = Shadow(Judge(Policy(), None), 1.0, 10)
        half = arrived(events[:2], 0)
        if lost:
            judge_beside(shadow, live, partition, half[:1])
        for event, record, seen_ms in half[1:] if lost else half:
            live.fold(partition.workflows[name], event, record.offset, seen_ms)
        assert judge_beside(shadow, live, partition, arrived(events[2:], 2))
        assert shadow._workflows[name].position == partition.workflows[name].position  # noqa: SLF001
        (session,) = shadow._workflows[name].sessions.values()  # noqa: SLF001
        assert session.verdict is Action.KILL_SESSION
        assert shadow._comparison.settle(9e9) == []  # noqa: SLF001 - both came to it


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_shadow_follows_its_share_of_workflows(share: float) -> None:
    """Always the same ones; the others cost nothing."""
    events = told(CHAIN)
    shadow = Shadow(Judge(Policy(), None), share, 1_000)
    followed = set()
    for number in range(400):
        name = f"w{number}"
        moved = [replace(event, workflow=name) for event in events]
        partition = partition_of(name)
        first, again = (shadow.prepare(partition, arrived(moved, 0)) for _ in range(2))
        assert len(first) == len(again)
        assert len(first) in (0, len(moved))
        if first:
            followed.add(name)
    assert len(followed) == pytest.approx(400 * share, abs=40 * (share > 0))


def test_a_full_shadow_drops_the_workflows_idle_longest_and_counts_them() -> None:
    """Bounded as the live one is; one that goes on and on stays, however long it has been known."""
    live, steady = Judge(Policy(), None), partition_of("steady")
    shadow = Shadow(Judge(Policy(), None), 1.0, 5)
    before = REGISTRY.get_sample_value("chainbrake_shadow_dropped_total") or 0.0
    for number in range(20):
        name = f"w{number}"
        moved = [replace(event, workflow=name) for event in told(CHAIN)]
        judge_beside(shadow, live, partition_of(name), arrived(moved, 0))
        again = [replace(event, workflow="steady", id=f"{number}") for event in told(CHAIN)[:1]]
        judge_beside(shadow, live, steady, arrived(again, number))
    assert sorted(shadow._workflows) == ["steady", *(f"w{number}" for number in range(16, 20))]  # noqa: SLF001
    assert REGISTRY.get_sample_value("chainbrake_shadow_dropped_total") == before + 16


def test_a_shadow_that_fails_stops_nothing_and_does_not_flood_the_log() -> None:
    """One traceback a settling; how many there were is said."""
    shadow, partition = Shadow(Judge(Policy(), None), 1.0, 10), partition_of("w1")

    def fails(*_: object) -> None:
        raise RuntimeError

    shadow.judge.fold = fails  # type: ignore[method-assign,assignment]
    with capture_logs() as logs:
        for _ in range(2):
            events = arrived(told(CHAIN) * 25, 0)
            assert judge_beside(shadow, Judge(Policy(), None), partition, events)
            partition = partition_of("w1")
            shadow.publish()
    assert [(row["event"], row.get("events")) for row in logs] == 2 * [
        ("shadow failed", None),
        ("shadow failed on more events", 99),
    ]


@pytest.mark.slow
def test_a_baseline_that_breaks_our_own_code_leaves_what_ran_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is raised while it is fetched, read or put to work: it is refused, said, and tried again."""
    said = Announcement(
        slot=Slot.LIVE, act=Act.FILL, number=1, version="baseline@000000000000", by="ann", at_ms=1
    )
    running, other = loaded(artifact(40)), loaded(artifact(60))
    fetched: list[Any] = [RuntimeError("store"), other, other]
    put: list[Any] = []

    def announced(_: object) -> Any:
        found = fetched.pop(0)
        if isinstance(found, Exception):
            raise found
        return Kept(found, b"")

    def change(_: Slot, baseline: Any) -> None:
        put.append(baseline)
        if len(put) == 1:
            raise KeyError

    async def follow() -> list[Any]:
        slots, filled = Slots(Settings(), "topic", running, change), []
        slots._hearing.last[Slot.LIVE] = said  # noqa: SLF001
        for _ in range(3):
            await slots._fill(Slot.LIVE, 10.0)  # noqa: SLF001
            filled.append(slots.filled[Slot.LIVE])
            slots._refused.clear()  # noqa: SLF001
        await slots.close()
        return filled

    registry = SimpleNamespace(announced=announced)
    monkeypatch.setattr("stream.model_registry.slots.model_registry", lambda _: registry)
    assert asyncio.run(follow()) == [running, running, other]
    assert put == [other, other]


def test_others_get_their_turn_while_a_large_baseline_is_read() -> None:
    """A worker judges on: no step of the reading takes a large part of it, in our own CPU time."""
    header, payload = learn(runs(40), {})
    (habit,) = payload.habits.values()
    everybody = payload.pace[EVERYBODY]
    payload.pace = {**payload.pace, **{role_key(f"job-{number}"): everybody for number in range(4_000)}}
    payload.habits = {**payload.habits, **{f"job-{number}": habit for number in range(4_000)}}
    content = write_artifact(header, payload, SIGNER)
    shares = [longest_share(content) for _ in range(3)]
    assert min(shares) < 0.4, (
        shares
    )  # what holds others up does so each time; what the machine does, does not


def longest_share(content: bytes) -> float:
    """Of the CPU time that a baseline is read in: in the longest step."""
    read: list[Baseline] = []
    reading = threading.Thread(target=lambda: read.append(loaded(content)))
    longest_s = 0.0
    with collector.settled():  # as in a worker: else it is the collector that takes long
        began_s = last_s = time.process_time()
        reading.start()
        while reading.is_alive():
            time.sleep(0.0005)
            now_s = time.process_time()
            longest_s, last_s = max(longest_s, now_s - last_s), now_s
    whole_s = time.process_time() - began_s
    assert len(read[0].pace.cohorts) > 4_000
    return longest_s / whole_s
