"""The reader's turn while the group takes partitions away: what is let go meanwhile is nobody's crash."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from detectors.judge import Judge
from detectors.policy import Policy
from models.session import Workflow
from stream.configuration.settings import Settings
from stream.kafka.topics import topics_of
from stream.state.partition import Partition
from stream.state.store import Claim
from stream.worker.reader import Reader


class Rebalanced(Reader):
    """The group takes all partitions away while their batches are judged."""

    async def _batch(self, partition: Partition, _records: Any) -> None:
        del self.partitions[partition.number]


@pytest.mark.parametrize("count", [1, 2])
def test_partitions_that_are_let_go_while_a_batch_is_judged(count: int) -> None:
    """It was a crash of the worker, which then shared its memory among no partitions."""
    settings = Settings(workflows_max=2)
    topics, nothing = topics_of(settings), SimpleNamespace()

    async def story() -> dict[int, Partition]:
        reader = Rebalanced(settings, topics, "id", Judge(Policy(), None), nothing)  # type: ignore[arg-type]
        owned = {number: Partition(number, Claim(1, None, ""), "id", 0) for number in range(count)}
        for partition in owned.values():
            partition.workflows = {name: Workflow(name) for name in ("w1", "w2", "w3")}
        batches = {TopicPartition(topics.actions, number): ["a record"] for number in owned}

        async def fetch(*_: int) -> dict[TopicPartition, list[str]]:
            return batches

        reader._polling = SimpleNamespace(fetch=fetch)  # type: ignore[assignment]  # noqa: SLF001
        reader.partitions = dict(owned)
        await reader.turn()
        assert reader.partitions == {}
        return owned

    left = asyncio.run(story())
    assert [list(partition.workflows) for partition in left.values()] == [["w2", "w3"]] * count
