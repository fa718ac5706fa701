"""Storing beside the judging: what is urgent goes between, what failed is not passed."""

import asyncio
import gc
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from detectors.judge import Judge
from detectors.policy import Policy
from models.cloudevent import encode_event
from models.event import AnyEvent
from models.session import Workflow
from stream.configuration.settings import Settings
from stream.state.partition import Partition
from stream.state.saver import Saver
from stream.state.store import Claim
from stream.worker.intake import Intake, expected
from tests.builders import CHAIN, HUMAN, START_MS, approval, delegation, op, release, told

EPOCH = 7


class Storing:
    """A store that notes the order in which things were written; a write can be made to fail or to wait."""

    def __init__(self) -> None:
        self.wrote: list[list[str]] = []
        self.positions: list[int] = []
        self.failing = False
        self.waiting: asyncio.Event | None = None

    async def save(
        self, _number: int, _epoch: int, workflows: list[tuple[str, bytes]], _owed: list[Any], _ttl_ms: int
    ) -> None:
        """As `Store.save`."""
        if self.waiting is not None:
            await self.waiting.wait()
        await asyncio.sleep(0)
        if self.failing:
            self.failing = False
            raise ValueError("the store said something odd")
        self.wrote.append([name for name, _ in workflows])

    async def save_position(self, _number: int, _epoch: int, next_offset: int, _topic_id: str) -> None:
        """As `Store.save_position`."""
        self.positions.append(next_offset)

    async def count_stops(self, _minute: int, _session: str) -> int:
        """The first one."""
        return 1


class Sending:
    """An outbox that notes what it was handed."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.prepared = 0
        self.tasks: list[Any] = []

    def records(self, messages: list[Any]) -> list[Any]:
        """As `Outbox.records`."""
        self.prepared += 1
        return list(messages)

    async def hand_over(self, _partition: Partition, messages: list[Any], records: list[Any]) -> None:
        """As `Outbox.hand_over`."""
        assert records == messages
        self.sent += [message.workflow for message in messages]

    def spawn(self, work: Any) -> None:
        """As `Outbox.spawn`."""
        self.tasks.append(asyncio.ensure_future(work))


def partition_of(*names: str) -> Partition:
    """A partition that has judged one operation in each of these workflows."""
    partition = Partition(0, Claim(EPOCH, 0, "t"), "t", 0)
    judge = Judge(Policy(), None)
    for place, name in enumerate(names):
        partition.workflows[name] = Workflow(name)
        judge.fold(partition.workflows[name], op("D", place, workflow=name), place, 0)
        partition.touch(name)
    partition.next_offset = len(names)
    return partition


def saver_of(store: Storing, outbox: Sending, **changed: Any) -> Saver:
    """The real one, on a store and an outbox that take notes."""
    keeper: Any = store
    sender: Any = outbox
    return Saver(Settings(**changed), Policy(), keeper, sender)


async def begun(store: Storing, writes: int) -> None:
    """Let others have their turn until so much was written."""
    for _ in range(10_000):
        if len(store.wrote) >= writes:
            return
        await asyncio.sleep(0)
    raise AssertionError(store.wrote)


async def earn(saver: Saver, partition: Partition, name: str) -> None:
    """A chain in that workflow, judged and put down."""
    judge, workflow = Judge(Policy(), None), partition.workflows.setdefault(name, Workflow(name))
    for place, event in enumerate(told(CHAIN, workflow=name)):
        decision = judge.fold(workflow, event, 100 + place, 0)
        if decision is not None:
            async with partition.judging:
                await saver.owe(partition, [(name, decision)])


def test_a_command_goes_between_the_bites_of_a_flush() -> None:
    """It waits for one bite at most, however much is to be stored."""

    async def story() -> None:
        store, outbox = Storing(), Sending()
        names = [f"w{n}" for n in range(200)]
        saver, partition = saver_of(store, outbox, flush_chunk=10), partition_of(*names)
        flushing = asyncio.create_task(saver.flush(partition, 5.0))
        await begun(store, 3)
        before = len(store.wrote)
        await earn(saver, partition, "urgent")
        await saver.hurry(partition)
        assert ["urgent"] in store.wrote[: before + 3]
        assert set(outbox.sent) == {"urgent"}
        await flushing
        assert {name for chunk in store.wrote for name in chunk} == {*names, "urgent"}
        assert store.positions == [len(names)]

    asyncio.run(story())


def test_records_are_made_while_the_store_writes() -> None:
    """What is sent is what was stored, made before the store has answered."""

    async def story() -> None:
        store, outbox = Storing(), Sending()
        saver, partition = saver_of(store, outbox), partition_of()
        await earn(saver, partition, "w1")
        store.waiting = asyncio.Event()
        hurrying = asyncio.create_task(saver.hurry(partition))
        for _ in range(5):
            await asyncio.sleep(0)
        assert (outbox.prepared, outbox.sent) == (1, [])
        store.waiting.set()
        await hurrying
        assert outbox.prepared == 1
        assert outbox.sent

    asyncio.run(story())


def test_a_position_never_passes_a_write_that_failed_while_a_flush_waited() -> None:
    """What the failed write had taken was not in the flush's list: the flush begins again with it."""

    async def story() -> None:
        store, outbox = Storing(), Sending()
        saver, partition = saver_of(store, outbox), partition_of("w1", "w2")
        store.waiting, store.failing = asyncio.Event(), True
        writing = asyncio.create_task(partition.save(store, ["w1"], 1_000, 1_000))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        flushing = asyncio.create_task(saver.flush(partition))
        await asyncio.sleep(0)
        store.waiting.set()
        with pytest.raises(ValueError, match="odd"):
            await writing
        await flushing
        assert {name for chunk in store.wrote for name in chunk} == {"w1", "w2"}
        assert store.positions == [2]

    asyncio.run(story())


