"""The scorecard and the corpora's table count what is there, and say what is not."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.attacks import invictus, otrf, panther, stratus
from benchmarks.benign import agentdojo, judged, taubench
from benchmarks.corpora import STRATUS, agent_runs, shared
from benchmarks.corpus import counted
from benchmarks.scorecard import INTRODUCTION, NOT_MEASURED, SECTIONS, page
from models.event import Operation
from stream.sources.otel.spans import normalise
from tests.ingest.cloudtrail import fields
from tests.test_docs import DOCS

STOPPING = fields("cloudtrail:StopLogging", {"name": "main"})
LISTING = fields("iam:ListRoles")


def written(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """A packed file of objects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def runs(folder: Path, *ops: str, label: str = "benign") -> Path:
    """One recorded run of an agent, in a folder of runs."""
    written(folder / "sessions.ndjson.gz", [{"s": "run/1", "suite": "office", "label": label}])
    calls = [{"s": "run/1", "i": place, "op": op, "args": {"name": "a"}} for place, op in enumerate(ops)]
    written(folder / "events.ndjson.gz", calls)
    return folder


def test_what_is_absent_is_said_to_be_absent() -> None:
    """Section by section, with the file that it needs; nothing is made up."""
    text = page(None, SECTIONS)
    for needs, _ in SECTIONS.values():
        assert f"Not measured: `shared/data/{needs}` is not beside the repository." in text
    assert "|" not in text


def test_the_committed_pages_are_of_this_program() -> None:
    """With the words around the figures as they are now. Renew with: make scorecard, make corpus."""
    text = (DOCS / "scorecard.md").read_text()
    assert text.startswith(INTRODUCTION)
    assert text.endswith(NOT_MEASURED)
    assert (DOCS / "corpora.md").read_text().count("\n## ") >= 1


def test_recorded_runs_become_spans_that_are_read(tmp_path: Path) -> None:
    """Tool, agent and conversation survive; calls are as far apart as the page says."""
    ((session, spans),) = agent_runs(runs(tmp_path, "search", "secretsmanager_get_secret_value"), benign=True)
    events = [normalise(span)[0].event for span in spans]
    assert [event.session for event in events] == [session] * 2
    assert all(isinstance(event, Operation) and event.agent == "agent:office" for event in events)
    assert events[1].at_ms - events[0].at_ms == 5_000


def test_runs_that_are_not_benign_are_left_out(tmp_path: Path) -> None:
    """A hijacked run that is stopped is no false stop."""
    assert not list(agent_runs(runs(tmp_path, "search", label="injected"), benign=True))


@pytest.mark.parametrize(("section", "folder"), [(taubench, "taubench"), (agentdojo, "agentdojo")])
def test_benign_runs_are_counted(tmp_path: Path, section: Any, folder: str) -> None:
    """One session, two calls, and nothing stopped."""
    runs(tmp_path / folder, "search", "search")
    ((sessions, events, _, _, stopped, rate),) = section(tmp_path).rows
    assert (sessions, events, stopped, rate) == ("1", "2", "0", "0.00")


def test_a_technique_is_noticed_or_not(tmp_path: Path) -> None:
    """With its id among the tags, or without."""
    stop, read = "aws.defense-evasion.cloudtrail-delete", "aws.discovery.ec2-download-user-data"
    assert {stop, read} <= set(STRATUS)
    written(
        tmp_path / "stratus" / "events.ndjson.gz",
        [{"technique": stop, "event": STOPPING}, {"technique": read, "event": LISTING}],
    )
    report = stratus(tmp_path)
    assert [(row[0], row[3].split()[-1]) for row in report.rows] == [(stop, "yes"), (read, "no")]
    assert report.answers[0] == "noticed: 1 of 2"


def test_findings_are_told_by_whose_events_they_are_on(tmp_path: Path) -> None:
    """The attacker's are not the automation's."""
    rows = [
        {"s": "a", "label": "automation_terraform", "event": LISTING | {"eventID": "1"}},
        {"s": "a", "label": "attack_stratus", "event": STOPPING | {"eventID": "2"}},
    ]
    written(tmp_path / "invictus_aws" / "events.ndjson.gz", rows)
    found = {row[0]: int(row[2]) for row in invictus(tmp_path).rows}
    assert found["automation_terraform"] == 0
    assert found["attack_stratus"] > 0


def test_others_rules_count_by_what_must_fire(tmp_path: Path) -> None:
    """Of techniques that a detector of ours carries; the others are none of our business."""
    row = {"log_type": "AWS.CloudTrail", "needs_mocks": False, "mitre": ["TA0005:T1562.001"]}
    rows = [
        row | {"expected": True, "event": STOPPING},
        row | {"expected": False, "event": LISTING},
        row | {"expected": True, "event": LISTING, "mitre": ["TA0040:T1486"]},
    ]
    written(tmp_path / "panther" / "tests.ndjson.gz", rows)
    assert panther(tmp_path).rows[0] == ("AWS.CloudTrail", "1/1", "0/1", "0")


def test_small_captures_are_counted(tmp_path: Path) -> None:
    """What cannot be read is counted, too."""
    written(tmp_path / "otrf" / "ec2_proxy_s3_exfiltration.ndjson.gz", [{"label": "x", "event": STOPPING}])
    written(tmp_path / "otrf" / "aad_audit_golden_saml.ndjson.gz", [{"label": "x", "event": {}}])
    aws, azure = otrf(tmp_path).rows
    assert int(aws[2]) > 0
    assert azure[5] != "0"


def test_files_are_judged_by_themselves() -> None:
    """A trail that is stopped in one is nothing to the other."""
    content = [json.dumps(STOPPING).encode()]
    test = judged("aws.cloudtrail", [("a", content), ("b", content), ("c", [])])
    assert [len(run.found) > 0 for run in test.runs] == [True, True, False]


def test_a_record_that_is_read_wrongly_or_not_at_all_is_not_right() -> None:
    """By the check that is given; a fragment counts for nothing."""
    records = [STOPPING, {"eventName": "x"}, {}]
    found = counted("aws.cloudtrail", "made up", records, lambda _record, _event: True)
    assert (found.records, found.fragments, found.right, found.classified) == (2, 1, 1, 1)
    assert found.row()[4] == "50.00 %"
    wrong = counted("aws.cloudtrail", "made up", records, lambda _record, _event: False)
    assert wrong.right == 0


@pytest.mark.skipif(shared() is None, reason="no recordings beside the repository")
def test_every_technique_of_the_recording_has_its_ids() -> None:
    """Else one that is added would count as missed for want of a name."""
    data = shared()
    assert data is not None
    assert {row[0] for row in stratus(data).rows} <= set(STRATUS)


@pytest.mark.corpus
@pytest.mark.skipif(shared() is None, reason="no recordings beside the repository")
def test_every_technique_is_noticed_and_automation_is_not_stopped() -> None:
    """Each by its own id, too; whoever works on what it made itself goes on working."""
    data = shared()
    assert data is not None
    assert all(row[2] != "-" and row[3].endswith("yes") for row in stratus(data).rows)
    rows = {row[0]: row for row in invictus(data).rows}
    assert rows["automation_terraform"][4] == "0"
    assert int(rows["attack_stratus"][2]) > int(rows["automation_terraform"][2])
