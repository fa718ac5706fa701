"""Evaluations: right numbers, the same every time, and a report that needs nothing else."""

import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import fields

from models.errors import InputError
from models.event import AnyEvent, Operation, Origin
from stream.evaluation import evaluation as told
from stream.evaluation.evaluate import evaluated
from stream.evaluation.evaluation import Evaluation, as_json
from stream.evaluation.report.page import page, require_extra
from stream.evaluation.statistics import curves, interval_of
from stream.evaluation.truth import Kind, Labels, Truth, labels_of
from stream.runs.recorded_run import RecordedRun
from tests.builders import artifact, clerk_run, disposition, origin, recorded, trained
from tests.test_sources import folder

CHAINBRAKE = str(Path(sys.executable).with_name("chainbrake"))
ODD = origin("to", Origin.TOOL, "odd#0", "body", "in")
DOCS = Path(__file__).parent.parent / "docs" / "evaluating.md"


def as_run(events: list[AnyEvent]) -> RecordedRun:
    """A recorded session."""
    return RecordedRun(events[0].session, [event for event in events if isinstance(event, Operation)])


def sessions() -> tuple[list[RecordedRun], Labels]:
    """Forty honest clerks and ten hijacked ones; one label of each kind is wrong on purpose."""
    labels = Labels()
    runs = [as_run(clerk_run(f"good{k}", 900 + k)) for k in range(40)]
    runs += [as_run(clerk_run(f"odd{k}", k, ODD)) for k in range(10)]
    for run in runs:
        bad = run.session.startswith("odd")
        truth = Truth(Kind.MALICIOUS, len(run.operations) - 1) if bad else Truth(Kind.BENIGN)
        labels.add(run.session, truth)
    labels.add("odd0", Truth(Kind.BENIGN))
    labels.add("good0", Truth(Kind.MALICIOUS, 0))
    return runs, labels


def found(**changed: Any) -> Evaluation:
    """Their evaluation."""
    runs, labels = sessions()
    return evaluated(runs, trained(), 0.05, labels, **changed)


def test_figures_are_those_that_one_counts_by_hand() -> None:
    """One false alarm of 40, one miss of 10, and every alarm at the first bad operation."""
    evaluation = found()
    assert (evaluation.counts.benign, evaluation.counts.malicious) == (40, 10)
    (at,) = [each for each in evaluation.budgets if each.budget == 0.05]
    assert (at.recall.count, at.recall.of) == (9, 10)
    assert at.false_alarms.count >= 1
    assert (at.delays.median, at.delays.missed, at.delays.alarmed_before) == (0.0, 1, 0)
    assert [each.session for each in evaluation.examples.misses] == ["good0"]
    assert evaluation.examples.false_alarms[0].session == "odd0"
    assert "to out of what" in evaluation.examples.false_alarms[0].why
    assert evaluation.examples.false_alarms[0].at == evaluation.examples.false_alarms[0].events - 1


def test_thresholds_let_no_more_through_than_they_say() -> None:
    """Ties included."""
    tied = curves([1.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0, 4.0], [], (0.0, 0.25, 0.5))
    assert [(at.threshold, at.recall.count) for at in tied.at_rates] == [(3.0, 2), (2.0, 3), (1.0, 4)]
    assert tied.auc == (2.5 + 3.5 + 4 + 4) / 16
    assert interval_of(0, 0).share is None


@pytest.mark.slow
def test_without_labels_it_still_tells_alarms_and_drift() -> None:
    """And no figure that would need them."""
    runs, _ = sessions()
    evaluation = evaluated(runs, trained(), 0.05, Labels())
    assert evaluation.streaming.auc is None
    assert evaluation.counts.unknown == 50
    assert evaluation.drift.sessions == 50
    assert sum(each.sessions for each in evaluation.drift.p_values) == 50
    assert evaluation.budgets[0].alarms.of == 50
    assert "calibration" not in page(evaluation).partition("<body>")[2].lower()


@pytest.mark.slow
def test_one_word_of_an_analyst_does_not_hide_what_nobody_looked_at() -> None:
    """They look at what alarmed: of their benign sessions every one had an alarm."""
    runs, _ = sessions()
    labels = Labels()
    for place in (0, 40):  # a false alarm, and a hijack
        workflow = runs[place].operations[0].workflow
        about = {"workflow": workflow, "session": runs[place].session}
        labels.add_disposition(disposition(0, f"command {place}", right=place == 40, **about))
    evaluation = evaluated(runs, trained(), 0.05, labels)
    counts = evaluation.counts
    assert (counts.benign, counts.malicious, counts.unknown) == (1, 1, 48)
    assert evaluation.drift.sessions == 49
    assert max(promise.achieved.of for promise in evaluation.calibration) == 49
    labels.add(
        runs[41].session, Truth(Kind.MALICIOUS)
    )  # of hijacks alone: nobody calls others honest by that
    evaluation = evaluated(runs, trained(), 0.05, labels)
    assert max(promise.achieved.of for promise in evaluation.calibration) == 48


def test_the_same_baseline_changes_nothing() -> None:
    """No session changes sides, every change is nought."""
    comparison = found(live=trained()).comparison
    assert comparison is not None
    assert comparison.moved == []
    assert comparison.only_this == comparison.only_live == 0
    assert {delta.change for delta in comparison.deltas} <= {0.0, None}


