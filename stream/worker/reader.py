"""The batch reader: Kafka to judge to store to commands. The hot path of the worker.

One turn, for every partition that has records: decode, load workflows not in memory (one MGET), judge, and if
that earned commands store their workflows and send them at once. Everything else is stored on a timer, the
position last.
"""

import asyncio
import time
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from mode import Service

from detectors.judge import Judge
from detectors.tally import Tally
from models.errors import FencedError
from stream import collector, metrics
from stream.configuration.settings import Settings
from stream.kafka.brokers import brokers
from stream.kafka.dead_letters import unfetched
from stream.kafka.messages import event_record
from stream.kafka.polling import Polling
from stream.kafka.topics import RECORD_BYTES_MAX, Topics
from stream.model_registry.announcement import Slot
from stream.state.claim import check_gap, take_over
from stream.state.idle import Idle, fell_idle
from stream.state.partition import Partition
from stream.state.saver import Saver
from stream.state.store import Store
from stream.worker.assignment import Assignment
from stream.worker.batches import Batches
from stream.worker.closing import closed, until_closing
from stream.worker.outbox import Outbox
from stream.worker.tally import publish_baseline, publish_tally

log = structlog.stdlib.get_logger(__name__)

LET_GO_WITHIN_S = 5.0
COMMIT_EVERY_S = 5.0
PUBLISH_EVERY_S = 1.0
CLAIM_AGAIN_S = 1.0


