"""How fast do records of a platform become events on the actions topic, beside copying their bytes?

CloudTrail records of 2 kB on the raw topic. The worker reads, normalises, finds the session, remembers that
in Valkey and sends the event, and judges it meanwhile, in the same process. The peer sends the same bytes
from topic to topic with the same client. Both are timed from outside, by what has arrived.
"""  # noqa: D400 - it opens with its question

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kafka import KafkaConsumer, TopicPartition

from benchmarks.deployment import PARTITIONS, Ground, Worker
from benchmarks.latency import helper, wait_ready
from benchmarks.load import fill
from benchmarks.records import RECORD_BYTES, RECORDS, padded
from benchmarks.report import Report, Size, middle, spread, thousands

SOURCE = "aws.cloudtrail"
PART = 10
"""Of the events of a benchmark's size, one in so many: a record is seven times as long."""
KEYS = 200
"""Different access keys, a session each."""
ARRIVED_S_MAX = 240.0
OURS = "chainbrake, whole worker"
COPY = "aiokafka, copy the bytes"


def records(count: int) -> Iterator[bytes]:
    """Reads and changes, each with an id, a time and a key of its own."""
    began_s = time.time() - 300
    for number in range(count):
        record = RECORDS[SOURCE][number % len(RECORDS[SOURCE])]
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began_s + 240 * number / count))
        identity = {**record["userIdentity"], "accessKeyId": f"ASIAMADEUP{number % KEYS:010d}"}
        told = {"eventID": f"id-{number}", "requestID": f"req-{number}", "eventTime": moment}
        yield padded({**record, **told, "userIdentity": identity})


class Ingest:
    """One filled raw topic, and who empties it."""

    def __init__(self, ground: Ground, count: int) -> None:
        self._ground = ground
        self.count = count
        self._name = f"ingest-{time.time_ns()}"
        self._topics = ground.topics(self._name)
        rows = (("", content) for content in records(count))
        asyncio.run(fill(ground.kafka.bootstrap, self._topics.raw[SOURCE], 1, rows))

    def lanes(self) -> dict[str, Callable[[], float]]:
        """Each answers with records per second."""
        return {OURS: self._ours, COPY: self._copied}

    def _ours(self) -> float:
        state = f"{self._name}-{time.time_ns()}"
        with (
            self._counting(self._topics.actions) as arrived,
            Worker(self._ground, self._name, state),
        ):
            return self._rate(arrived)

    def _copied(self) -> float:
        topic = self._ground.topics(f"copy-{time.time_ns()}").actions
        arguments = (self._ground.kafka.bootstrap, self._topics.raw[SOURCE], topic, "1")
        with (
            self._counting(topic) as arrived,
            helper("benchmarks.peers.pass_through", arguments=arguments) as passing,
        ):
            wait_ready(passing)
            return self._rate(arrived)

    def _rate(self, arrived: Callable[[], int]) -> float:
        """From the first look that finds some to the one that finds all."""
        began_s = time.monotonic()
        first, first_s = 0, began_s
        while (there := arrived()) < self.count:
            if not first and there:
                first, first_s = there, time.monotonic()
            if time.monotonic() - began_s > ARRIVED_S_MAX:
                raise RuntimeError(f"{there} of {self.count} records arrived")
            time.sleep(0.01)
        return (there - first) / (time.monotonic() - first_s)

    @contextmanager
    def _counting(self, topic: str) -> Iterator[Callable[[], int]]:
        """How many records have come onto a topic since."""
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer = KafkaConsumer(bootstrap_servers=self._ground.kafka.bootstrap, enable_auto_commit=False)
        before = sum(consumer.end_offsets(places).values())
        try:
            yield lambda: sum(consumer.end_offsets(places).values()) - before
        finally:
            consumer.close()


def run(ground: Ground, size: Size) -> Report:
    """Everyone in turn, `rounds` times over."""
    count = max(2_000, size.events // PART)
    rates: dict[str, list[float]] = {OURS: [], COPY: []}
    for _ in range(size.rounds):
        # Topics anew: else a worker with fresh state judges the events of all rounds before, too, meanwhile.
        for name, lane in Ingest(ground, count).lanes().items():
            rates[name].append(lane())
            print(f"ingesting: {name}: {thousands(rates[name][-1])} records/s", flush=True)
    ours, copy = middle(rates[OURS]), middle(rates[COPY])
    return Report(
        title="From a platform's record to an event",
        question=(__doc__ or "").split("\n\n", maxsplit=1)[0].replace("\n", " "),
        columns=("one process each", "records/s", "range (k)", "chainbrake is"),
        rows=[
            (name, thousands(middle(found)), spread(found), f"{ours / middle(found):.2f}")
            for name, found in rates.items()
        ],
        answers=[f"{ours / copy:.3f} x {COPY}"],
        notes=[
            f"{count:,} records of {RECORD_BYTES:,} bytes of {SOURCE}, {KEYS} keys, one partition",
            "the worker judges the events meanwhile, in the same process, on the same core",
        ],
    )