class Asking(HTMLParser):
    """Notes whatever in a page would make a browser ask for something."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        if tag in {"script", "link", "iframe", "object", "embed", "img", "base", "form"}:
            self.asked.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "xlink:href", "srcset", "data"} and not (value or "").startswith("#"):
                self.asked.append(f"{name}={value}")


@pytest.mark.slow
def test_a_report_asks_nobody_and_executes_nothing() -> None:
    """No address in it at all, and a policy that would forbid it; what is recorded is text, never markup."""
    runs, labels = sessions()
    evil = "<script>alert(1)</script>"
    labels.add(evil, Truth(Kind.BENIGN))
    content = page(evaluated([*runs, RecordedRun(evil, runs[-1].operations)], trained(), 0.05, labels))
    asking = Asking()
    asking.feed(content)
    assert asking.asked == []
    assert "://" not in content
    assert "@import" not in content
    assert "default-src 'none'" in content
    assert "&lt;script&gt;" in content
    assert "prefers-color-scheme: dark" in content
    assert "@media print" in content
    ids = [part.partition('"')[0] for part in content.split(' id="')[1:]]
    assert len(ids) == len(set(ids))
    for number in range(1, 6 + 1):
        assert f"#01020{number}" not in content


def test_without_the_extra_it_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is computed."""
    for name in ("jinja2", "matplotlib"):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, name, None)
            with pytest.raises(InputError, match=r"pip install 'chainbrake\[science\]'"):
                require_extra()


@pytest.mark.slow
def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    """Training, figures and report, in processes that hash differently; and --json is one object alone."""
    events = tmp_path / "events.ndjson"
    events.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for run in recorded(40) for event in run))
    outs = []
    for seed in ("1", "2"):
        where = tmp_path / seed
        where.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        train = [CHAINBRAKE, "train", str(events), "--out", str(where / "b")]
        subprocess.run(train, env=environment, capture_output=True, check=True)
        command = [CHAINBRAKE, "evaluate", str(events), "--baseline", str(where / "b")]
        command += ["--live", str(where / "b"), "--json", "--out", str(where / "r")]
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
        assert done.stderr == b""
        assert json.loads(done.stdout)["format"] == "chainbrake-evaluation/1"
        outs.append(((where / "b").read_bytes(), done.stdout, (where / "r").read_bytes()))
    assert outs[0] == outs[1]


def test_labels_come_from_the_format_and_from_a_file(tmp_path: Path) -> None:
    """The file has the last word; what was cut short by an error counts for nothing."""
    run = RecordedRun("r/1", [])
    path = folder(tmp_path / "a", [{}], kind="injected_failed", exposed_at=0)
    assert labels_of("agent-runs", [path], None).of(run) == Truth(Kind.RESISTED, 0)
    path = folder(tmp_path / "b", [{}], kind="benign", error=True)
    assert labels_of("agent-runs", [path], None).of(run) is None
    given = tmp_path / "labels.json"
    given.write_text('[{"session": "r/1", "label": "Malicious", "first_bad": 3}]')
    assert labels_of("agent-runs", [path], given).of(run) == Truth(Kind.MALICIOUS, 3)
    given.write_text('{"session": "r/1", "label": "odd"}\n')
    with pytest.raises(InputError, match="entry 0: 'odd' is none of"):
        labels_of("events", [], given)
    given.write_text('{"session": "r/1", "label": "malicious", "first_bad": -1}\n')
    with pytest.raises(InputError, match="first_bad"):
        labels_of("events", [], given)


def test_labels_of_scenarios_tell_whom_and_from_which_line(tmp_path: Path) -> None:
    """Whoever is named counts; of others in the file nothing is known; benign files have none but benign."""
    bad = {"action": "kill_session", "earliest_fair": 5}
    bad |= {"act_on": {"sessions": ["a"]}, "never": {"sessions": ["b"]}}
    entries = [{"file": "x.ndjson", "expect": bad}, {"file": "y.ndjson", "expect": {"action": "none"}}]
    (tmp_path / "index.json").write_text(json.dumps(entries))
    labels = labels_of("scenario", [str(tmp_path / "x.ndjson"), str(tmp_path / "y.ndjson")], None)
    assert labels.of(RecordedRun("a", [], file="x.ndjson", lines=(3, 5, 9))) == Truth(Kind.MALICIOUS, 1, 5)
    assert labels.of(RecordedRun("b", [], file="x.ndjson")) == Truth(Kind.BENIGN)
    assert labels.of(RecordedRun("c", [], file="x.ndjson")) is None
    assert labels.of(RecordedRun("c", [], file="y.ndjson")) == Truth(Kind.BENIGN)


def test_every_key_is_documented() -> None:
    """In docs/evaluating.md, by its name."""
    text = DOCS.read_text()
    structs = [
        each for each in vars(told).values() if isinstance(each, type) and hasattr(each, "__struct_fields__")
    ]
    keys = {field.encode_name for each in structs if each.__struct_fields__ for field in fields(each)}
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []
    assert artifact()
    assert as_json(found()).startswith(b'{"format":')
