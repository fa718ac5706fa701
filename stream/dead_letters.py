"""What could not be judged, kept as it came: its bytes, its key and headers, the reason and the place.

Cut to what the topic takes, and said so: a record that came compressed may be larger than any that may
leave, and the position waits until the broker has the letter.
"""

from typing import Any

from aiokafka import TopicPartition

from models.errors import Unreadable
from stream import metrics
from stream.messages import Record
from stream.topics import Topics

DETAIL_CHARS_MAX = 512
HEADERS_MAX = 32
HEADER_BYTES_MAX = 4_096
NAME_CHARS_MAX = 256
KEY_BYTES_MAX = 65_536
VALUE_BYTES_MAX = 3 * 1024 * 1024


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
        (f"original-{name[:NAME_CHARS_MAX]}", content and content[:HEADER_BYTES_MAX])
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
