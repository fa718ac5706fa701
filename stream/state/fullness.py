"""How full the store is: one that takes no more writes is waited for, and meanwhile nobody is stopped."""

from collections.abc import Mapping
from typing import Any

from redis.asyncio import RedisCluster

IN_USE = "used_memory"
LIMITS = ("maxmemory", "total_system_memory")
"""What it may take, bytes: the limit it was given, else (0) what its machine has."""


async def fullness(redis: Any) -> float | None:
    """Memory in use as a share of what it may take, of a cluster's fullest node; None if it does not tell.

    Raises what redis-py raises: the store is away, or the account may not ask (`INFO`).
    """
    if isinstance(redis, RedisCluster):
        await redis.initialize()
        nodes = [await redis.info("memory", target_nodes=node) for node in redis.get_primaries()]
    else:
        nodes = [await redis.info("memory")]
    return max((share for share in map(_share, nodes) if share is not None), default=None)


def _share(memory: Mapping[str, Any]) -> float | None:
    limit = next((bytes_ for name in LIMITS if (bytes_ := memory.get(name))), 0)
    return memory[IN_USE] / limit if limit and IN_USE in memory else None
