"""What has come before: the same bytes from the same source, or the same source and id."""

from collections.abc import Sized
from hashlib import blake2b

KNOWN_MAX = 500_000
"""Records and events; a repeat comes soon after, or from a bucket read again, which is another matter."""


class Seen(Sized):
    """Remembers the last `KNOWN_MAX` keys."""

    def __init__(self, size_max: int = KNOWN_MAX) -> None:
        self._size_max = size_max
        self._known: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._known)

    def before(self, source: str, content: bytes) -> bool:
        """Whether this was here already; it is from now on."""
        key = blake2b(content, digest_size=16, person=source.encode()[:16]).digest()
        if key in self._known:
            return True
        self._known[key] = None
        if len(self._known) > self._size_max:
            del self._known[next(iter(self._known))]
        return False
