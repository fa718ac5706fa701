"""What the normalisers share: decoding with a reason for what cannot be decoded, times, bounds.

A record comes from outside: whatever its bytes, it ends as a value with limits or as `UnreadableEventError`.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec

from models.errors import Unreadable, UnreadableEventError
from models.event import EVENT_BYTES_MAX

NAME_MAX = 256
"""Characters of a `Name` or `Label` of an event."""
TEXT_MAX = 1024
"""Characters of a `Text` of an event."""
PARTS_MAX = 64
"""Values that one fact lists."""
NESTED_MAX = 131_072
"""Characters of JSON inside JSON that are parsed; no provider allows a policy a tenth of that."""

AT_MS_MAX = 9_999_999_999_999
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

T = TypeVar("T")


def decoded(decoder: msgspec.json.Decoder[T], record: bytes, bytes_max: int = EVENT_BYTES_MAX) -> T:
    """A record by its source's typed decoder. Raises `UnreadableEventError` with the reason."""
    if not record:
        raise UnreadableEventError(Unreadable.TOMBSTONE, "a record without a value")
    if len(record) > bytes_max:
        raise UnreadableEventError(Unreadable.TOO_LARGE, f"{len(record)} bytes, at most {bytes_max} are read")
    try:
        return decoder.decode(record)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error
    except msgspec.DecodeError as error:
        raise UnreadableEventError(_undecodable(record), str(error)) from error
    except UnicodeDecodeError as error:
        raise UnreadableEventError(Unreadable.NOT_UTF8, str(error)) from error
    except RecursionError as error:
        raise invalid("nested too deeply") from error


def _undecodable(record: bytes) -> Unreadable:
    try:
        record.decode()
    except UnicodeDecodeError:
        return Unreadable.NOT_UTF8
    return Unreadable.NOT_JSON


def invalid(detail: str) -> UnreadableEventError:
    """The error for JSON that is no record of its source; `detail` holds no value of the record."""
    return UnreadableEventError(Unreadable.INVALID, detail[:NAME_MAX])


def millis(text: str) -> int:
    """An RFC 3339 or ISO 8601 time in milliseconds since 1970; without a zone it is UTC.

    Raises `UnreadableEventError` for what is no time, and for times that an event cannot have.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        at_ms = (moment - EPOCH) // MILLISECOND
    except (ValueError, OverflowError) as error:
        raise invalid("a time that is no RFC 3339 time") from error
    if not 0 <= at_ms <= AT_MS_MAX:
        raise invalid("a time before 1970 or after 2286")
    return at_ms


def name(text: str | None) -> str:
    """At most as long as a name or label may be; nothing for nothing."""
    return text[:NAME_MAX] if text else ""


def listed(values: Iterable[str], length_max: int = TEXT_MAX) -> str:
    """Several values as one fact: by comma, each once, in their order, and whole, as far as they fit."""
    kept: dict[str, None] = {}
    length = -1
    for value in values:
        if not value or value in kept:
            continue
        length += len(value) + 1
        if length > length_max or len(kept) >= PARTS_MAX:
            break
        kept[value] = None
    return ",".join(kept)


def nested(document: Any) -> Any:
    """JSON inside JSON, as providers write policies: as text, URL-encoded text, or an object already.

    None for what cannot be read: a policy that we cannot read says nothing, and its record is still one.
    """
    if not isinstance(document, str):
        return document
    if len(document) > NESTED_MAX:
        return None
    text = document.lstrip()
    if text.startswith(("%7B", "%7b", "%5B", "%5b")):
        text = unquote(text)
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def many(value: Any) -> tuple[Any, ...]:
    """One or several: providers write a list of one as the one."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)


def texts(value: Any) -> tuple[str, ...]:
    """The texts among one or several."""
    return tuple(item for item in many(value) if isinstance(item, str))