class Reader(Service):  # type: ignore[misc]  # mode is not typed
    """Owns the partitions that the consumer group gives this worker."""

    def __init__(
        self, settings: Settings, topics: Topics, topic_id: str, judge: Judge, store: Store, **options: Any
    ) -> None:
        super().__init__(**options)
        self.partitions: dict[int, Partition] = {}
        self.waiting: dict[int, float] = {}
        """Partitions assigned but not claimed, and from when on (monotonic seconds) they may be."""
        self.outbox: Outbox
        self._saver: Saver
        self._settings = settings
        self._topics = topics
        self._topic_id = topic_id
        self._judge = judge
        """The first: `batches` has the one at work."""
        self.batches: Batches
        self._store = store
        self._published = Tally()
        self._consumer: Any = None
        self._polling: Polling
        self._committed_s = 0.0
        self._joined = False
        self._ending: set[int] = set()
        """Partitions whose idle sessions are being told."""
        self._closing = False

    async def open(self, outbox: Outbox) -> None:
        """Join the group."""
        settings = self._settings
        self.outbox = outbox
        self._saver = Saver(settings, self._judge.policy, self._store, outbox)
        self.batches = Batches(
            self._judge,
            self._store,
            self._saver,
            outbox,
            self._topics.dead_letters,
            self.partitions,
            self.add_future,
            self.fenced,
        )
        self._consumer = AIOKafkaConsumer(
            **brokers(settings),
            group_id=f"{settings.group}-judge",
            client_id="chainbrake-judge",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=settings.session_timeout_ms // 3,
            max_partition_fetch_bytes=RECORD_BYTES_MAX,
            fetch_max_wait_ms=settings.poll_ms,
        )
        self._polling = Polling(self._consumer, self._places, self._pass_by)
        self._consumer.subscribe([self._topics.actions], listener=Assignment(self))
        await self._consumer.start()

    async def close(self) -> None:
        """Leave the group with everything stored."""
        self._closing = True
        await self.let_go(list(self.partitions))
        await self.outbox.drain(LET_GO_WITHIN_S)
        await closed("consumer", self._consumer.stop())

    @property
    def judging(self) -> bool:
        """Whether every partition that the group gave us has been claimed."""
        return self._joined and not self.waiting

    @property
    def consumer(self) -> Any:
        """Aiokafka's consumer; None before `open`."""
        return self._consumer

    def expect(self, numbers: list[int]) -> None:
        """Assigned: to be claimed before anything is read."""
        self._joined = True
        now_s = time.monotonic()
        for number in numbers:
            if number not in self.partitions:
                self._consumer.pause(self._tp(number))
                self.waiting[number] = now_s

    async def let_go(self, numbers: list[int]) -> None:
        """Revoked: store what can be stored in time. What cannot is read again by the next owner."""
        for number in numbers:
            self.waiting.pop(number, None)
            partition = self.partitions.pop(number, None)
            if partition is None:
                continue
            partition.owned = False
            try:
                await asyncio.wait_for(self._saver.flush(partition), LET_GO_WITHIN_S)
            except FencedError:
                metrics.FENCED.inc()
                log.warning("partition let go: another worker owns it already", partition=number)
            except TimeoutError:
                log.warning("partition let go with state unstored: it is read again", partition=number)
        metrics.PARTITIONS.set(len(self.partitions))

    async def turn(self) -> None:
        """Read one batch of every partition that has one, and judge it."""
        for number in [number for number, due_s in self.waiting.items() if due_s <= time.monotonic()]:
            try:
                await self._claim(number)
            except KafkaError as error:
                log.warning("partition not claimed yet", partition=number, error=repr(error))
                self.waiting[number] = time.monotonic() + CLAIM_AGAIN_S
        batches = await self._polling.fetch(self._settings.poll_ms, self._settings.batch_records_max)
        owned = [
            (partition, records)
            for tp, records in batches.items()
            if (partition := self.partitions.get(tp.partition)) is not None
        ]
        if len(owned) == 1:
            await self._batch(*owned[0])
        elif owned:  # they wait for the store side by side; their judging takes turns
            await asyncio.gather(*(self._batch(partition, records) for partition, records in owned))
        at_most = self._settings.workflows_max // max(1, len(self.partitions))  # all may be let go by now
        for partition, _ in owned:
            partition.forget(max(1, at_most))

    def _places(self) -> dict[TopicPartition, int]:
        return {self._tp(number): partition.next_offset for number, partition in self.partitions.items()}

    async def _pass_by(self, tp: TopicPartition, offset: int, error: str) -> None:
        """What cannot be decoded is a dead letter that names its place."""
        partition = self.partitions.get(tp.partition)
        if partition is not None:
            await self.batches.send_letters(partition, [unfetched(self._topics, tp, offset, error)])
            partition.next_offset = offset + 1

    async def flush_all(self) -> None:
        """Store what changed, and tell Kafka's monitors how far that is."""
        await self.batches.tell_surges()
        owned = list(self.partitions.values())
        for partition in owned:
            await self.batches.join(partition)  # what was put off
            try:
                await self._saver.flush(partition, self._settings.flush_every_ms / 1000 / len(owned))
            except FencedError as error:
                self.fenced(partition, error)
        await self._end_idle()
        if time.monotonic() - self._committed_s > COMMIT_EVERY_S:
            await self._commit()

    def publish(self) -> None:
        """What the gauges and counters say by now."""
        judge, shadow = self.batches.judge, self.batches.shadow
        self._published = publish_tally(judge.tally, self._published)
        publish_baseline(Slot.LIVE, judge)
        publish_baseline(Slot.SHADOW, shadow.judge if shadow is not None else None)
        if shadow is not None:
            shadow.publish()
        metrics.WORKFLOWS.set(sum(len(partition.workflows) for partition in self.partitions.values()))
        metrics.LAG.set(sum(self._lag(partition) for partition in self.partitions.values()))

    async def _batch(self, partition: Partition, records: list[Any]) -> None:
        if records[0].offset > partition.next_offset:
            await check_gap(self._consumer, self._tp(partition.number), partition.next_offset)
        began_s = time.perf_counter()
        await self.batches.take(partition, records)
        metrics.BATCH.observe(time.perf_counter() - began_s)

    async def _end_idle(self) -> None:
        """Say on the actions topic which sessions fell idle: an end is an event like any other."""
        policy = self.batches.judge.policy
        idle_ms, now_ms = policy.idle_ms + policy.lateness_ms, int(time.time() * 1000)
        for partition in list(self.partitions.values()):
            if self._caught_up(partition) and partition.number not in self._ending:
                idle = await fell_idle(partition, self._store, idle_ms, now_ms)
                if idle.workflows:
                    self._ending.add(partition.number)
                    self.outbox.spawn(self._tell_idle(partition.number, idle))

    async def _tell_idle(self, number: int, idle: Idle) -> None:
        """Asked about again until the broker has it: twice is possible, and the second says nothing new."""
        try:
            await self.outbox.deliver([event_record(end, self._topics) for end in idle.ends])
            metrics.SESSIONS_IDLE.inc(len(idle.ends))
            await self._store.no_longer_quiet(number, idle.until_ms, idle.workflows)
        finally:
            self._ending.discard(number)

    async def _claim(self, number: int) -> None:
        """Take an assigned partition over and go to where its state stands."""
        tp = self._tp(number)
        partition = await take_over(self._consumer, self._store, tp, self._topic_id)
        if number not in self.waiting:
            return  # revoked while we asked; an owner whom our epoch fenced off claims again
        del self.waiting[number]
        self.partitions[number] = partition
        self._consumer.seek(tp, partition.next_offset)
        self._consumer.resume(tp)
        metrics.PARTITIONS.set(len(self.partitions))
        await self.outbox.send_owed(partition)

    def fenced(self, partition: Partition, error: FencedError) -> None:
        """Drop what we hold. If the group still says it is ours after a session timeout, claim it anew."""
        log.warning(
            "partition fenced off, its state is dropped", partition=partition.number, error=str(error)
        )
        metrics.FENCED.inc()
        partition.owned = False
        if self.partitions.get(partition.number) is not partition:
            return
        del self.partitions[partition.number]
        metrics.PARTITIONS.set(len(self.partitions))
        if self._tp(partition.number) in self._consumer.assignment():
            self._consumer.pause(self._tp(partition.number))
            again_s = time.monotonic() + self._settings.session_timeout_ms / 1000
            self.waiting[partition.number] = again_s

    async def _commit(self) -> None:
        """Offsets for lag monitors; nothing of ours reads them."""
        self._committed_s = time.monotonic()
        offsets = {self._tp(number): partition.stored_offset for number, partition in self.partitions.items()}
        try:
            if offsets:
                await self._consumer.commit(offsets)
        except (KafkaError, ValueError) as error:
            log.info("offsets not committed", error=repr(error))

    def _caught_up(self, partition: Partition) -> bool:
        """Whether that is known, too: nothing is, before the first answer of the broker."""
        highwater = self._consumer.highwater(self._tp(partition.number))
        return highwater is not None and highwater <= partition.next_offset

    def _lag(self, partition: Partition) -> int:
        highwater = self._consumer.highwater(self._tp(partition.number))
        return max(0, highwater - partition.next_offset) if highwater is not None else 0

    def _tp(self, number: int) -> TopicPartition:
        return TopicPartition(self._topics.actions, number)

    @Service.task  # type: ignore[untyped-decorator]  # mode is not typed
    async def _read_on(self) -> None:
        while not self.should_stop and not self._closing:
            with until_closing(lambda: self._closing):
                await self.turn()
            collector.look_at_new()
            await asyncio.sleep(0)  # a full buffer answers without waiting: others must get their turn

    @Service.task  # type: ignore[untyped-decorator]
    async def _flush_on(self) -> None:
        while not self.should_stop:
            await self.sleep(self._settings.flush_every_ms / 1000)
            with until_closing(lambda: self._closing):
                await self.flush_all()

    @Service.task  # type: ignore[untyped-decorator]
    async def _publish_on(self) -> None:
        while not self.should_stop:
            await self.sleep(PUBLISH_EVERY_S)
            self.publish()
