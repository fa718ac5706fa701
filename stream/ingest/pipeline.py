"""From the bytes of a source to events that know their session: dedupe, normalise, resolve."""

from collections import Counter

from models.errors import UnreadableEventError
from models.event import AnyEvent, OpClass, Operation
from models.registry import Registry
from stream.ingest.duplicates import Seen
from stream.ingest.resolver import Resolver
from stream.ingest.sources import normaliser


class Pipeline:
    """All sources of one deployment, into one resolver."""

    def __init__(self, registry: Registry) -> None:
        self.resolver = Resolver(registry)
        self.results: Counter[tuple[str, str]] = Counter()
        """Source and result (`read`, `duplicate`, `unreadable`): records."""
        self.unclassified: Counter[str] = Counter()
        """Source: operations that no vocabulary knows."""
        self.heard_ms: dict[str, int] = {}
        """Source: when it was last heard."""
        self._records = Seen()

    @property
    def duplicates(self) -> int:
        """Records and events that came before, and were dropped."""
        records = sum(count for (_, result), count in self.results.items() if result == "duplicate")
        return records + self.resolver.counted.duplicates

    def take(self, source: str, record: bytes, seen_ms: int | None) -> list[AnyEvent]:
        """What one record tells; `seen_ms` is when it arrived, None for when it says it happened.

        Raises `UnreadableEventError` for what is no record of the source, `InputError` for no known source.
        """
        normalise = normaliser(source)
        if self._records.before(source, record):
            self.results[source, "duplicate"] += 1
            return []
        try:
            sightings = normalise(record)
        except UnreadableEventError:
            self.results[source, "unreadable"] += 1
            raise
        self.results[source, "read"] += 1
        out: list[AnyEvent] = []
        for sighting in sightings:
            event = sighting.event
            if isinstance(event, Operation) and event.op_class is OpClass.UNCLASSIFIED:
                self.unclassified[source] += 1
            arrived_ms = event.at_ms if seen_ms is None else seen_ms
            out += self.resolver.take(sighting, arrived_ms)
            self.heard_ms[source] = max(arrived_ms, self.heard_ms.get(source, 0))
        return out
