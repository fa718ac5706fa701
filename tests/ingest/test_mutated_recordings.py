"""Real records of every source, changed at random: each is read or refused, and nothing piles up."""

import json
import os
import resource
from collections import defaultdict
from functools import cache
from random import Random
from typing import Any

import msgspec
import pytest

from models.errors import UnreadableEventError
from models.event import AnyEvent
from stream.sources.known import SOURCES, source_of
from tests.builders import told
from tests.ingest.changing import encoded, places
from tests.ingest.clouds import ODD
from tests.ingest.scenarios import index, lines_of, needed
from tests.ingest.test_ocsf_events import SAMPLES as OCSF

CHANGED = int(os.environ.get("TEST_MUTATIONS", "1000"))
SAMPLES_MAX = 2_000
ODD_TEXTS = [json.dumps(value) for value in ODD]
"""As text: each record gets values of its own."""
MEMORY_KIB_MAX = 64 * 1024
"""How much the second half may add: the first has filled whatever is kept."""


@cache
def samples() -> dict[str, list[bytes]]:
    """Records by source: recorded ones, and our own where there is no recording."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for scenario in index():
        for line in lines_of(scenario):
            found[line.source].append(line.record)
    found["ocsf"] = [encoded(record) for record in OCSF]
    found["events"] = [msgspec.json.encode(event) for event in told("D@0 S@1 V@2 X@3")]
    return {
        source: Random(1).sample(records, min(len(records), SAMPLES_MAX)) for source, records in found.items()
    }


def changed(record: bytes, chance: Random) -> bytes:
    """Up to three places replaced, doubled or taken away; one in five damaged as bytes, too."""
    value = json.loads(record)
    for _ in range(chance.randint(1, 3)):
        spots = list(places(value))
        if not spots:
            break
        holder, key = chance.choice(spots)
        way = chance.randrange(4)
        if way == 0:
            del holder[key]
        elif way == 1:
            holder[key] = [holder[key], holder[key]]
        else:
            holder[key] = json.loads(chance.choice(ODD_TEXTS))
    content = encoded(value)
    if chance.randrange(5) == 0:
        at = chance.randrange(len(content) + 1)
        content = content[:at] + chance.randbytes(chance.randrange(4)) + content[at + chance.randrange(4) :]
    return content


@needed
@pytest.mark.corpus
@pytest.mark.parametrize("source", SOURCES)
def test_whatever_comes_of_a_recording_is_read_or_refused(source: str) -> None:
    """And what a record leaves behind is bounded."""
    normalise, chance, records = source_of(source).normalise, Random(7), samples()[source]
    assert records
    half_kib = 0
    for turn in range(CHANGED):
        if turn == CHANGED // 2:
            half_kib = _peak_kib()
        content = changed(chance.choice(records), chance)
        try:
            for sighting in normalise(content):
                msgspec.json.decode(msgspec.json.encode(sighting.event), type=AnyEvent)
        except UnreadableEventError as error:
            assert error.reason  # noqa: PT017 - a sighting is as good
        except Exception as error:
            raise AssertionError(f"{source}, turn {turn}: {content[:2000]!r}") from error
    assert _peak_kib() - half_kib < MEMORY_KIB_MAX


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_change_changes_something() -> None:
    """A mutation that gave the record back would test nothing."""
    sample: Any = encoded(OCSF[0])
    chance = Random(3)
    assert sum(changed(sample, chance) != sample for _ in range(200)) > 195
