"""Free ports that stay free while a server is down."""

import random
import socket
from pathlib import Path

HOST = "127.0.0.1"
PORT_MIN = 10_000
EPHEMERAL_FIRST = 32_768  # Linux's default; other systems start higher
TRIES_MAX = 100


def free_port() -> int:
    """Pick a port below the ephemeral range, where no server listens.

    Asking the kernel for port 0 gives an ephemeral one. While its server is down for an outage test, an
    outgoing connection may get that port (even a client that connects to itself), and the restart fails.
    """
    last = _ephemeral_first() - 1
    for _ in range(TRIES_MAX):
        port = random.randint(PORT_MIN, last)  # noqa: S311 - nothing secret: spreads concurrent sandboxes
        if _is_free(port):
            return port
    raise OSError(f"none of {TRIES_MAX} ports tried between {PORT_MIN} and {last} is free on {HOST}")


def accepts(port: int, timeout_s: float = 0.2) -> bool:
    """Whether something listens on a port."""
    try:
        with socket.create_connection((HOST, port), timeout_s):
            return True
    except OSError:
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # servers set it too
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _ephemeral_first() -> int:
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(limits.read_text().split()[0]) if limits.exists() else EPHEMERAL_FIRST
    return first if first > PORT_MIN + TRIES_MAX else EPHEMERAL_FIRST
