"""The scenarios beside the repository, and where each line's event ended; not there, the tests skip."""

import gzip
import json
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

import pytest
from msgspec import Struct

from models.event import AnyEvent
from models.registry import Registry, read_registry
from stream.ingest.pipeline import Pipeline
from stream.sources.known import source_of
from stream.sources.reading import millis
from tests.recordings import SHARED

SCENARIOS = SHARED / "scenarios"
needed = pytest.mark.skipif(
    not SCENARIOS.is_dir(), reason="no ../shared/data/scenarios beside the repository"
)


class Line(Struct, frozen=True):
    """One line and its truth."""

    index: int
    seen_ms: int
    source: str
    record: bytes
    session: str
    workflow: str
    role: str


class Ended(Struct, frozen=True):
    """Where a line's event ended."""

    line: Line
    event: AnyEvent


@cache
def index() -> list[dict[str, Any]]:
    """The scenarios and their truth."""
    entries: list[dict[str, Any]] = json.loads((SCENARIOS / "index.json").read_bytes())
    return entries


@cache
def registry() -> Registry:
    """What the deployment would have configured."""
    path = SCENARIOS / "registry.json"
    return read_registry(path.read_bytes(), path)


def lines_of(scenario: dict[str, Any]) -> Iterator[Line]:
    """Its lines in the order of the file."""
    with gzip.open(SCENARIOS / scenario["file"]) as stream:
        for number, content in enumerate(stream):
            fields = json.loads(content)
            truth = scenario["sessions"][scenario["session_of"][number]]
            yield Line(
                number,
                millis(fields["seen"]),
                fields["source"],
                json.dumps(fields["record"]).encode(),
                truth["id"],
                truth["workflow"] or truth["id"],
                truth["role"] or "",
            )


def shuffled(lines: list[Line], seed: int, lags_ms: dict[str, int]) -> list[Line]:
    """Each line later by up to its source's lag."""
    chance = Random(seed)
    later = [
        (line.seen_ms + chance.randint(0, lags_ms.get(line.source, 0)), line.index, line) for line in lines
    ]
    return [line for _, _, line in sorted(later, key=lambda entry: entry[:2])]


def ended(lines: list[Line]) -> list[Ended]:
    """Where each line's events stand in the end; a line that repeats another has none."""
    pipeline = Pipeline(registry())
    last: dict[tuple[str, str], AnyEvent] = {}
    told: dict[tuple[str, str], Line] = {}
    for line in lines:
        for sighting in source_of(line.source).normalise(line.record):
            told.setdefault((sighting.event.source, sighting.event.id), line)
        for event in pipeline.take(line.source, line.record, line.seen_ms).events:
            last[event.source, event.id] = event
    last.update({(event.source, event.id): event for event in pipeline.overdue()})
    last = {key: event for key, event in last.items() if key in told}  # but for joins and delegations
    return [Ended(told[key], event) for key, event in last.items()]
