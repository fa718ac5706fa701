"""From a source's bytes to events: what is dropped, counted, refused; in which order a scenario is taken."""

import gzip
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from models.errors import InputError
from models.event import Operation
from models.registry import EMPTY
from stream.ingest.pipeline import Pipeline
from stream.recordings.recorded import Arrival, Refused, arrivals, bytes_max
from stream.sources.known import MODULES, SOURCES

AT = "2026-11-20T06:33:{:02d}.000Z"
AT_MS = 1_795_156_380_000
CHAINBRAKE = str(Path(sys.executable).with_name("chainbrake"))


def record(number: int, action: str = "org.add_member", second: int = 0) -> dict[str, Any]:
    """An entry of GitHub's audit log."""
    return {
        "@timestamp": AT_MS + second * 1000,
        "_document_id": f"doc-{number}",
        "action": action,
        "actor": "ada",
        "org": "example",
        "user": "grace",
    }


def line(number: int, seen: int, source: str = "github.audit", **fields: Any) -> bytes:
    """A line of a scenario."""
    return json.dumps(
        {"at": "never read", "seen": AT.format(seen), "source": source, "record": record(number, **fields)}
    ).encode()


def taken(pipeline: Pipeline, content: dict[str, Any]) -> list[str]:
    """Ids of the events that a record gives."""
    out = pipeline.take("github.audit", json.dumps(content).encode(), AT_MS)
    return [event.id for event in out.events]


def test_the_same_bytes_twice_and_the_same_id_twice_are_dropped_and_counted() -> None:
    """A repeat is known by its content, and where that was formatted anew, by its source and id."""
    pipeline = Pipeline(EMPTY)
    assert len(taken(pipeline, record(1))) == 1
    assert taken(pipeline, record(1)) == []
    assert taken(pipeline, {**record(1), "actor_location": {}}) == []
    assert pipeline.duplicates == 2
    assert pipeline.results["github.audit", "duplicate"] == 1


def test_what_is_no_record_is_refused_with_its_bytes_and_reason() -> None:
    """And counted for its source."""
    pipeline = Pipeline(EMPTY)
    (bad,) = pipeline.take("github.audit", b"{", 0).bad
    assert (bad.content, bad.error.reason) == (b"{", "not_json")
    assert pipeline.results["github.audit", "unreadable"] == 1


def test_unknown_operations_and_late_ones_are_counted_for_their_source() -> None:
    """An operation that no vocabulary knows is judged and counted, so that the file can be completed."""
    pipeline = Pipeline(EMPTY)
    pipeline.take("github.audit", json.dumps(record(1, "quantum.entangle")).encode(), AT_MS + 3_600_000)
    assert pipeline.unclassified["github.audit"] == 1
    assert pipeline.names.most() == {"github.audit": (("quantum.entangle", 1),)}
    assert pipeline.late["github.audit"] == 1
    assert pipeline.heard_ms == {"github.audit": AT_MS + 3_600_000}


def test_a_file_with_a_bad_record_gives_its_good_ones() -> None:
    """A bucket file of CloudTrail is many records: one of them must not cost the others."""
    good = {
        "eventVersion": "1.11",
        "eventTime": AT.format(1)[:-5] + "Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": "ListRoles",
        "eventID": "e-1",
        "requestID": "r-1",
        "userIdentity": {"type": "IAMUser", "accessKeyId": "AKIA1", "principalId": "AIDA1"},
    }
    content = json.dumps({"Records": [good, {"eventTime": 5}]}).encode()
    out = Pipeline(EMPTY).take("aws.cloudtrail", content, AT_MS)
    assert [event.operation for event in out.events if isinstance(event, Operation)] == ["iam:ListRoles"]
    assert len(out.bad) == 1


def test_a_line_may_be_as_long_as_its_source_makes_files() -> None:
    """A trail's file is one line of up to 50 MB: cut, it would be no record."""
    for source in SOURCES:
        module = import_module(f"stream.sources.{MODULES[source]}")
        limits = [value for name, value in vars(module).items() if name.endswith("BYTES_MAX")]
        assert bytes_max(source) >= max(limits, default=0), source


def test_a_source_that_is_not_known_is_named_with_those_that_are() -> None:
    """The message is what a user needs to go on."""
    with pytest.raises(InputError, match=r"'aws' is not known; known are aws\.cloudtrail"):
        Pipeline(EMPTY).take("aws", b"{}", 0)


def test_a_scenario_is_taken_in_order_of_arrival_and_keeps_its_line_numbers() -> None:
    """`seen` orders, whatever the file does; `at` is not even looked at."""
    given = [line(1, 30), b"", line(2, 10), b"{}", line(3, 20, source="nobody"), line(4, 40)]
    found = list(arrivals("scenario", given, Pipeline(EMPTY)))
    told = [(one.index, one.event.id) for one in found if isinstance(one, Arrival)]
    assert [index for index, _ in told] == [2, 0, 5]
    assert sorted(one.index for one in found if isinstance(one, Refused)) == [3, 4]
    seen = [one.seen_ms for one in found if isinstance(one, Arrival)]
    assert seen == [AT_MS + 10_000, AT_MS + 30_000, AT_MS + 40_000]


def replayed(*arguments: str) -> list[dict[str, Any]]:
    """What `chainbrake replay --json` says."""
    command = [CHAINBRAKE, "replay", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(row) for row in done.stdout.splitlines()]


@pytest.mark.slow
def test_replay_reads_a_source_and_a_scenario(tmp_path: Path) -> None:
    """The same records as lines of their source, and as lines of a scenario, are the same events."""
    alone, wrapped = tmp_path / "audit.ndjson", tmp_path / "scenario.ndjson.gz"
    alone.write_bytes(b"\n".join(json.dumps(record(number)).encode() for number in (1, 2, 2)))
    wrapped.write_bytes(gzip.compress(b"\n".join(line(number, number) for number in (1, 2, 2))))
    for source, path in (("github.audit", alone), ("scenario", wrapped)):
        (summary,) = [row for row in replayed("--source", source, str(path)) if row["kind"] == "summary"]
        assert (summary["lines"], summary["operations"], summary["duplicates"]) == (3, 2, 1)
        assert (summary["provisional"], summary["joined"]) == (0, 0)


@pytest.mark.corpus
def test_training_on_scenarios_keeps_files_apart_and_cuts_at_silences(tmp_path: Path) -> None:
    """One account, two files and two busy spells in one of them: three sessions that teach."""
    hours = 3 * 3600
    first = [line(number, 0, second=number) for number in range(5)]
    first += [line(number, 59, second=hours + number) for number in range(5, 10)]
    second = [line(number, 0, second=number) for number in range(20, 25)]
    paths = []
    for number, content in enumerate((first, second)):
        path = tmp_path / f"{number}.ndjson"
        path.write_bytes(b"\n".join(content))
        paths.append(str(path))
    out = tmp_path / "baseline"
    command = [CHAINBRAKE, "train", "--source", "scenario", "--out", str(out), *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "15 events" in done.stdout
    assert " 3 " in done.stdout
