"""How full the store is: of the limit it was given, else of its machine; of a cluster its fullest node."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import RedisCluster

from stream.state.fullness import fullness


class Told:
    """A server that says these of its memory."""

    def __init__(self, **memory: int) -> None:
        self._memory = memory

    async def info(self, section: str) -> dict[str, int]:
        """As redis-py reads `INFO`."""
        assert section == "memory"
        return self._memory


class Nodes(RedisCluster):
    """Two of them, the second nearly full."""

    def __init__(self) -> None:
        """Connects to nothing."""

    def __del__(self, *_: Any) -> None:
        """Has nothing to close."""

    async def initialize(self, *_: Any, **__: Any) -> RedisCluster:
        """Both are known."""
        return self

    def get_primaries(self) -> list[Any]:
        """By the memory that is used."""
        return [100, 950]

    async def info(self, section: str | None = None, *_: str, **options: Any) -> dict[str, int]:
        """Of that node."""
        assert section == "memory"
        return {"used_memory": options["target_nodes"], "maxmemory": 1000}


@pytest.mark.parametrize(
    ("redis", "share"),
    [
        (Told(used_memory=256, maxmemory=1024, total_system_memory=2048), 0.25),
        (Told(used_memory=256, maxmemory=0, total_system_memory=2048), 0.125),
        (Told(used_memory=256), None),
        (Told(maxmemory=1024), None),
        (Nodes(), 0.95),
    ],
)
def test_how_full_the_store_is(redis: Any, share: float | None) -> None:
    """None, and no guess, where it does not tell."""
    assert asyncio.run(fullness(redis)) == share
