"""From the bytes of a source to events that know their session: dedupe, normalise, resolve."""

from collections import Counter

from msgspec import Struct

from models.errors import UnreadableEventError
from models.event import AnyEvent, OpClass, Operation
from models.registry import Registry
from stream.ingest.duplicates import Seen
from stream.ingest.ordering import makers_first
from stream.ingest.resolver import Resolver
from stream.ingest.unclassified import Unclassified
from stream.sources.known import Source, source_of
from stream.sources.sighting import Sighting

LATE_MS = 5 * 60_000
"""No source that works is later than this."""

NEVER_MS = 1 << 62

READ, DUPLICATE, UNREADABLE = "read", "duplicate", "unreadable"


class Bad(Struct, frozen=True):
    """What is no record of its source."""

    content: bytes
    error: UnreadableEventError


class Taken(Struct):
    """What came of one record, or of one file of records."""

    events: list[AnyEvent]
    bad: list[Bad]


class Pipeline:
    """All sources of one deployment, into one resolver."""

    def __init__(self, registry: Registry) -> None:
        self.resolver = Resolver(registry)
        self.results: Counter[tuple[str, str]] = Counter()
        """Source and result (`read`, `duplicate`, `unreadable`): records."""
        self.unclassified: Counter[str] = Counter()
        """Source: operations that no vocabulary knows."""
        self.names = Unclassified()
        """Which of them to add first."""
        self.late: Counter[str] = Counter()
        """Source: events that arrived more than `late_ms` after they happened."""
        self._records = Seen()

    @property
    def duplicates(self) -> int:
        """Records and events that came before, and were dropped."""
        records = sum(count for (_, result), count in self.results.items() if result == DUPLICATE)
        return records + self.resolver.counted.duplicates

    @property
    def heard_ms(self) -> dict[str, int]:
        """Source: when it was last heard, restarts or not."""
        heard = self.resolver.arrived
        return {source: heard.peek(source) or 0 for source in heard.keys()}  # noqa: SIM118 - a table

    def take(self, source: str, record: bytes, seen_ms: int | None, late_ms: int = LATE_MS) -> Taken:
        """What one record tells; `seen_ms` is when it arrived, None for when it says it happened.

        Raises `InputError` for a source that is not known.
        """
        reading = source_of(source)
        taken, heard = Taken([], []), self.resolver.arrived
        if self._records.before(source, record):
            self.results[source, DUPLICATE] += 1
            return taken
        for sighting in self._read(source, reading, record, taken.bad):
            event = sighting.event
            arrived_ms = event.at_ms if seen_ms is None else seen_ms
            if isinstance(event, Operation) and event.op_class is OpClass.UNCLASSIFIED:
                self.unclassified[source] += 1
                self.names.add(source, event.operation)
            if arrived_ms - event.at_ms > late_ms:
                self.late[source] += 1
            taken.events += self.resolver.take(sighting, arrived_ms)
            if arrived_ms > (heard.peek(source) or 0):
                heard.put(source, arrived_ms)
        taken.events = makers_first(taken.events)
        return taken

    def overdue(self, now_ms: int = NEVER_MS) -> list[AnyEvent]:
        """What was held back for a link that has not come by now; without a time, all of it."""
        return self.resolver.overdue(now_ms)

    def _read(self, source: str, reading: Source, record: bytes, bad: list[Bad]) -> tuple[Sighting, ...]:
        """The record's sightings; of a file with a bad record in it, those of the good ones."""
        try:
            sightings = reading.normalise(record)
        except UnreadableEventError as error:
            parts = reading.parts(record)
            if len(parts) > 1:
                return tuple(
                    sighting for part in parts for sighting in self._read(source, reading, part, bad)
                )
            self.results[source, UNREADABLE] += 1
            bad.append(Bad(record, error))
            return ()
        self.results[source, READ] += 1
        return sightings
