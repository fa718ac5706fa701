"""Polling raw topics: records in the order of their arrival, whatever is on the topic."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from stream.kafka.polling import Polling


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
    """Batches of one consumer, in the order in which the broker had them."""

    def __init__(
        self, consumer: Any, unfetched: Callable[[TopicPartition, int, str], Awaitable[None]]
    ) -> None:
        """`unfetched` tells of a record that cannot be decoded."""
        self.next_offsets: dict[TopicPartition, int] = {}
        """Of the first record not taken, by claimed partition."""
        self._unfetched = unfetched
        self._polling = Polling(consumer, lambda: self.next_offsets, self._pass_by)
        self.rewind = self._polling.rewind
        """To the first record not taken, on every partition that is still ours."""

    async def poll(self, wait_ms: int, records_max: int) -> list[Any]:
        """Records of all claimed partitions by when the broker had them."""
        found = await self._polling.fetch(wait_ms, records_max)
        records = [
            record
            for tp, batch in found.items()
            for record in batch
            if record.offset >= self.next_offsets.get(tp, record.offset + 1)
        ]
        records.sort(key=lambda record: (record.timestamp, record.topic, record.partition, record.offset))
        return records

    async def _pass_by(self, tp: TopicPartition, offset: int, error: str) -> None:
        await self._unfetched(tp, offset, error)
        self.next_offsets[tp] = offset + 1
