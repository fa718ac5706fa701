"""What the resolver remembers, as it is stored and brought back: a restart changes nothing."""

from collections import defaultdict
from itertools import permutations

import msgspec

from models.event import AnyEvent
from models.registry import EMPTY
from stream.ingest.memory import Table
from stream.ingest.pipeline import Pipeline
from stream.ingest.resolver import Resolver
from stream.sources.sighting import Handle, Sighting
from stream.state.lineage import CHUNK, changes
from tests.ingest.changing import encoded
from tests.ingest.sightings import (
    KEY,
    LONG_AFTER_MS,
    REQUEST,
    RUN,
    record,
    server,
    started,
    tool,
)
from tests.ingest.test_no_secret import FACT


class Kept:
    """A store in memory, fed as the real one is."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, bytes]] = defaultdict(dict)

    def save(self, resolver: Resolver) -> None:
        """Everything that changed."""
        for part in changes(resolver.tables):
            assert max(len(part.kept), len(part.dropped)) <= CHUNK
            self.tables[part.table].update(part.kept)
            for key in part.dropped:
                self.tables[part.table].pop(key, None)

    def restored(self) -> Resolver:
        """A resolver that knows what was saved."""
        resolver = Resolver(EMPTY)
        for name, table in resolver.tables.items():
            decoder = msgspec.msgpack.Decoder(table.kind)
            for key, content in self.tables[name].items():
                table.restore(key, decoder.decode(content))
        resolver.restored()
        return resolver


def run(sightings: tuple[Sighting, ...], restart_after: int | None) -> list[AnyEvent]:
    """Every event, with one restart on the way."""
    resolver, kept = Resolver(EMPTY), Kept()
    events: list[AnyEvent] = []
    for number, one in enumerate(sightings):
        events += resolver.take(one, number * 1000)
        kept.save(resolver)
        if number == restart_after:
            resolver = kept.restored()
    return events + resolver.overdue(LONG_AFTER_MS)


def test_a_restart_at_any_point_changes_nothing() -> None:
    """Held credentials, waiting and held back events, acts and sessions: all go on where they stood."""
    sightings = [
        started(),
        record(1, Handle("conversation", RUN), brings=(KEY,)),
        record(2, KEY, REQUEST),
        server(1, 1, REQUEST),
        tool(1),
    ]
    for order in permutations(sightings):
        undisturbed = run(order, None)
        for restart_after in range(len(order)):
            assert run(order, restart_after) == undisturbed


def test_a_source_that_fell_silent_before_a_restart_is_missed_after_it() -> None:
    """When it was last heard is remembered: a new worker has never heard it itself."""
    kept, pipeline = Kept(), Pipeline(EMPTY)
    pipeline.take("chainbrake.event", encoded(FACT), 1_790_000_000_900)
    kept.save(pipeline.resolver)
    again = Pipeline(EMPTY)
    again.resolver = kept.restored()
    assert again.heard_ms == {"chainbrake.event": 1_790_000_000_900}


def test_what_was_forgotten_leaves_the_store_as_well() -> None:
    """A table that is full drops what was touched longest ago, here and there."""
    table: Table[str] = Table(str, 2)
    for key in ("a", "b", "c"):
        table.put(key, key)
    (part,) = changes({"t": table})
    assert ([key for key, _ in part.kept], part.dropped) == (["b", "c"], ["a"])
    assert changes({"t": table}) == []
    table.get("b")
    table.put("d", "d")
    table.pop("b")
    (part,) = changes({"t": table})
    assert ([key for key, _ in part.kept], part.dropped) == (["d"], ["c", "b"])
