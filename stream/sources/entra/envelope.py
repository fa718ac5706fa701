"""The envelope of Azure Monitor around every record."""

import re
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from models.event import Outcome
from stream.sources.reading import decoded

REFUSED = frozenset({401, 403})
ERROR_MIN = 400
STATUS = re.compile(r"[1-5][0-9]{2}")

T = TypeVar("T")


class Envelope(Struct):
    """An envelope, as far as we read it."""

    time: str | None = None
    category: str | None = None
    operationName: str | None = None  # noqa: N815 - Microsoft's names
    resultType: Any = None  # noqa: N815
    resultSignature: Any = None  # noqa: N815
    callerIpAddress: str | None = None  # noqa: N815
    correlationId: str | None = None  # noqa: N815
    tenantId: str | None = None  # noqa: N815
    resourceId: str | None = None  # noqa: N815
    statusCode: Any = None  # noqa: N815
    identity: Raw = Raw(b"")
    properties: Raw = Raw(b"")


def part(decoder: msgspec.json.Decoder[T], raw: Raw) -> T:
    """A part of the envelope by its own decoder. Raises `UnreadableEventError`."""
    content = bytes(raw)
    return decoded(decoder, content if content[:1] == b"{" else b"{}")


def outcome_of(status: Any) -> Outcome | None:
    """By an HTTP status, as a number or text; None for what is none."""
    if isinstance(status, str) and STATUS.fullmatch(status):
        status = int(status)
    if not isinstance(status, int) or isinstance(status, bool) or not status:
        return None
    if status in REFUSED:
        return Outcome.DENIED
    return Outcome.ERROR if status >= ERROR_MIN else Outcome.OK
