"""A range of a Kafka topic as lines: `kafka://[BROKERS/]TOPIC[?from=…&to=…]`.

`from` is where it begins, `to` is the first that is left out: an offset, the same on every partition, or a
time in ISO 8601. Without them the range is the topic as it is when it is opened. The range ends by itself,
however the topic grows; nothing is committed and no group is joined. Partitions are read side by side in
the order of their records' times, so that every run sees the same order.
"""

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from heapq import heapify, heappop, heappush
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from models.cloudevent import read_event
from models.errors import InputError, StateError, UnreadableEventError
from stream.configuration.settings import Settings, read_settings
from stream.terminal.moments import millis

SCHEME = "kafka://"
AHEAD_MAX = 2_000
"""Records of one partition that may wait for those of others."""
POLL_MS = 200
SILENT_S_MAX = 30.0
"""The broker has the records: if none comes for so long, something is broken."""


class EmptyRangeError(InputError):
    """There is such a topic, and no record in this range of it."""


class Range(Struct, frozen=True):
    """What an argument asks for."""

    brokers: str
    topic: str
    begin: str
    end: str


def named(path: str) -> bool:
    """Whether an argument names a range of a topic."""
    return path.startswith(SCHEME)


def at_broker(path: str, brokers: str) -> str:
    """The argument, with these brokers if it names none itself."""
    if not named(path) or "/" in path.removeprefix(SCHEME).partition("?")[0]:
        return path
    return f"{SCHEME}{brokers}/{path.removeprefix(SCHEME)}"


def asked(path: str) -> Range:
    """The parts of an argument. Raises `InputError` for one that cannot be read."""
    try:
        parts = urlsplit(path)
        told = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise InputError(f"{path}: {error}; write {SCHEME}BROKERS/TOPIC?from=…&to=…") from error
    given, topic = dict(told), unquote(parts.path.strip("/"))
    if not parts.netloc or not topic or "/" in topic:
        raise InputError(f"{path}: names no broker and one topic; write {SCHEME}BROKERS/TOPIC?from=…&to=…")
    unknown = sorted(given.keys() - {"from", "to"})
    if unknown or len(given) < len(told):
        raise InputError(f"{path}: {', '.join(unknown) or 'something'} is not known here, or told twice")
    return Range(parts.netloc, topic, given.get("from", ""), given.get("to", ""))


def since(settings: Settings, topic: str, since_ms: int) -> Iterator[Any]:
    """Records of a topic from a time (ms since the epoch) on, by their records' times, to where it ends now.

    Raises `InputError` for a topic that is not there, `StateError` for no broker.
    """
    begin = datetime.fromtimestamp(since_ms / 1000, UTC).isoformat()
    try:
        with _read(Range(settings.kafka, topic, begin, ""), settings, topic) as records:
            yield from records.whole()
    except EmptyRangeError:
        return


@contextmanager
def opened(path: str) -> Iterator["Records"]:
    """The records of a range. Raises `InputError` for a range that is none, `StateError` for no broker."""
    wanted = asked(path)
    with _read(wanted, read_settings(os.environ, kafka=wanted.brokers), path) as records:
        yield records


@contextmanager
def _read(wanted: Range, settings: Settings, path: str) -> Iterator["Records"]:
    from kafka import TopicPartition  # noqa: PLC0415 - a fifth of a second, for this input only
    from kafka.errors import KafkaError  # noqa: PLC0415

    from stream.kafka import brokers  # noqa: PLC0415 - imports it

    with brokers.connecting(settings):
        consumer = brokers.lone_consumer(settings, "range")
    try:
        numbers = consumer.partitions_for_topic(wanted.topic) if wanted.topic in consumer.topics() else None
        if not numbers:
            raise InputError(f"{path}: there is no topic {wanted.topic} on {wanted.brokers}")
        parts = [TopicPartition(wanted.topic, number) for number in sorted(numbers)]
        yield Records(consumer, bounds(consumer, parts, wanted, path))
    except KafkaError as error:
        raise StateError(f"{path}: {error!r}") from error
    finally:
        consumer.close()


