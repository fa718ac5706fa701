"""Polling raw topics: records in the order of their arrival, whatever is on the topic."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.errors import ConsumerStoppedError, KafkaError

log = structlog.stdlib.get_logger(__name__)

AGAIN_S = 1.0
SINGLY_MS = 200


class AllToOne(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka is not typed
    """Every partition to one member: what one source mints, another uses, so one worker has to see all.

    The others stand by. Which one it is follows from the members' ids, so all of them agree.
    """

    name = "chainbrake-all-to-one"
    version = 0

    @classmethod
    def assign(cls, cluster: Any, members: Any) -> dict[str, Any]:
        """By member: its topics and partitions."""
        one = min(members)
        topics = sorted({topic for member in members.values() for topic in member.subscription})
        everything = [(topic, sorted(cluster.partitions_for_topic(topic) or ())) for topic in topics]
        return {
            member: ConsumerProtocolMemberAssignment(cls.version, everything if member == one else [], b"")
            for member in members
        }

    @classmethod
    def metadata(cls, topics: Any) -> Any:
        """What a member says of itself."""
        return ConsumerProtocolMemberMetadata(cls.version, list(topics), b"")

    @classmethod
    def on_assignment(cls, assignment: Any) -> None:
        """Nothing to note."""


class Poller:
    """Batches of one consumer; a record that cannot be decoded is passed by, and named."""

    def __init__(
        self, consumer: Any, unfetched: Callable[[TopicPartition, int, str], Awaitable[None]]
    ) -> None:
        self.next_offsets: dict[TopicPartition, int] = {}
        """Of the first record not taken, by claimed partition."""
        self._consumer = consumer
        self._unfetched = unfetched

    async def poll(self, wait_ms: int, records_max: int) -> list[Any]:
        """Records of all claimed partitions by when the broker had them."""
        try:
            found = await self._consumer.getmany(timeout_ms=wait_ms, max_records=records_max)
        except UnicodeDecodeError as error:
            log.warning("a fetch cannot be decoded: record by record", error=str(error))
            self.rewind()
            found = await self._singly()
        except ConsumerStoppedError:
            raise
        except KafkaError as error:
            log.exception("a fetch failed", error=repr(error))
            self.rewind()
            await asyncio.sleep(AGAIN_S)
            return []
        records = [
            record
            for tp, batch in found.items()
            for record in batch
            if record.offset >= self.next_offsets.get(tp, record.offset + 1)
        ]
        records.sort(key=lambda record: (record.timestamp, record.topic, record.partition, record.offset))
        return records

    def rewind(self) -> None:
        """To the first record not taken, on every partition that is still ours."""
        assigned = self._consumer.assignment()
        for tp, offset in self.next_offsets.items():
            if tp in assigned:
                self._consumer.seek(tp, offset)

    async def _singly(self) -> dict[TopicPartition, list[Any]]:
        found: dict[TopicPartition, list[Any]] = {}
        for tp in list(self.next_offsets):
            try:
                found |= await self._consumer.getmany(tp, timeout_ms=SINGLY_MS, max_records=1)
            except UnicodeDecodeError as error:
                offset = await self._consumer.position(tp)
                await self._unfetched(tp, offset, str(error))
                self.next_offsets[tp] = offset + 1
                self._consumer.seek(tp, offset + 1)
        return found
