"""Records for the tests of Okta, Kubernetes, Keycloak and GitHub: odd ones, and those of the corpora."""

import gzip
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import starmap
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st

from models.errors import UnreadableEventError
from models.event import OpClass, Operation
from stream.sources.sighting import HANDLES, Sighting
from tests.ingest.changing import encoded, places
from tests.recordings import SHARED

RIGHT_MIN = 0.99
UNKNOWN_MAX = 0.02

ODD: list[Any] = [None, True, 0, -1, 2**63, 2**70, 1e308, "", " ", "unknown", "\u0000", "é" * 3000]
ODD += [[], {}, [[]], [None], {"": {}}, [{"a": [{}]}], "system:masters", "2026-13-45T99:99:99Z", ["x"] * 5000]

odd = st.sampled_from(ODD).map(deepcopy)


def only(sightings: tuple[Sighting, ...]) -> Sighting:
    """The one sighting of a record, as the log would hold it: its event fits the limits of an event."""
    assert len(sightings) == 1
    sighting = sightings[0]
    again = msgspec.json.decode(msgspec.json.encode(sighting.event), type=Operation)
    assert again == sighting.event
    handles = (*sighting.follows, *sighting.brings, *sighting.maker_of)
    assert all(handle.kind in HANDLES and handle.value for handle in handles)
    return sighting


def operation(sighting: Sighting) -> Operation:
    """The operation that a sighting tells of."""
    assert isinstance(sighting.event, Operation)
    return sighting.event


@st.composite
def mutated(draw: st.DrawFn, samples: list[Any]) -> bytes:
    """A good record with something in it replaced, taken away, doubled or cut off."""
    record = deepcopy(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(places(record))))
        if draw(st.booleans()):
            holder[key] = draw(odd)
        elif isinstance(holder, dict):
            del holder[key]
        if not record:
            break
    content = encoded(record)
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        content = content[:at] + draw(st.binary(max_size=3)) + content[at + draw(st.integers(0, 3)) :]
    return content


def holds(normalise: Callable[[bytes], tuple[Sighting, ...]], record: bytes) -> None:
    """Whatever the bytes: sightings within their limits, or an error with its reason."""
    try:
        sightings = normalise(record)
    except UnreadableEventError:
        return
    for sighting in sightings:
        only((sighting,))


def scenario_records(source: str) -> list[dict[str, Any]]:
    """Every record of one source in the scenarios and their history."""
    if not SHARED.is_dir():
        pytest.skip("no corpora beside the repository")
    folder = SHARED / "scenarios"
    files = sorted([*folder.glob("scn-*.gz"), *(folder / "history").glob("*.ndjson.gz")])
    marker = f'"{source}"'
    lines = (line for file in files for line in _lines(file) if marker in line[:200])
    records = [item["record"] for item in map(json.loads, lines) if item["source"] == source]
    assert records, source
    return records


def mostly_right(
    found: list[tuple[dict[str, Any], Operation]], right: Callable[[dict[str, Any], Operation], bool]
) -> None:
    """Of records and what was read of them: by another way of reading, 99 of 100 were read right."""
    assert sum(starmap(right, found)) >= RIGHT_MIN * len(found)


def mostly_known(found: list[tuple[dict[str, Any], Operation]]) -> None:
    """Of 100 operations the vocabulary knows 98."""
    assert sum(each.op_class is OpClass.UNCLASSIFIED for _, each in found) <= UNKNOWN_MAX * len(found)


def panther_records(log_type: str) -> list[dict[str, Any]]:
    """The distinct events of one log type in Panther's rule tests."""
    if not SHARED.is_dir():
        pytest.skip("no corpora beside the repository")
    tests = map(json.loads, _lines(SHARED / "panther" / "tests.ndjson.gz"))
    found = {json.dumps(test["event"]): test["event"] for test in tests if test["log_type"] == log_type}
    assert found, log_type
    return [json.loads(event) if isinstance(event, str) else event for event in found.values()]


def _lines(file: Path) -> Iterator[str]:
    with gzip.open(file, "rt") as content:
        yield from content
