"""What the consumer group gives and takes: heard from aiokafka, told to the reader."""

from collections.abc import Iterable
from typing import Protocol

from aiokafka import ConsumerRebalanceListener, TopicPartition


class Owner(Protocol):
    """Whoever reads what is assigned."""

    def expect(self, numbers: list[int]) -> None:
        """These are assigned."""

    async def let_go(self, numbers: list[int]) -> None:
        """These are revoked."""


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """Notes what the group assigns. It only notes: an exception raised in here would be swallowed."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Store what is left to store, then let go."""
        await self._owner.let_go(sorted(tp.partition for tp in revoked))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Nothing is read until the partition was claimed: the reader does that."""
        self._owner.expect(sorted(tp.partition for tp in assigned))
