"""CloudEvents 1.0 on Kafka, binary and structured mode.

Format: cloudevents/spec, `bindings/kafka-protocol-binding.md` and `formats/json-format.md`. Binary mode puts
the attributes in `ce_…` headers and leaves the value to the data; structured mode puts both in one JSON
object under `content-type: application/cloudevents+json`. Our data repeats id, source and time, so that a
line of a file is as good as a record; where data lacks them, the attributes fill in.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

import msgspec
from msgspec import Raw, Struct

from models.errors import Unreadable, UnreadableEventError
from models.event import EVENT_BYTES_MAX, AnyEvent

TYPE_PREFIX = "dev.chainbrake."
CONTENT_TYPE = "application/json"
CONTENT_TYPE_BYTES = CONTENT_TYPE.encode()

_decoder = msgspec.json.Decoder(AnyEvent)
_encoder = msgspec.json.Encoder()


class Structured(Struct, frozen=True, kw_only=True):
    """The envelope of structured mode, as far as we read it."""

    specversion: str
    id: str
    source: str
    type: str
    data: Raw
    time: datetime | None = None


_structured = msgspec.json.Decoder(Structured)


def attributes(
    kind: str, event_id: str, source: str, at_ms: int, key: str, extensions: Iterable[tuple[str, str]] = ()
) -> dict[str, str]:
    """The context attributes of one CloudEvent; `kind` is what follows our type prefix."""
    return {
        "specversion": "1.0",
        "type": f"{TYPE_PREFIX}{kind}.v1",
        "id": event_id,
        "source": source,
        "time": rfc3339(at_ms),
        "partitionkey": key,
        **dict(extensions),
    }


def binary_headers(named: dict[str, str]) -> list[tuple[str, bytes]]:
    """Kafka headers of binary mode."""
    headers = [(f"ce_{name}", value.encode()) for name, value in named.items()]
    headers.append(("content-type", CONTENT_TYPE_BYTES))
    return headers


def rfc3339(at_ms: int) -> str:
    """Milliseconds since the epoch as CloudEvents writes a time."""
    minute, ms = divmod(at_ms, 60_000)
    return f"{_minute(minute)}:{ms // 1000:02d}.{ms % 1000:03d}Z"


@lru_cache(maxsize=1_024)
def _minute(number: int) -> str:
    """A date is worked out once for all that happens in its minute: 2.0 us became 0.6."""
    return datetime.fromtimestamp(number * 60, UTC).isoformat(timespec="minutes")[:16]


def encode_event(event: AnyEvent) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Value and headers of an event in binary mode; its record key is the workflow."""
    # What `binary_headers` makes of `attributes`, in half the time: nearly all that is sent are events.
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_type", _event_type(type(event))),
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_time", rfc3339(event.at_ms).encode()),
        ("ce_partitionkey", event.workflow.encode()),
        ("content-type", CONTENT_TYPE_BYTES),
    ]
    return _encoder.encode(event), headers


@cache
def _event_type(kind: type[AnyEvent]) -> bytes:
    return f"{TYPE_PREFIX}event.{kind.__struct_config__.tag}.v1".encode()


def read_event(value: bytes | None, headers: Iterable[tuple[str, bytes | None]] = ()) -> AnyEvent:
    """One record of the actions topic as an event.

    Raises `UnreadableEventError`, whose reason is what the dead letter and the metric say.
    """
    if value is None:
        raise UnreadableEventError(Unreadable.TOMBSTONE, "a record without a value")
    if len(value) > EVENT_BYTES_MAX:
        detail = f"{len(value)} bytes, at most {EVENT_BYTES_MAX} are read"
        raise UnreadableEventError(Unreadable.TOO_LARGE, detail)
    named: dict[str, bytes] = {}
    for name, content in headers:
        if content is None:  # Kafka allows a header without a value
            continue
        if name == "content-type":
            if content.startswith(b"application/cloudevents+json"):
                return _read_structured(value)
        elif name.startswith("ce_"):
            named[name] = content
    if not named:
        return read_data(value)
    return _read_binary(value, named)


def read_line(line: bytes) -> AnyEvent:
    """One line of a recorded file: an event, or a CloudEvent in structured mode around one.

    Raises `UnreadableEventError`.
    """
    if len(line) > EVENT_BYTES_MAX:
        detail = f"{len(line)} bytes, at most {EVENT_BYTES_MAX} are read"
        raise UnreadableEventError(Unreadable.TOO_LARGE, detail)
    if b'"specversion"' not in line:
        return read_data(line)
    try:
        return read_data(line)  # an event in which something is called so
    except UnreadableEventError:
        return _read_structured(line)