def test_a_flush_of_a_partition_that_was_let_go_ends() -> None:
    """Letting go stores everything at once: a position of before must not come after that."""

    async def story() -> None:
        store, outbox = Storing(), Sending()
        saver, partition = saver_of(store, outbox, flush_chunk=1), partition_of("w1", "w2", "w3")
        flushing = asyncio.create_task(saver.flush(partition, 5.0))
        await begun(store, 1)
        partition.owned = False
        partition.next_offset = 9
        await saver.flush(partition)
        await flushing
        assert store.positions == [9]

    asyncio.run(story())


def record_of(offset: int, event: AnyEvent, key: bytes | None) -> Any:
    """As aiokafka gives it."""
    value, headers = encode_event(event)
    return SimpleNamespace(
        offset=offset, value=value, headers=headers, key=key, timestamp=START_MS + 10_000_000
    )


def test_what_is_in_memory_is_judged_before_what_the_store_has_to_bring() -> None:
    """Each part in its order: only the events of one workflow depend on each other."""
    partition = partition_of("here")
    names = ["away", "here", "away", "here", "away"]
    records = [
        record_of(10 + place, op("X", place, workflow=name), name.encode())
        for place, name in enumerate(names)
    ]
    intake = Intake("dead-letters")
    here, awaited = intake.parted(intake.decode(partition, records, Policy()))
    assert [(event.workflow, record.offset) for event, record, _ in here] == [("here", 11), ("here", 13)]
    assert [record.offset for _, record, _ in awaited] == [10, 12, 14]
    assert list(intake.missing) == ["away"]


def test_keys_say_which_workflows_to_ask_for_and_are_only_a_hint() -> None:
    """A record without a key, or with one that is no text, is judged all the same."""
    partition = partition_of("here")
    keys = [b"here", b"away", b"away", None, b"\xff"]
    records = [record_of(n, op("X", n), key) for n, key in enumerate(keys)]
    assert expected(partition, records) == ["away", "\ufffd"]


@pytest.mark.slow
def test_state_holds_no_cycles() -> None:
    """The collector is told to leave what is old alone: what is dropped must be freed without it."""
    judge, workflows = Judge(Policy(), None), {}
    stories = [
        *told(CHAIN),
        approval(10),
        delegation(11, "s1", "s2"),
        *told("S@12:denied S@13 V@14", session="s2", principal="other"),
        release(20, decided_by=HUMAN),
    ]
    gc.collect()
    gc.disable()
    try:
        for n in range(50):
            workflow = workflows[n] = Workflow(f"w{n}")
            for place, event in enumerate(stories):
                judge.fold(workflow, event, place, 0)
            msgspec.msgpack.encode(workflow)  # of what holds itself it would make no end
        workflow = None  # type: ignore[assignment]
        workflows.clear()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_what_holds_itself_cannot_be_stored() -> None:
    """The collector does not know state, so this is how a cycle in it would show."""
    workflow = Workflow("w1")
    workflow.sessions["s1"] = workflow  # type: ignore[assignment]
    with pytest.raises(RecursionError):
        msgspec.msgpack.encode(workflow)
