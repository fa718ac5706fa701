"""Events on their way to the broker in batches: all of them, and none before its predecessor."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RequestTimedOutError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from stream.kafka import bulk
from stream.kafka.bulk import Bulk
from stream.kafka.messages import Record

TOPIC, PARTITIONS = "actions", 3


class Broker:
    """A producer and its broker in one; it fails as often as it is told to, or takes few records at once."""

    def __init__(self, batch_bytes: int = 400, records_max: int = 1_000) -> None:
        self.logs: dict[tuple[str, int], list[Any]] = {}
        self.failures: list[KafkaError] = []
        self.unknown = 0
        self.sizes: list[int] = []
        self._batch_bytes = batch_bytes
        self._records_max = records_max

    async def partitions_for(self, _: str) -> set[int]:
        """Their numbers."""
        if self.unknown:
            self.unknown -= 1
            raise KafkaError
        return set(range(PARTITIONS))

    def create_batch(self) -> BatchBuilder:
        """An empty one."""
        return BatchBuilder(self._batch_bytes, 0)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[None]":
        """Into the log, or an error."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.failures:
            answer.set_exception(self.failures.pop(0))
            return answer
        if batch.record_count() > self._records_max:
            raise MessageSizeTooLargeError
        self.sizes.append(batch.record_count())
        arrived = MemoryRecords(bytes(batch._build())).next_batch()  # noqa: SLF001 - as it goes over the wire
        assert arrived is not None
        self.logs.setdefault((topic, partition), []).extend(arrived)
        answer.set_result(None)
        return answer


def records(count: int) -> list[Record]:
    """Of some workflows in turn."""
    return [Record(TOPIC, b"wf-%d" % (number % 5), b"%d" % number, [("n", b"1")]) for number in range(count)]


def delivered(broker: Broker, given: list[Record]) -> None:
    """Deliver them; nothing may be missing, twice, elsewhere than others would put it, or out of order."""
    asyncio.run(asyncio.wait_for(Bulk(broker).deliver(given), 10))
    expected: dict[tuple[str, int], list[tuple[bytes, bytes, list[tuple[str, bytes]]]]] = {}
    for record in given:
        numbers = list(range(PARTITIONS))
        place = record.topic, DefaultPartitioner()(record.key, numbers, numbers)
        expected.setdefault(place, []).append((record.key, record.value, record.headers))
    found = {
        place: [(each.key, each.value, list(each.headers)) for each in log]
        for place, log in broker.logs.items()
    }
    assert found == expected


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "RETRY_PAUSE_S", 0.0)


def test_all_arrive_in_few_batches_and_in_order() -> None:
    """A full batch is followed by the next one."""
    broker = Broker()
    delivered(broker, records(200))
    assert 1 < max(broker.sizes) < 200


def test_nothing_overtakes_what_was_refused() -> None:
    """What follows it in its partition waits until the broker has it."""
    broker = Broker()
    broker.failures = [RequestTimedOutError(), RequestTimedOutError(), RequestTimedOutError()]
    delivered(broker, records(200))


def test_what_is_too_large_together_goes_one_by_one() -> None:
    """The broker may allow less than we put into a batch."""
    broker = Broker(batch_bytes=10_000, records_max=1)
    delivered(broker, records(20))
    assert set(broker.sizes) == {1}


def test_a_topic_that_is_not_known_yet_is_waited_for() -> None:
    """As long as it takes."""
    broker = Broker()
    broker.unknown = 2
    delivered(broker, records(10))


def test_a_record_that_fills_a_batch_alone_is_sent() -> None:
    """A batch takes its first record whatever its size."""
    broker = Broker()
    large = Record(TOPIC, b"wf", b"x" * 5_000, [])
    delivered(broker, [large, *records(3), large])


def test_nothing_is_nothing() -> None:
    """No records, no batch."""
    broker = Broker()
    delivered(broker, [])
    assert not broker.sizes
