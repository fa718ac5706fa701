"""Lines of files as events, whatever their format: our own events, a source's records, or a scenario's."""

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from models.cloudevent import read_line
from models.errors import InputError, Unreadable, UnreadableEventError
from models.event import EVENT_BYTES_MAX, AnyEvent
from models.spelling import meant
from stream.ingest.ordering import makers_first
from stream.ingest.pipeline import Bad, Pipeline, Taken
from stream.recordings.files import Lines, Unbroken
from stream.sources.batches import BATCH_BYTES_MAX, TRAIL_BYTES_MAX
from stream.sources.known import SOURCES
from stream.sources.reading import decoded, millis

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
    file: str = ""
    """Where the line was counted; empty for over all inputs."""

    @property
    def where(self) -> str:
        """For whoever looks for it."""
        return f"line {self.index} (from 0){f' of {self.file}' if self.file else ''}"


def told_of(refused: Refused, source: str) -> str:
    """One line about a line that cannot be used, for whoever gave it."""
    return f"{refused.where} is no record of {source}: {refused.reason}, {refused.detail}"


def placed(refused: Refused, given: Iterable[bytes]) -> Refused:
    """The same, counted in the input that it stood in, if that is known."""
    lines = given.lines if isinstance(given, Unbroken) else given
    if not isinstance(lines, Lines):
        return refused
    file, index = lines.place(refused.index)
    return replace(refused, file=file, index=index)


Arrivals = Iterator[Arrival | Refused]


class Line(Struct, frozen=True):
    """A line of a scenario; when it happened (`at`) is in the record as well, and not read here."""

    seen: str
    source: str
    record: Raw


_line = msgspec.json.Decoder(Line)


def known_source(source: str, beside: Iterable[str] = ()) -> str:
    """The source. Raises `InputError` if there is no such, here or `beside`, where runs are read."""
    known = (*SOURCES, SCENARIO, *beside)
    if source not in known:
        begun = next((name for name in known if source and name.startswith(source)), source)
        raise InputError(f"source {source!r} is not known; {meant(begun, known)}known are {', '.join(known)}")
    return source


def bytes_max(source: str) -> int:
    """How long a line may be: some sources send many records in one."""
    if source in (EVENTS, SCENARIO):
        return EVENT_BYTES_MAX
    return TRAIL_BYTES_MAX if source == "aws.cloudtrail" else BATCH_BYTES_MAX


def arrivals(
    source: str, lines: Iterable[bytes], pipeline: Pipeline, clock: Callable[[], int] | None = None
) -> Arrivals:
    """Events in the order of their arrival; a blank line is none.

    `clock` says when a line of a source arrives (ms); without one it arrives when it says it happened. A
    scenario's line says itself when it arrived.
    """
    if source == EVENTS:
        return _events(lines)
    given = ((index, line) for index, line in enumerate(lines) if line)
    if source == SCENARIO:
        return _scenario(given, pipeline)
    found = _records(given, source, pipeline, clock)
    return found if clock is not None else _by_second(found)


def _events(lines: Iterable[bytes]) -> Arrivals:
    for index, line in enumerate(lines):
        if not line:
            continue
        try:
            event = read_line(line)
        except UnreadableEventError as error:
            yield _refused(index, Bad(line, error))
            continue
        yield Arrival(index, event.at_ms if event.seen_ms is None else event.seen_ms, event)


def _records(
    given: Iterable[tuple[int, bytes]], source: str, pipeline: Pipeline, clock: Callable[[], int] | None
) -> Arrivals:
    index = 0
    for index, record in given:
        yield from _told(index, pipeline.take(source, record, clock() if clock is not None else None))
    yield from _told(index, Taken(pipeline.overdue(), []))


def _by_second(found: Arrivals) -> Arrivals:
    """As they were told, but what one second tells in the order in which it can have happened."""
    second: list[Arrival] = []
    for arrival in found:
        if isinstance(arrival, Refused):
            yield arrival
            continue
        if second and arrival.event.at_ms != second[0].event.at_ms:
            yield from _ordered(second)
            second = []
        second.append(arrival)
    yield from _ordered(second)


def _ordered(second: list[Arrival]) -> Arrivals:
    """Each event with the line that told it."""
    told = {id(arrival.event): arrival for arrival in second}
    for event in makers_first([arrival.event for arrival in second]):
        yield told[id(event)]


def _told(index: int, taken: Taken) -> Arrivals:
    yield from (_refused(index, bad) for bad in taken.bad)
    for event in taken.events:
        yield Arrival(index, event.at_ms if event.seen_ms is None else event.seen_ms, event)


def _refused(index: int, bad: Bad) -> Refused:
    return Refused(index, bad.error.reason, bad.error.detail, bad.content)


def _scenario(given: Iterable[tuple[int, bytes]], pipeline: Pipeline) -> Arrivals:
    """In order of `seen`, as far as `LINES_AHEAD_MAX` lines allow."""
    ahead: list[tuple[int, int, str, bytes]] = []
    index = 0
    for index, content in given:
        try:
            line = decoded(_line, content, EVENT_BYTES_MAX)
            heappush(ahead, (millis(line.seen), index, line.source, bytes(line.record)))
        except UnreadableEventError as error:
            yield _refused(index, Bad(content, error))
        if len(ahead) > LINES_AHEAD_MAX:
            yield from _taken(heappop(ahead), pipeline)
    while ahead:
        yield from _taken(heappop(ahead), pipeline)
    yield from _told(index, Taken(pipeline.overdue(), []))


def _taken(line: tuple[int, int, str, bytes], pipeline: Pipeline) -> Arrivals:
    seen_ms, index, source, record = line
    if source not in SOURCES:
        yield Refused(index, Unreadable.INVALID, "a source that is not known", record)
        return
    yield from _told(index, pipeline.take(source, record, seen_ms))
