"""Records that may come alone or many at once: how large they may be, and which is which."""

from typing import TypeVar

from models.command import stable_id
from models.errors import Unreadable, UnreadableEventError
from models.event import EVENT_BYTES_MAX

BATCH_BYTES_MAX = 16_777_216
"""A larger batch is a dead letter: no provider sends one."""

TRAIL_BYTES_MAX = 67_108_864
"""The same of CloudTrail, which closes its files at about 50 MB, unpacked."""

T = TypeVar("T")


def single(record: bytes) -> None:
    """A record that came alone is bounded as an event is. Raises `UnreadableEventError`."""
    if len(record) > EVENT_BYTES_MAX:
        detail = f"{len(record)} bytes, at most {EVENT_BYTES_MAX} are read"
        raise UnreadableEventError(Unreadable.TOO_LARGE, detail)


def entries_of(content: T | list[T], record: bytes) -> list[T]:
    """Those of a list, or the one that came alone. Raises `UnreadableEventError`, as `single` does."""
    if isinstance(content, list):
        return content
    single(record)
    return [content]


class Places:
    """Ids for what has none of its own: a hash of the whole record, taken once, and the place in it."""

    def __init__(self, source: str, record: bytes) -> None:
        self.source = source
        self.record = record
        self._whole = ""

    def id_of(self, at: int) -> str:
        """The same record, the same ids."""
        self._whole = self._whole or stable_id(self.source, self.record.hex())
        return f"{self._whole}:{at}"
