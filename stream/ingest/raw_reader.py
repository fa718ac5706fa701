"""Raw topics to the actions topic: records of every source, normalised and resolved, in batches.

One worker of the group reads all raw topics, for what one source mints another uses; the others stand by. One
turn: poll, resolve in memory, send the events, and only when the broker has them all go on. What is
remembered is stored on a timer, positions last: after a crash some records are read again, and give the same
events under the same ids.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from mode import Service

from models.errors import FencedError
from models.registry import Registry
from stream import metrics
from stream.configuration.settings import Settings
from stream.ingest.ordering import makers_first
from stream.ingest.pipeline import Pipeline
from stream.ingest.raw_polling import AllToOne, Poller
from stream.ingest.tally import IngestMetrics
from stream.kafka.brokers import brokers
from stream.kafka.bulk import BATCH_BYTES_MAX, Bulk
from stream.kafka.dead_letters import dead_letter, unfetched
from stream.kafka.messages import Record, event_record
from stream.kafka.polling import AGAIN_S
from stream.kafka.topics import RECORD_BYTES_MAX, Topics, identities
from stream.state.claim import note_gap
from stream.state.lineage import Lineage, changes
from stream.worker.closing import closed, until_closing

log = structlog.stdlib.get_logger(__name__)

BATCH_RECORDS_MAX = 2_000
"""Of one turn: its events are awaited together, for the broker takes longer to answer than we to resolve."""
SLICE = 100
"""Records that are resolved at once: some milliseconds, for which the judging waits."""
PUBLISH_EVERY_S = 1.0
NAMES_EVERY_S = 600.0
NAMES_SHOWN = 10
LET_GO_WITHIN_S = 5.0


class RawAssignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """Notes what the group assigns."""

    def __init__(self, reader: "RawReader") -> None:
        self._reader = reader

    async def on_partitions_revoked(self, _: Iterable[TopicPartition]) -> None:
        """Store what is left to store, then let go."""
        await self._reader.let_go()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Nothing is read until the lineage was claimed: the reader does that."""
        self._reader.expect(list(assigned))


