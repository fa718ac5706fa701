"""The worker's parts, put together in one place: store, producer, outbox, judge, reader, ledger."""

import asyncio
import time
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from mode import Service

from detectors.judge import Judge
from models.baselines.baseline import Baseline
from models.errors import FencedError, TopicChangedError
from stream import collector, metrics
from stream.build import fold_build
from stream.configuration.baseline_files import load_baseline
from stream.configuration.rule_files import load_declared
from stream.configuration.settings import Settings, load_policy, load_registry
from stream.enforcement.ledger import Ledger
from stream.ingest.raw_reader import RawReader
from stream.kafka.brokers import brokers
from stream.kafka.messages import Record
from stream.kafka.topics import RECORD_BYTES_MAX, identity, topics_of
from stream.model_registry.announcement import Slot
from stream.model_registry.patience import within
from stream.model_registry.slots import Slots
from stream.state.lineage import Lineage
from stream.state.store import Store
from stream.worker.closing import closed
from stream.worker.outbox import Outbox
from stream.worker.reader import Reader
from stream.worker.shadow import Shadow

log = structlog.stdlib.get_logger(__name__)

PROBE_WITHIN_S = 2.0
RECEIVE_WITHIN_S = 5.0
CHASED_WITHIN_S = 5.0
SAY_AGAIN_S = 10.0


