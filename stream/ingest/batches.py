"""Sizes of records that may come alone or many at once."""

from models.errors import Unreadable, UnreadableEventError
from models.event import EVENT_BYTES_MAX

BATCH_BYTES_MAX = 16_777_216
"""A larger batch is a dead letter: no provider sends one."""


def single(record: bytes) -> None:
    """A record that came alone is bounded as an event is. Raises `UnreadableEventError`."""
    if len(record) > EVENT_BYTES_MAX:
        detail = f"{len(record)} bytes, at most {EVENT_BYTES_MAX} are read"
        raise UnreadableEventError(Unreadable.TOO_LARGE, detail)
