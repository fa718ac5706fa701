"""Many records at once to the broker, in their order, until it has them all.

A batch is made and awaited as a whole: `send` keeps a future of each record, asks anew where each key
belongs, and waits for the broker whenever one partition's 16 KiB are full. What the broker refuses is sent
again before what follows it, so that nothing overtakes within a partition. Twice is possible, as with any
resending; lost or out of order is not.
"""

import asyncio
from functools import lru_cache

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from stream.kafka.messages import Record

log = structlog.stdlib.get_logger(__name__)

BATCH_BYTES_MAX = 128 * 1024
"""Of one partition: what a broker takes at most is 1 MiB if nobody has changed that."""
RETRY_PAUSE_S = 1.0
KEYS_MAX = 16_384


class Bulk:
    """A producer whose `max_batch_size` is `BATCH_BYTES_MAX`; what is urgent goes by another one."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def deliver(self, records: list[Record]) -> None:
        """Until the broker has them all."""
        left, at_most = records, len(records)
        while left:
            left = await self._refused(left, at_most)
            if left:
                log.warning("broker does not take messages yet", messages=len(left))
                await asyncio.sleep(RETRY_PAUSE_S)
                at_most = 1  # in case it is their size together that is refused

    async def _refused(self, records: list[Record], at_most: int) -> list[Record]:
        """Those that the broker does not have, in their order within each partition."""
        places: dict[tuple[str, int], list[Record]] = {}
        try:
            numbers = {topic: await self._numbers(topic) for topic in {record.topic for record in records}}
        except KafkaError:
            return records
        for record in records:
            place = record.topic, _partition(record.key, numbers[record.topic])
            places.setdefault(place, []).append(record)
        left = await asyncio.gather(
            *(self._in_batches(*place, those, at_most) for place, those in places.items())
        )
        return [record for those in left for record in those]

    async def _numbers(self, topic: str) -> tuple[int, ...]:
        return tuple(sorted(await self._producer.partitions_for(topic)))

    async def _in_batches(
        self, topic: str, partition: int, records: list[Record], at_most: int
    ) -> list[Record]:
        """One batch after the other; returns the first that is refused, and all that would have followed."""
        start = 0
        while start < len(records):
            batch, end = self._producer.create_batch(), start
            for record in records[start : start + at_most]:
                added = batch.append(
                    timestamp=None, key=record.key, value=record.value, headers=record.headers
                )
                if added is None:
                    break  # full: the first always has room
                end += 1
            try:
                await (await self._producer.send_batch(batch, topic, partition=partition))
            except KafkaError:
                return records[start:]
            start = end
        return []


@lru_cache(maxsize=KEYS_MAX)
def _partition(key: bytes, numbers: tuple[int, ...]) -> int:
    """Where a key belongs, as all clients have it: a hash in pure Python, and a batch has few keys."""
    number: int = DefaultPartitioner()(key, numbers, numbers)
    return number
