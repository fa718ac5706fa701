"""The store's address, as a client: one server or a cluster, encrypted or not."""

from typing import Any

from redis.asyncio import Redis, RedisCluster

from models.errors import SettingsError

CLUSTERS = {"redis+cluster://": "redis://", "rediss+cluster://": "rediss://"}
"""Scheme of a cluster: redis-py's own."""


def client(url: str) -> Any:
    """Connects to nothing yet. Raises `SettingsError` for an address that it could never use."""
    try:
        for scheme, own in CLUSTERS.items():
            if url.startswith(scheme):
                return RedisCluster.from_url(url.replace(scheme, own, 1))
        one: Any = Redis.from_url(url, socket_timeout=5.0, socket_connect_timeout=2.0)
        one.connection_pool.make_connection()  # so that an option which it does not know is told now
    except (ValueError, TypeError) as error:
        raise SettingsError(f"redis (--redis, CHAINBRAKE_REDIS): {error}") from error
    return one
