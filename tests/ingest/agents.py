"""What the tests of the control plane, of spans and of Vault share."""

import gzip
import json
import os
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from models.errors import UnreadableEventError
from models.event import AnyEvent
from stream.sources.sighting import HANDLES, Sighting
from tests.ingest.changing import encoded
from tests.recordings import SHARED

EVERY = 1 if "TEST_MUTATIONS" in os.environ else 12
"""Of the scenarios' records, one in so many; `make corpus` reads them all."""

Normalise = Callable[[bytes], tuple[Sighting, ...]]


def checked(sighting: Sighting) -> Sighting:
    """A sighting as the log would hold it: its event fits the limits of its kind, its handles have names."""
    again = msgspec.json.decode(msgspec.json.encode(sighting.event), type=AnyEvent)
    assert again == sighting.event
    handles = (*sighting.follows, *sighting.brings, *sighting.maker_of)
    assert all(handle.kind in HANDLES and handle.value for handle in handles)
    return sighting


def one(normalise: Normalise, record: Any) -> Sighting:
    """The one sighting of a record."""
    (sighting,) = normalise(encoded(record))
    return checked(sighting)


def holds(normalise: Normalise, record: bytes) -> None:
    """Whatever the bytes: sightings within their limits, or an error with its reason."""
    try:
        sightings = normalise(record)
    except UnreadableEventError:
        return
    for sighting in sightings:
        checked(sighting)


def strings(value: Any, planted: str) -> Any:
    """The same record with every free text in it replaced by something that must not get out."""
    if isinstance(value, dict):
        return {key: strings(each, planted) for key, each in value.items()}
    if isinstance(value, list):
        return [strings(each, planted) for each in value]
    return planted if isinstance(value, str) else value


def sampled(source: str) -> list[dict[str, Any]]:
    """Records of one source, from all over the scenarios and their history."""
    folder = SHARED / "scenarios"
    if not folder.is_dir():
        pytest.skip("no scenarios beside the repository")
    marker, lines = f'"{source}"'.encode(), []
    for file in sorted([*folder.glob("scn-*.gz"), *(folder / "history").glob("*.ndjson.gz")]):
        with gzip.open(file) as content:
            lines += [line for line in content if marker in line[:200]]
    assert lines, source
    return [json.loads(line)["record"] for line in lines[::EVERY]]