def bounds(consumer: Any, parts: list[Any], wanted: Range, path: str) -> dict[Any, tuple[int, int]]:
    """Partition: its first offset, and the one after its last. Raises `InputError` for an empty range."""
    begins, ends = consumer.beginning_offsets(parts), consumer.end_offsets(parts)
    first = _places(consumer, parts, wanted.begin, begins, ends, path)
    last = _places(consumer, parts, wanted.end, ends, ends, path)
    found = {part: (max(first[part], begins[part]), min(last[part], ends[part])) for part in parts}
    found = {part: (low, high) for part, (low, high) in found.items() if low < high}
    if not found:
        there = ", ".join(f"{begins[part]} to {ends[part]}" for part in parts)
        raise EmptyRangeError(f"{path}: no record in this range; the topic holds the offsets {there}")
    return found


def _places(
    consumer: Any, parts: list[Any], told: str, default: dict[Any, int], ends: dict[Any, int], path: str
) -> dict[Any, int]:
    if not told:
        return default
    if told.isascii() and told.isdigit():
        return dict.fromkeys(parts, int(told))
    found = consumer.offsets_for_times(dict.fromkeys(parts, millis(told, path, "no offset and no time")))
    return {part: ends[part] if found.get(part) is None else found[part].offset for part in parts}


class Records:
    """The records of a range, by time, partition and offset; memory holds a few thousand of a partition."""

    def __init__(self, consumer: Any, found: dict[Any, tuple[int, int]]) -> None:
        self.total = sum(high - low for low, high in found.values())
        self.done = 0
        """Records of the range that were passed on."""
        self._consumer = consumer
        self._ends = {part: high for part, (_, high) in found.items()}
        self._ahead: dict[Any, deque[Any]] = {part: deque() for part in found}
        consumer.assign(list(found))
        for part, (low, _) in found.items():
            consumer.seek(part, low)

    def __iter__(self) -> Iterator[bytes]:
        for record in self.whole():
            yield line_of(record)

    def whole(self) -> Iterator[Any]:
        """As the client has them."""
        heads = [head for part in self._ahead if (head := self._next(part)) is not None]
        heapify(heads)
        while heads:
            _, _, part, record = heappop(heads)
            self.done += 1
            yield record
            head = self._next(part)
            if head is not None:
                heappush(heads, head)

    def _next(self, part: Any) -> tuple[int, int, Any, Any] | None:
        """The partition's next record; None at the end of its range."""
        ahead = self._ahead[part]
        heard_s = time.monotonic()
        while not ahead:
            if self._consumer.position(part) >= self._ends[part]:
                return None
            if self._consumer.paused():
                self._consumer.resume(part)
            if self._poll():
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > SILENT_S_MAX:
                where = f"{part.topic}, partition {part.partition}"
                raise StateError(f"{where}: no record came from the broker for {SILENT_S_MAX:g} s")
        record = ahead.popleft()
        return record.timestamp, part.partition, part, record

    def _poll(self) -> bool:
        came = self._consumer.poll(timeout_ms=POLL_MS)
        for part, records in came.items():
            end, ahead = self._ends[part], self._ahead[part]
            ahead.extend(record for record in records if record.offset < end)
            if len(ahead) >= AHEAD_MAX or records[-1].offset >= end - 1:
                self._consumer.pause(part)
        return bool(came)


def line_of(record: Any) -> bytes:
    """A record as a line: an event with the time at which it arrived; anything else as it is."""
    value: bytes = record.value or b""
    if not record.headers:
        return value
    try:
        event = read_event(value, record.headers)
    except UnreadableEventError:
        return value
    if event.seen_ms is None or event.seen_ms > record.timestamp:
        event = replace(event, seen_ms=record.timestamp)
    return msgspec.json.encode(event)
