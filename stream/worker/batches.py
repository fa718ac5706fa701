"""What a batch goes through: records to events, events into their workflows, and what they earn on its way.

Nothing else is judged meanwhile, but commands leave: a batch is judged in slices, and those in parts, and
between two of them everybody else gets a turn.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from detectors.judge import Judge
from models.errors import FencedError
from stream.kafka.messages import Record
from stream.state.partition import Partition
from stream.state.saver import Saver
from stream.state.store import Store
from stream.worker.fleet import Fleet
from stream.worker.intake import Arrived, Intake, expected
from stream.worker.joining import Joining
from stream.worker.outbox import Outbox
from stream.worker.shadow import Shadow

LETTER_BATCHES_MAX = 4

SLICE_RECORDS = 64
"""Decoded in one go, and few enough to be still in the processor's cache when they are judged."""

CALM_EVENTS = 16
HURRIED_EVENTS = 8
"""Judged in one go before anything else gets a turn: in a hurry a command on its way waits for that at every
step it takes, once for each partition that is read."""


class Batches:
    """Judges batches of the partitions that one worker owns."""

    def __init__(
        self,
        judge: Judge,
        store: Store,
        saver: Saver,
        outbox: Outbox,
        dead_letter_topic: str,
        partitions: Mapping[int, Partition],
        beside: Callable[[Coroutine[None, None, None]], object],
        fenced: Callable[[Partition, FencedError], None],
    ) -> None:
        """`partitions`: those owned by now. `fenced` hears of one that another worker took.

        `beside` runs what the judging must not wait for; should it fail, that has to be heard.
        """
        self.judge = judge
        self.shadow: Shadow | None = None
        """Judges beside, if there is one."""
        self._store = store
        self._saver = saver
        self._outbox = outbox
        self._dead_letter_topic = dead_letter_topic
        self._partitions = partitions
        self._beside = beside
        self._fenced = fenced
        self._fleet = Fleet(store, judge.policy.fleet.principal_operations_per_minute_max)
        self._joining = Joining(store, saver)

    def change(self, judge: Judge) -> None:
        """Judge with this one from the next slice on; what was counted goes on being counted."""
        judge.tally = self.judge.tally
        self.judge = judge

    async def take(self, partition: Partition, records: list[Any]) -> None:
        """Judge records of one partition, slice by slice: between them commands get on their way."""
        if len(records) > SLICE_RECORDS and (names := expected(partition, records)):
            await partition.fetch(self._store, names)  # one question for all the slices
        for start in range(0, len(records), SLICE_RECORDS):
            if start:
                await asyncio.sleep(0)
            await self._judge_slice(partition, records[start : start + SLICE_RECORDS])
            if not partition.owned:
                return  # revoked while we waited: whoever owns it now reads these records
        await self.join(partition)
        partition.held = None

    def _in_a_hurry(self) -> bool:
        """Whether something earned a command that is not handed to the producer yet: it goes first."""
        return any(partition.hurrying or partition.urgent for partition in self._partitions.values())

    async def _judge_slice(self, partition: Partition, records: list[Any]) -> None:
        """Judge a few records. The order of the parts is what makes a crash harmless.

        What is in memory does not wait for the store to bring what is not: only the events of one workflow
        have to be judged in their order.
        """
        intake = Intake(self._dead_letter_topic)
        events = intake.decode(partition, records, self.judge.policy)
        missing = intake.missing
        if not missing:
            await self._fold(partition, intake, events)
        else:
            here, to_come = intake.parted(events)
            await self._fold(partition, intake, here)
            await partition.fetch(self._store, list(missing))
            await self._fold(partition, intake, to_come)
        if not partition.owned:
            return
        if intake.letters:
            await self.send_letters(partition, intake.letters)
        partition.next_offset = records[-1].offset + 1
        self._fleet.note(partition.number, events)
        if self.judge.crossing and self._joining.note(partition, events):
            await self.join(partition)

    async def _fold(self, partition: Partition, intake: Intake, events: list[Arrived]) -> None:
        """Judge these, for as long as they are ours, in parts: a command leaves while the next is judged."""
        start, hurried = 0, self._in_a_hurry()
        while start < len(events) and partition.owned:
            at_most = HURRIED_EVENTS if hurried else CALM_EVENTS
            await self._fold_part(partition, intake, events[start : start + at_most])
            start += at_most
            hurried = self._in_a_hurry()
            if hurried:
                await asyncio.sleep(0)

    async def _fold_part(self, partition: Partition, intake: Intake, events: list[Arrived]) -> None:
        shadow = self.shadow
        async with partition.judging:
            followed = shadow.prepare(partition, events) if shadow is not None else []
            decided = intake.fold(partition, events, self.judge)
            if decided:
                await self._saver.owe(partition, decided)
        self._make_haste(partition)
        if shadow is not None and followed:
            await asyncio.sleep(0)  # what is urgent goes first
            shadow.follow(followed, decided)

    async def join(self, partition: Partition) -> None:
        """Tell other partitions what they have to know, and judge with what they told."""
        if partition.noting:
            told, decided = await self._joining.join(partition, self.judge.crossing)
            self._make_haste(partition)
            if self.shadow is not None:
                self.shadow.join(told, decided)

    def _make_haste(self, partition: Partition) -> None:
        if partition.urgent and not partition.hurrying:
            partition.hurrying = True
            self._beside(self._hurry(partition))

    async def tell_surges(self) -> None:
        """Publish what only the counters over all workers show."""
        for number, finding in await self._fleet.surges():
            partition = self._partitions.get(number)
            if partition is not None:  # else whoever owns it now counts on
                await partition.owe_for(self._store, finding.workflow, [finding])

    async def _hurry(self, partition: Partition) -> None:
        """Beside the reading: what earned commands is stored and sent."""
        try:
            await self._saver.hurry(partition)
        except FencedError as error:
            self._fenced(partition, error)
        finally:
            partition.hurrying = False

    async def send_letters(self, partition: Partition, letters: list[Record]) -> None:
        """On their way before the position passes them; a flood of them slows the reading down."""
        task = self._outbox.dead_letters(letters)
        partition.letters.add(task)
        task.add_done_callback(partition.letters.discard)
        if len(partition.letters) > LETTER_BATCHES_MAX:
            await asyncio.wait(partition.letters, return_when=asyncio.FIRST_COMPLETED)