def read_data(value: bytes) -> AnyEvent:
    """The data of a CloudEvent, alone. Raises `UnreadableEventError`."""
    try:
        event: AnyEvent = _decoder.decode(value)
    except msgspec.ValidationError as error:
        raise UnreadableEventError(Unreadable.INVALID, str(error)) from error
    except msgspec.DecodeError as error:
        raise UnreadableEventError(_what_is_wrong(value), str(error)) from error
    except UnicodeDecodeError as error:
        raise UnreadableEventError(Unreadable.NOT_UTF8, str(error)) from error
    except RecursionError as error:
        raise UnreadableEventError(Unreadable.INVALID, "nested too deeply") from error
    return event


def _what_is_wrong(value: bytes) -> Unreadable:
    try:
        value.decode()
    except UnicodeDecodeError:
        return Unreadable.NOT_UTF8
    return Unreadable.NOT_JSON


def _read_binary(value: bytes, named: dict[str, bytes]) -> AnyEvent:
    if named.get("ce_specversion", b"1.0") != b"1.0":
        detail = f"specversion {named['ce_specversion']!r}, only 1.0 is read"
        raise UnreadableEventError(Unreadable.ENVELOPE, detail)
    try:
        event = read_data(value)
    except UnreadableEventError as error:
        if error.reason is not Unreadable.INVALID:
            raise
        return _filled(value, {name[3:]: _text(content) for name, content in named.items()}, error)
    event_id, source = named.get("ce_id"), named.get("ce_source")
    if (event_id is not None and event_id != event.id.encode()) or (
        source is not None and source != event.source.encode()
    ):
        raise UnreadableEventError(Unreadable.ENVELOPE, "ce_id or ce_source is not the one in the data")
    return event


def _read_structured(value: bytes) -> AnyEvent:
    try:
        envelope = _structured.decode(value)
    except msgspec.ValidationError as error:
        raise UnreadableEventError(Unreadable.ENVELOPE, str(error)) from error
    except msgspec.DecodeError as error:
        raise UnreadableEventError(_what_is_wrong(value), str(error)) from error
    except UnicodeDecodeError as error:
        raise UnreadableEventError(Unreadable.NOT_UTF8, str(error)) from error
    except RecursionError as error:
        raise UnreadableEventError(Unreadable.ENVELOPE, "nested too deeply") from error
    if envelope.specversion != "1.0":
        detail = f"specversion {envelope.specversion!r}, only 1.0 is read"
        raise UnreadableEventError(Unreadable.ENVELOPE, detail)
    try:
        event = read_data(bytes(envelope.data))
    except UnreadableEventError as error:
        if error.reason is not Unreadable.INVALID:
            raise
        named = {"id": envelope.id, "source": envelope.source}
        if envelope.time is not None:
            named["time"] = envelope.time.isoformat()
        return _filled(bytes(envelope.data), named, error)
    if (envelope.id, envelope.source) != (event.id, event.source):
        raise UnreadableEventError(Unreadable.ENVELOPE, "id or source is not the one in the data")
    return event


def _filled(data: bytes, named: dict[str, str], why: UnreadableEventError) -> AnyEvent:
    """Data that leaves id, source or time to the attributes; `why` is raised again if that is not it."""
    try:
        fields: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise why from None
    if not isinstance(fields, dict):
        raise why
    for name in ("id", "source"):
        if name in named:
            fields.setdefault(name, named[name])
    if "time" in named and "at_ms" not in fields:
        fields["at_ms"] = _millis(named["time"])
    try:
        event: AnyEvent = msgspec.convert(fields, AnyEvent)
    except msgspec.ValidationError as error:
        raise UnreadableEventError(Unreadable.INVALID, str(error)) from error
    return event


def _millis(time: str) -> int:
    try:
        moment = datetime.fromisoformat(time)
        if moment.tzinfo is None:
            raise UnreadableEventError(Unreadable.ENVELOPE, "time: no offset from UTC")
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise UnreadableEventError(Unreadable.ENVELOPE, f"time: {error}") from error


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UnreadableEventError(Unreadable.NOT_UTF8, f"a header: {error}") from error
