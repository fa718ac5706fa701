"""Lines of files as events, whatever their format: our own events, a source's records, or a scenario's."""

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush

import msgspec
from msgspec import Raw, Struct

from models.cloudevent import read_line
from models.errors import InputError, Unreadable, UnreadableEventError
from models.event import EVENT_BYTES_MAX, AnyEvent
from stream.ingest.batches import BATCH_BYTES_MAX
from stream.ingest.pipeline import Pipeline
from stream.ingest.reading import decoded, millis
from stream.ingest.sources import SOURCES

EVENTS = "events"
SCENARIO = "scenario"

LINES_AHEAD_MAX = 50_000
"""A line may stand this many lines too late in a scenario, and is still taken in its turn."""


class Arrival(Struct, frozen=True):
    """One event that a line led to."""

    index: int
    """The line, from 0 on."""
    seen_ms: int
    event: AnyEvent


class Refused(Struct, frozen=True):
    """A line that cannot be used."""

    index: int
    reason: Unreadable
    detail: str
    content: bytes
    """As it came."""


Arrivals = Iterator[Arrival | Refused]


class Line(Struct, frozen=True):
    """A line of a scenario; when it happened (`at`) is in the record as well, and not read here."""

    seen: str
    source: str
    record: Raw


_line = msgspec.json.Decoder(Line)


def known_source(source: str) -> str:
    """The source. Raises `InputError` if there is no such."""
    if source not in (EVENTS, SCENARIO, *SOURCES):
        raise InputError(f"source {source!r} is not known; known are {', '.join((*SOURCES, SCENARIO))}")
    return source


def bytes_max(source: str) -> int:
    """How long a line may be: some sources send many records in one."""
    return BATCH_BYTES_MAX if source in SOURCES and source != EVENTS else EVENT_BYTES_MAX


def arrivals(
    source: str, lines: Iterable[bytes], pipeline: Pipeline, clock: Callable[[], int] | None = None
) -> Arrivals:
    """Events in the order of their arrival; a blank line is none.

    `clock` says when a line of a source arrives (ms); without one it arrives when it says it happened. A
    scenario's line says itself when it arrived.
    """
    given = ((index, line) for index, line in enumerate(lines) if line)
    if source == EVENTS:
        return _each(given, _event)
    if source == SCENARIO:
        return _scenario(given, pipeline)
    return _each(given, lambda line: pipeline.take(source, line, clock() if clock is not None else None))


def _each(given: Iterable[tuple[int, bytes]], read: Callable[[bytes], list[AnyEvent]]) -> Arrivals:
    for index, line in given:
        try:
            events = read(line)
        except UnreadableEventError as error:
            yield Refused(index, error.reason, error.detail, line)
            continue
        for event in events:
            yield Arrival(index, event.at_ms if event.seen_ms is None else event.seen_ms, event)


def _event(line: bytes) -> list[AnyEvent]:
    return [read_line(line)]


def _scenario(given: Iterable[tuple[int, bytes]], pipeline: Pipeline) -> Arrivals:
    """In order of `seen`, as far as `LINES_AHEAD_MAX` lines allow."""
    ahead: list[tuple[int, int, str, bytes]] = []
    for index, content in given:
        try:
            line = decoded(_line, content, EVENT_BYTES_MAX)
            heappush(ahead, (millis(line.seen), index, line.source, bytes(line.record)))
        except UnreadableEventError as error:
            yield Refused(index, error.reason, error.detail, content)
        if len(ahead) > LINES_AHEAD_MAX:
            yield from _taken(heappop(ahead), pipeline)
    while ahead:
        yield from _taken(heappop(ahead), pipeline)


def _taken(line: tuple[int, int, str, bytes], pipeline: Pipeline) -> Arrivals:
    seen_ms, index, source, record = line
    if source not in SOURCES:
        yield Refused(index, Unreadable.INVALID, "a source that is not known", record)
        return
    try:
        events = pipeline.take(source, record, seen_ms)
    except UnreadableEventError as error:
        yield Refused(index, error.reason, error.detail, record)
        return
    for event in events:
        yield Arrival(index, seen_ms, event)
