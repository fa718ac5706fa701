"""What could not be judged, kept as it came: its bytes, its key and headers, the reason and the place.

Cut to what the topic takes, and said so: a record that came compressed may be larger than any that may
leave, and the position waits until the broker has the letter.
"""

from typing import Any

from aiokafka import TopicPartition
from msgspec import Struct

from models.errors import Unreadable
from stream import metrics
from stream.kafka.messages import Record
from stream.kafka.topics import Topics

DETAIL_CHARS_MAX = 512
HEADERS_MAX = 32
HEADER_BYTES_MAX = 4_096
NAME_CHARS_MAX = 256
KEY_BYTES_MAX = 65_536
VALUE_BYTES_MAX = 3 * 1024 * 1024
ORIGINAL = "original-"
"""Before the names of the record's own headers."""
DIGITS_MAX = 20


class Letter(Struct, frozen=True):
    """One that was read back."""

    reason: str
    detail: str
    topic: str
    """Where the record lay, with its place; empty for a line of a file."""
    partition: int | None
    offset: int | None
    at_ms: int | None
    """The record's own time."""
    letter_ms: int
    """When it was put away."""
    key: str
    headers: dict[str, str]
    """The record's own."""
    cut_from_bytes: int | None
    """How long it was, where it was longer than a letter may be."""
    value: bytes


def read_letter(record: Any) -> Letter:
    """What lies on the topic; whatever else does has no reason."""
    told = {name: (content or b"").decode(errors="backslashreplace") for name, content in record.headers}
    own = {name.removeprefix(ORIGINAL): text for name, text in told.items() if name.startswith(ORIGINAL)}
    return Letter(
        reason=told.get("reason", ""),
        detail=told.get("detail", ""),
        topic=told.get("topic", ""),
        partition=_number(told.get("partition")),
        offset=_number(told.get("offset")),
        at_ms=_number(told.get("timestamp")),
        letter_ms=record.timestamp,
        key=(record.key or b"").decode(errors="backslashreplace"),
        headers=own,
        cut_from_bytes=_number(told.get("cut-from-bytes")),
        value=record.value or b"",
    )


def _number(text: str | None) -> int | None:
    return (
        int(text)
        if text is not None and text.isascii() and text.isdigit() and len(text) < DIGITS_MAX
        else None
    )


def dead_letter(
    topic: str, record: Any, reason: Unreadable, detail: str, part: bytes | None = None
) -> Record:
    """The record for the dead-letter topic; `record` is aiokafka's, a tombstone becomes an empty value.

    `part` is the part of it that cannot be used, where the rest can.
    """
    metrics.DEAD_LETTERS.labels(reason).inc()
    headers = [
        ("reason", reason.encode()),
        ("detail", detail[:DETAIL_CHARS_MAX].encode()),
        ("topic", record.topic.encode()),
        ("partition", str(record.partition).encode()),
        ("offset", str(record.offset).encode()),
        ("timestamp", str(record.timestamp).encode()),
    ]
    key, value = record.key or b"", (record.value if part is None else part) or b""
    if len(value) > VALUE_BYTES_MAX:
        headers.append(("cut-from-bytes", str(len(value)).encode()))
    headers += [
        (f"{ORIGINAL}{name[:NAME_CHARS_MAX]}", content and content[:HEADER_BYTES_MAX])
        for name, content in record.headers[:HEADERS_MAX]
    ]
    return Record(topic, key[:KEY_BYTES_MAX], value[:VALUE_BYTES_MAX], headers)


def unfetched(topics: Topics, tp: TopicPartition, offset: int, why: str) -> Record:
    """For a record that the client cannot decode: it stays where it is, the letter names the place.

    A header's name that is not UTF-8 fails its record and those after it in the producer's own batch.
    """
    metrics.DEAD_LETTERS.labels(Unreadable.NOT_UTF8).inc()
    headers = [
        ("reason", Unreadable.NOT_UTF8.encode()),
        ("detail", f"a header's name in its batch: {why}"[:DETAIL_CHARS_MAX].encode()),
        ("topic", tp.topic.encode()),
        ("partition", str(tp.partition).encode()),
        ("offset", str(offset).encode()),
    ]
    return Record(topics.dead_letters, b"", b"", headers)


def refused_line(topic: str, content: bytes, reason: Unreadable, detail: str) -> Record:
    """The record for a line of a file."""
    headers = [("reason", reason.encode()), ("detail", detail[:DETAIL_CHARS_MAX].encode())]
    if len(content) > VALUE_BYTES_MAX:
        headers.append(("cut-from-bytes", str(len(content)).encode()))
    return Record(topic, b"", content[:VALUE_BYTES_MAX], headers)
