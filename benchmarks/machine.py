"""Where and with what the figures were taken: never a host name or a path."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from redis import Redis

from sandbox.kafka import COORDINATES
from sandbox.valkey import Valkey

PACKAGES = ("aiokafka", "faust-streaming", "redis", "hiredis", "msgspec", "uvloop")


def machine() -> list[str]:
    """The machine and the programs on it, a line each."""
    cores = os.cpu_count() or 0
    with Valkey(durable=False) as store, Redis.from_url(store.url) as client:
        valkey = dict(client.info("server")).get("valkey_version", "?")
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return [
        f"{cores} cores, {_memory_gb()} GB of memory, {_cpu()}; nothing pinned to a core",
        f"Python {platform.python_version()}",
        f"Apache Kafka {COORDINATES.split('+')[0].split(':')[2]}, one broker",
        f"Valkey {valkey}, append-only file, synced every second",
        packages,
        "broker, store, load and what is measured share these cores",
    ]


def _memory_gb() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.machine()
    names = [
        line.split(":", 1)[1].strip()
        for line in info.read_text().splitlines()
        if line.startswith("model name")
    ]
    return names[0] if names else platform.machine()