class Engine(Service):  # type: ignore[misc]  # mode is not typed
    """Starts in the order things need each other, stops in the opposite one."""

    def __init__(self, settings: Settings, *, adopt_topic: bool, **options: Any) -> None:
        super().__init__(**options)
        self.settings = settings
        self.topics = topics_of(settings)
        self.policy = load_policy(settings.policy)
        self.baseline = within(
            settings.models_wait_s, settings.baseline or "baseline", lambda: load_baseline(settings)
        )
        """Live for as long as none is announced."""
        self.registry = load_registry(settings.registry)
        self.declared = load_declared(self.policy, settings.chains, settings.sigma)
        self.up = {"kafka": False, "redis": False}
        self._chasing = asyncio.Lock()
        """Held while the ledger is at work, and for good once the worker stops."""
        self._say_again_s: dict[str, float] = {}
        """When to say next that it is still away (monotonic seconds)."""
        self._adopt_topic = adopt_topic
        self._store = Store(settings.redis, settings.redis_prefix, self._redis_away)
        self._producer: Any = None
        self.ledger = Ledger(self._store, self.policy.commands, self.policy.memory_ms)
        self._reader: Reader | None = None
        self._raw: RawReader | None = None
        self._slots: Slots | None = None

    @Service.task  # type: ignore[untyped-decorator]  # mode is not typed
    async def _open(self) -> None:
        """Check the topic, open the producer and the reader; a task, so that the web answers meanwhile."""
        topic_id = await self._check_topic()
        self._producer = AIOKafkaProducer(
            **brokers(self.settings),
            client_id="chainbrake-outbox",
            acks="all",
            max_request_size=RECORD_BYTES_MAX,
            request_timeout_ms=10_000,
        )
        await self._producer.start()
        for topic in (self.topics.commands, self.topics.findings, self.topics.dead_letters):
            await self._producer.partitions_for(topic)  # so that the first command does not wait for it
        slots = Slots(
            self.settings, self.topics.models, self.baseline, self._change, loop=self.loop, beacon=self.beacon
        )
        self._slots = slots
        await slots.open()
        self._change(Slot.LIVE, slots.filled[Slot.LIVE])
        judge = self._judge(slots.filled[Slot.LIVE])
        outbox = Outbox(self._producer, self._store, self.topics, self.settings.issuer)
        reader = Reader(
            self.settings, self.topics, topic_id, judge, self._store, loop=self.loop, beacon=self.beacon
        )
        await reader.open(outbox)
        self._reader = reader
        self._change(Slot.SHADOW, slots.filled[Slot.SHADOW])
        self._note("kafka", up=True)
        await self.add_runtime_dependency(reader)
        await self.add_runtime_dependency(slots)
        await self._ingest()

    def _judge(self, baseline: Baseline | None) -> Judge:
        return Judge(self.policy, baseline, self.registry, self.declared)

    def _change(self, slot: Slot, baseline: Baseline | None) -> None:
        """Put another baseline to work: from the next slice of events on. Raises where none can."""
        judge = self._judge(baseline)
        if slot is Slot.LIVE:
            model = baseline.version if baseline is not None else "none"
            mode = "shadow" if self.policy.shadow else "enforce"
            metrics.BUILD.clear()
            metrics.BUILD.labels(self.policy.version, model, mode, fold_build()).set(1)
        if self._reader is None:
            return
        if slot is Slot.LIVE:
            self._reader.batches.change(judge)
        elif baseline is None:
            self._reader.batches.shadow = None
        else:
            share, at_most = self.settings.shadow_share, self.settings.workflows_max
            self._reader.batches.shadow = Shadow(judge, share, at_most)

    async def _ingest(self) -> None:
        """Read raw topics beside, where there are any."""
        lineage = Lineage(self.settings.redis, self.settings.redis_prefix, self._redis_away)
        raw = RawReader(
            self.settings, self.topics, self.registry, lineage, loop=self.loop, beacon=self.beacon
        )
        self._raw = raw
        if await raw.open():
            await self.add_runtime_dependency(raw)

    @Service.task  # type: ignore[untyped-decorator]
    async def _collect_on(self) -> None:
        while not self.should_stop:
            await self.sleep(collector.LOOK_EVERY_S)
            if not self.should_stop:  # else it would only keep the end waiting
                collector.look_through()

    async def on_stop(self) -> None:
        """Store what is left, then close: not while the ledger still needs the store."""
        try:
            await asyncio.wait_for(self._chasing.acquire(), CHASED_WITHIN_S)
        except TimeoutError:
            log.warning("stopped while the ledger waited for the store")
        if self._slots is not None:
            await closed("baselines", self._slots.close())
        if self._raw is not None:
            await self._raw.close()
        if self._reader is not None:
            await self._reader.close()
        if self._producer is not None:
            await closed("producer", self._producer.stop())
        await closed("store", self._store.close())

    @property
    def ready(self) -> bool:
        """Whether events are being judged: everything answers and every partition given is claimed."""
        return all(self.up.values()) and self._reader is not None and self._reader.judging

    @property
    def baselines(self) -> dict[str, dict[str, str | None]]:
        """What is at work in each slot, and what keeps the announced one from it."""
        return self._slots.standing() if self._slots is not None else {}

    async def receive(self, records: list[Record]) -> bool:
        """Put records on a raw topic; False where the broker does not have them all in time."""
        if self._reader is None or not self.up["kafka"]:
            return False
        try:
            await asyncio.wait_for(self._reader.outbox.deliver(records), RECEIVE_WITHIN_S)
        except TimeoutError:
            return False
        return True

    async def chase(self) -> None:
        """The ledger's timer, over the partitions this worker owns."""
        async with self._chasing:
            if self._reader is not None and not self.should_stop:
                await self._chase(self._reader)

    async def _chase(self, reader: Reader) -> None:
        pending = 0
        for partition in list(reader.partitions.values()):
            try:
                await self.ledger.chase(partition, reader.outbox)
            except FencedError as error:
                reader.fenced(partition, error)
                continue
            except KafkaError as error:
                log.warning("chase put off", partition=partition.number, error=repr(error))
            pending += await self._store.pending(partition.number)
        metrics.COMMANDS_PENDING.set(pending)

    async def probe(self) -> None:
        """Ask both dependencies whether they are there."""
        if self._reader is None:
            return
        answers = await self._store.ping()
        self._note("redis", up=answers)
        full = await self._store.fullness() if answers else None  # or the broker would wait twice
        if full is not None:
            metrics.STORE_FULLNESS.set(full)
        try:
            await asyncio.wait_for(self._reader.consumer.topics(), PROBE_WITHIN_S)
        except (KafkaError, TimeoutError, OSError):
            self._note("kafka", up=False)
        else:
            self._note("kafka", up=True)

    async def _check_topic(self) -> str:
        """The topic's id. Raises `TopicChangedError` if the stored state belongs to another."""
        found = await asyncio.to_thread(identity, self.settings, self.topics.actions)
        known = await self._store.topic()
        self._note("redis", up=True)
        changed = known is not None and known != found
        if changed and not self._adopt_topic:
            assert known is not None
            raise TopicChangedError(self.topics.actions, _words(known), _words(found))
        await self._store.adopt(*found, drop=changed or (self._adopt_topic and known is not None))
        return found[0]

    def _redis_away(self, *, away: bool) -> None:
        self._note("redis", up=not away)

    def _note(self, dependency: str, *, up: bool) -> None:
        if up and not self.up[dependency]:
            log.warning("dependency answers", dependency=dependency)
        elif not up and time.monotonic() >= self._say_again_s.get(dependency, 0.0):
            self._say_again_s[dependency] = time.monotonic() + SAY_AGAIN_S
            log.warning(
                "dependency is away: waiting for it", dependency=dependency, **self._where(dependency)
            )
        if up:
            self._say_again_s.pop(dependency, None)
        self.up[dependency] = up
        metrics.DEPENDENCY_UP.labels(dependency).set(up)

    def _where(self, dependency: str) -> dict[str, str]:
        """Which address does not answer, and which setting holds it: a wrong one looks like an outage."""
        if dependency == "kafka":
            return {"address": self.settings.kafka, "setting": "CHAINBRAKE_KAFKA"}
        address = self.settings.redis.rpartition("@")[2]  # without a password
        return {"address": address, "setting": "CHAINBRAKE_REDIS", "error": self._store.trouble}


def _words(topic: tuple[str, int]) -> str:
    return f"id {topic[0]}, {topic[1]} partitions"
