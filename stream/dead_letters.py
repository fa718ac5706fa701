"""What could not be judged, kept as it came: its bytes, its key and headers, the reason and the place."""

from typing import Any

from models.errors import Unreadable
from stream import metrics
from stream.messages import Record

DETAIL_CHARS_MAX = 512
HEADERS_MAX = 32


def dead_letter(topic: str, record: Any, reason: Unreadable, detail: str) -> Record:
    """The record for the dead-letter topic; `record` is aiokafka's, a tombstone becomes an empty value."""
    metrics.DEAD_LETTERS.labels(reason).inc()
    headers = [
        ("reason", reason.encode()),
        ("detail", detail[:DETAIL_CHARS_MAX].encode()),
        ("topic", record.topic.encode()),
        ("partition", str(record.partition).encode()),
        ("offset", str(record.offset).encode()),
        ("timestamp", str(record.timestamp).encode()),
    ]
    headers += [(f"original-{name}", content) for name, content in record.headers[:HEADERS_MAX]]
    return Record(topic, record.key or b"", record.value or b"", headers)
