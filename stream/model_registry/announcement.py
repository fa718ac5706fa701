"""What workers are told when a baseline is put to work: one record a slot, on a compacted topic.

The same object is an entry of the registry's history. The topic is a copy of what the history says last of
each slot; it can be written again at any time (`chainbrake models announce`).
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from models.errors import InputError

Version = Annotated[str, Meta(pattern=r"^baseline@[0-9a-f]{12}$")]
Said = Annotated[str, Meta(max_length=1024)]


class Slot(StrEnum):
    """What a baseline is put to work as; the record's key."""

    LIVE = "live"
    """Its findings count."""
    SHADOW = "shadow"
    """It is asked beside the live one, and what it would do is only counted."""


class Act(StrEnum):
    """What was done to a slot."""

    FILL = "fill"
    """A baseline was put to work."""
    ROLLBACK = "rollback"
    """The one that was live before the last that was put to work is live again."""
    EMPTY = "empty"


class Announcement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From now on this slot is filled by that baseline."""

    slot: Slot
    act: Act
    number: Annotated[int, Meta(ge=1)]
    """Of the entry in the registry's history: a larger one is the later one, over both slots."""
    version: Version | None
    """Null for none: the slot is empty."""
    sha256: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Of the file, hex."""
    registry: Said = ""
    """Where it was put, as its writer names that; for people: a worker reads its own registry only."""
    previous: Version | None = None
    """What filled the slot before."""
    by: Annotated[str, Meta(min_length=1, max_length=256)]
    reason: Said = ""
    at_ms: Annotated[int, Meta(ge=0)]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Announcement).decode


def key_of(announcement: Announcement) -> bytes:
    """The record's key."""
    return announcement.slot.encode()


def encode(announcement: Announcement) -> bytes:
    """The record's value."""
    return _encode(announcement)


def decode(value: bytes | None) -> Announcement:
    """A record's value as an announcement. Raises `InputError`."""
    try:
        return _decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not an announcement of a baseline: {error}") from error


def last_of(history: list[Announcement], slot: Slot) -> Announcement | None:
    """What was done to a slot last."""
    return next((entry for entry in reversed(history) if entry.slot is slot), None)