class RawReader(Service):  # type: ignore[misc]  # mode is not typed
    """Reads the raw topics while the group gives them to this worker."""

    def __init__(
        self,
        settings: Settings,
        topics: Topics,
        registry: Registry,
        lineage: Lineage,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._settings = settings
        self._topics = topics
        self._registry = registry
        self._lineage = lineage
        self._sources = {topic: source for source, topic in topics.raw.items()}
        self._pipeline = Pipeline(registry)
        self._metrics = IngestMetrics()
        self._consumer: Any = None
        self._producer: Any = None
        self._bulk: Bulk
        self._poller: Poller
        self._ids: dict[str, str] = {}
        self._epoch: int | None = None
        """None while nothing is claimed."""
        self._waiting_s: float | None = None
        """From when on (monotonic) what was assigned may be claimed; None for nothing to claim."""
        self._turning = asyncio.Lock()
        """Held while records were resolved and their events are on their way: no picture is taken between."""
        self._flushing = asyncio.Lock()
        self._closing = False

    async def open(self) -> bool:
        """Join the group; False, and nothing to run, where there are no raw topics."""
        self._ids = await asyncio.to_thread(identities, self._settings, list(self._sources))
        if not self._ids:
            log.info("no raw topics: nothing is ingested here", create="chainbrake topics")
            return False
        settings = self._settings
        # Its own: a command does not queue behind thousands of events, nor these behind its small batches.
        self._producer = AIOKafkaProducer(
            **brokers(settings),
            client_id="chainbrake-ingest",
            acks="all",
            max_batch_size=BATCH_BYTES_MAX,
            max_request_size=RECORD_BYTES_MAX,
            request_timeout_ms=10_000,
        )
        await self._producer.start()
        self._bulk = Bulk(self._producer)
        self._consumer = AIOKafkaConsumer(
            **brokers(settings),
            group_id=f"{settings.group}-ingest",
            client_id="chainbrake-ingest",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(AllToOne,),
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=settings.session_timeout_ms // 3,
            max_partition_fetch_bytes=RECORD_BYTES_MAX,
            fetch_max_wait_ms=settings.poll_ms,
        )
        self._poller = Poller(self._consumer, self._send_unfetched)
        self._consumer.subscribe(sorted(self._ids), listener=RawAssignment(self))
        await self._consumer.start()
        return True

    async def close(self) -> None:
        """Leave the group with everything stored."""
        self._closing = True
        if self._consumer is not None:
            await self.let_go()
            await closed("consumer of raw topics", self._consumer.stop())
        if self._producer is not None:
            await closed("producer of events from raw topics", self._producer.stop())
        await self._lineage.close()

    def resolving(self) -> bool:
        """Whether the raw topics are this worker's to read."""
        return self._epoch is not None

    def expect(self, assigned: list[TopicPartition]) -> None:
        """Assigned: to be claimed before anything is read."""
        self._consumer.pause(*assigned)
        self._waiting_s = time.monotonic() if assigned else None

    async def let_go(self) -> None:
        """Revoked: store what can be stored in time. What cannot is read again by the next owner."""
        self._waiting_s = None
        if self._epoch is None:
            return
        try:
            await asyncio.wait_for(self.flush(), LET_GO_WITHIN_S)
        except TimeoutError:
            log.warning("raw topics let go with state unstored: they are read again")
        self._drop()

    async def turn(self) -> None:
        """Read one batch, and send what it tells."""
        if self._waiting_s is not None and self._waiting_s <= time.monotonic():
            try:
                await self._claim()
            except KafkaError as error:
                log.warning("raw topics not claimed yet", error=repr(error))
                self._waiting_s = time.monotonic() + AGAIN_S
        if not self.resolving():
            await asyncio.sleep(self._settings.poll_ms / 1000)
            return
        records = await self._poller.poll(self._settings.poll_ms, BATCH_RECORDS_MAX)
        async with self._turning:
            if not self.resolving():
                return  # revoked while we waited: whoever owns them now reads these records
            await self._bulk.deliver(await self._told(records))
            for record in records:
                self._poller.next_offsets[TopicPartition(record.topic, record.partition)] = record.offset + 1

    async def flush(self) -> None:
        """Store what changed, the positions last; drop everything if somebody else resolves by now."""
        async with self._flushing:
            async with self._turning:
                epoch, places = self._epoch, self._places()
                parts = changes(self._pipeline.resolver.tables)
            if epoch is None:
                return
            try:
                for part in parts:
                    await self._lineage.save_changes(epoch, part)
                await self._lineage.save_positions(epoch, places)
            except FencedError as error:
                self._fenced(error)

    async def _told(self, records: list[Any]) -> list[Record]:
        """Events of a batch, letters for what is no record, and what was held back for long enough."""
        events = self._pipeline.overdue(int(time.time() * 1000))
        out: list[Record] = []
        letters = self._topics.dead_letters
        for number, record in enumerate(records, 1):
            if number % SLICE == 0:
                await asyncio.sleep(0)
            taken = self._pipeline.take(self._sources[record.topic], record.value or b"", record.timestamp)
            events += taken.events
            out += [
                dead_letter(letters, record, bad.error.reason, bad.error.detail, bad.content)
                for bad in taken.bad
            ]
        return [event_record(event, self._topics) for event in makers_first(events)] + out

    def _places(self) -> dict[str, str]:
        offsets = {
            f"{tp.topic}/{tp.partition}": str(offset) for tp, offset in self._poller.next_offsets.items()
        }
        return {**self._ids, **offsets}

    async def _claim(self) -> None:
        """Take the lineage over, bring it back, and go to where it stands."""
        assigned = sorted(self._consumer.assignment())
        epoch = await self._lineage.claim_ingest()
        pipeline = Pipeline(self._registry)
        entries = await self._lineage.restore(pipeline.resolver.tables)
        pipeline.resolver.restored()
        stored = await self._lineage.positions()
        begins = await self._consumer.beginning_offsets(assigned)
        ends = await self._consumer.end_offsets(assigned)
        if self._waiting_s is None:
            return  # revoked while we asked
        self._waiting_s = None
        for tp in assigned:
            offset = self._start(tp, stored, begins[tp], ends[tp])
            self._poller.next_offsets[tp] = offset
            self._consumer.seek(tp, offset)
        self._pipeline, self._epoch = pipeline, epoch
        self._metrics.begin(pipeline)
        self._consumer.resume(*assigned)
        log.info("raw topics claimed", epoch=epoch, partitions=len(assigned), remembered=entries)

    def _start(self, tp: TopicPartition, stored: dict[str, str], begin: int, end: int) -> int:
        """Where to read on; from the beginning on a topic that is not the one the position belongs to."""
        known = stored.get(f"{tp.topic}/{tp.partition}")
        if known is None or stored.get(tp.topic) != self._ids[tp.topic] or int(known) > end:
            if known is not None:
                log.warning("a raw topic was recreated: it is read from its beginning", topic=tp.topic)
            return begin
        if int(known) < begin:
            note_gap(tp.partition, begin - int(known))
        return max(begin, int(known))

    async def _send_unfetched(self, tp: TopicPartition, offset: int, why: str) -> None:
        await self._bulk.deliver([unfetched(self._topics, tp, offset, why)])

    def _fenced(self, error: FencedError) -> None:
        """Drop what we hold. If the group still says it is ours after a session timeout, claim it anew."""
        log.warning("raw topics fenced off, their lineage is dropped", error=str(error))
        metrics.FENCED.inc()
        self._drop()
        assigned = self._consumer.assignment()
        if assigned:
            self._consumer.pause(*assigned)
            self._waiting_s = time.monotonic() + self._settings.session_timeout_ms / 1000

    def _drop(self) -> None:
        self._epoch = None
        self._poller.next_offsets.clear()
        self._metrics.end()

    @Service.task  # type: ignore[untyped-decorator]  # mode is not typed
    async def _read_on(self) -> None:
        while not self.should_stop and not self._closing:
            with until_closing(lambda: self._closing):
                await self.turn()
            await asyncio.sleep(0)

    @Service.task  # type: ignore[untyped-decorator]
    async def _flush_on(self) -> None:
        while not self.should_stop:
            await self.sleep(self._settings.flush_every_ms / 1000)
            with until_closing(lambda: self._closing):
                await self.flush()

    @Service.task  # type: ignore[untyped-decorator]
    async def _publish_on(self) -> None:
        while not self.should_stop:
            await self.sleep(PUBLISH_EVERY_S)
            self._metrics.publish(int(time.time() * 1000))

    @Service.task  # type: ignore[untyped-decorator]
    async def _tell_names(self) -> None:
        """What to add to the vocabularies: names are no labels, so the log says them."""
        while not self.should_stop:
            await self.sleep(NAMES_EVERY_S)
            for source, most in self._pipeline.names.most(NAMES_SHOWN).items():
                log.info("operations that the vocabulary lacks", source=source, names=dict(most))
