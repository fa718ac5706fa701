"""Labels that are asked for in training: who teaches what, and who nothing."""

import gzip
import json
import os
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET
from rich.console import Console

from detectors.policy import Policy
from models.baselines.baseline import Baseline, read_artifact
from models.baselines.resemblance_learning import Hijacked
from models.event import AnyEvent, Operation
from stream.commands.train import run_train
from stream.configuration.settings import read_settings
from stream.evaluation.evaluate import Inputs, evaluate
from stream.evaluation.truth import Kind, Labels, Truth, labels_of
from stream.learning.labelling import sorted_out
from stream.learning.teaching import Told, cut
from stream.learning.training import Trained, train, train_runs
from stream.model_registry.diff import difference
from stream.offline.scoring import Scorer
from stream.runs.known import recorded_runs
from stream.runs.recorded_run import RecordedRun
from tests.builders import CLERKS, SIGNER, TRUSTED, clerk_run, disposition, judged, operations
from tests.detectors.test_stories import alone
from tests.labelled import hijacked, honest, in_the_text, job, labelled, learned


def lines(events: Iterable[AnyEvent]) -> list[bytes]:
    """As lines of a file."""
    return [msgspec.json.encode(event) for event in events]


def everything() -> list[AnyEvent]:
    """Honest sessions and hijacked ones, none of which anybody has marked."""
    return [event for run in (*honest(), *(each.run for each in hijacked())) for event in run]


def label_file(tmp_path: Path, **changed: Any) -> Path:
    """What is known of the hijacked ones."""
    path = tmp_path / "labels.ndjson"
    rows = [
        {"session": each.run[0].session, "label": "malicious", "first_bad": each.first_bad, "goal": each.goal}
        for each in hijacked()
    ]
    path.write_text("\n".join(json.dumps(row | changed) for row in rows))
    return path


def trained_on(events: list[AnyEvent], out: Path, labels: Labels | None) -> Trained:
    """With default policy."""
    return train(lines(events), Policy(), out, SIGNER, labels=labels)


def read(path: Path) -> Baseline:
    """The baseline of a file."""
    return read_artifact(path.read_bytes(), path, TRUSTED)


@pytest.mark.slow
def test_labelled_sessions_teach_the_other_side_and_no_honest_one(tmp_path: Path) -> None:
    """The honest part is what it would be had they never been recorded; without labels they all teach."""
    out, labels = tmp_path / "b.json", labels_of("events", [], label_file(tmp_path))
    header = trained_on(everything(), out, labels).header
    assert header.left_out == {"label:malicious": 60}
    assert header.sessions == len(honest())
    assert header.labelled is not UNSET
    assert (header.labelled.sessions, header.labelled.goals, header.labelled.agents) == (60, 5, [CLERKS])
    assert read(out).resemblance is not None
    alone_out = tmp_path / "alone.json"
    trained_on([event for run in honest() for event in run], alone_out, None)
    both = read(out).surprise.counts, read(alone_out).surprise.counts
    assert both[0].sessions == both[1].sessions
    assert header.data_digest == read(alone_out).header.data_digest
    plain = trained_on(everything(), tmp_path / "plain.json", None).header
    assert (plain.sessions, plain.labelled) == (len(honest()) + 60, UNSET)


def told(events: list[AnyEvent], **changed: Any) -> Told:
    """A session as training is told of it."""
    run = operations(events)
    return Told(RecordedRun(run[0].session, run), **changed)


def test_who_teaches_what() -> None:
    """A benign word lets nobody teach who may not, one that resisted teaches nothing."""
    labels = Labels()
    for name, kind in (("bad", Kind.MALICIOUS), ("good", Kind.BENIGN), ("tough", Kind.RESISTED)):
        labels.add(name, Truth(kind, 2, goal="g"))
    every = [told(clerk_run(name, 1)) for name in ("bad", "good", "tough", "unknown")]
    every.append(told(clerk_run("good", 1), reason="rules:kill_session"))
    found = sorted_out(every, labels)
    reasons = ["label:malicious", "", "label:resisted", "", "rules:kill_session"]
    assert [each.reason for each in found.told] == reasons
    assert found.hijacked is not None
    assert [(each.run[0].session, each.first_bad, each.goal) for each in found.hijacked] == [("bad", 2, "g")]
    assert sorted_out(every, None).hijacked is None


def test_recordings_that_tell_themselves_teach_nothing_where_they_say_nothing() -> None:
    """Cut short by an error, or malicious from the start: no honest session."""
    labels = Labels()
    labels.complete = True
    assert [each.reason for each in sorted_out([told(clerk_run("s", 1))], labels).told] == ["label:none"]


def test_an_analyst_who_said_that_it_was_right_has_labelled_it() -> None:
    """From its first act on: a disposition does not say where it began."""
    found = sorted_out([told(clerk_run("s", 1), reason="disposed:true_positive")], Labels())
    assert [each.reason for each in found.told] == ["disposed:true_positive"]
    assert found.hijacked is not None
    assert [each.first_bad for each in found.hijacked] == [0]


def test_a_disposition_in_the_log_is_heard(tmp_path: Path) -> None:
    """As it is for measuring."""
    said = [disposition(200, "c1", right=True, session="h0", workflow="wh0")]
    header = trained_on([*everything(), *said], tmp_path / "b.json", Labels()).header
    assert header.left_out == {"disposed:true_positive": 1}
    assert header.labelled is not UNSET
    assert header.labelled.sessions == 1


def test_a_session_in_parts_is_bad_from_the_part_of_its_first_bad_act_on() -> None:
    """What came before it in the same account is neither honest nor hijacked."""
    run = [*operations(clerk_run("s", 1)), *operations(clerk_run("s", 2))]
    run = [msgspec.structs.replace(event, at_ms=1_000_000 * k) for k, event in enumerate(run)]
    labels = Labels()
    labels.add("s", Truth(Kind.MALICIOUS, len(run) - 2))
    parts = [Told(RecordedRun("s", part)) for part in cut(run, 1)]
    assert len(parts) == len(run)
    found = sorted_out(parts, labels)
    assert {each.reason for each in found.told} == {"label:malicious"}
    assert found.hijacked is not None
    assert [each.run for each in found.hijacked] == [run[-2:-1], run[-1:]]


def agent_runs(folder: Path, runs: Iterable[tuple[list[Operation], dict[str, Any]]]) -> str:
    """A folder of that format, of as much as it needs here."""
    folder.mkdir()
    sessions, events = [], []
    for run, more in runs:
        name = run[0].session
        sessions.append({"s": name, "suite": CLERKS, "user_task": run[0].agent_role, "pipeline": "m"} | more)
        places = {event.id: k for k, event in enumerate(run)}
        for place, event in enumerate(run):
            prov = {
                each.argument: ["tool", str(places[each.source_event]), each.source_field, each.shape]
                if each.source_event
                else [str(each.origin)]
                for each in event.provenance
                if not each.shape or each.shape in {"=", "in"}
            }
            events.append({"s": name, "i": place, "op": event.operation, "prov": prov})
    for name, rows in (("sessions", sessions), ("events", events)):
        (folder / f"{name}.ndjson.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return str(folder)


def told_folder(tmp_path: Path) -> str:
    """Of honest and hijacked sessions, and of one that failed, with the truth in it."""
    runs: list[tuple[list[Operation], dict[str, Any]]] = [(run, {"kind": "benign"}) for run in honest()]
    for each in hijacked():
        truth = {"kind": "injected_success", "exposed_at": each.first_bad, "injection_task": each.goal}
        runs.append((list(each.run), truth))
    runs.append((operations(clerk_run("broken", 1)), {"kind": "benign", "error": True}))
    return agent_runs(tmp_path / "told", runs)


@pytest.mark.slow
def test_a_folder_tells_its_own_truth_where_that_is_asked_for(tmp_path: Path) -> None:
    """Named in place of a file; never unasked."""
    folder, out = told_folder(tmp_path), tmp_path / "b.json"
    labels = labels_of("agent-runs", [folder], Path(folder))
    runs = list(recorded_runs("agent-runs", [folder]))
    header = train_runs(runs, Policy(), out, SIGNER, labels=labels).header
    assert header.left_out == {"label:malicious": 60, "label:none": 1}
    assert header.labelled is not UNSET
    assert (header.labelled.goals, header.labelled.agents) == (5, [CLERKS])
    plain = train_runs(runs, Policy(), tmp_path / "plain.json", SIGNER).header
    assert (plain.sessions, plain.left_out, plain.labelled) == (len(runs), {}, UNSET)


@pytest.mark.slow
def test_the_judge_agrees_with_the_score() -> None:
    """The finding is where `score` sees the alarm, and says by which score."""
    policy = alone("resembles_hijack")
    run = clerk_run("s1", 1, in_the_text("s1"), agent_role="clerk-of-another-office")
    share = policy.wrong_stops_per_1000_sessions / 1000
    scorer = Scorer(labelled(), share)
    recorded = RecordedRun("s1", operations(run))
    (row,) = scorer.runs([recorded])
    scored = scorer.run(recorded)
    assert row["alarm"] is True
    assert row["p_value"] <= share
    assert scored.limits.resemblance is not None
    assert scored.peaks["resemblance"] > scored.limits.resemblance
    (finding,) = judged(run, policy, labelled()).findings
    assert finding.event_id == run[row["first_alarm_index"]].id
    assert finding.reason.startswith("mail:Send looks like labelled hijacks, by to out of body of ticket:Get")
    assert finding.evidence == ("s1#3", "s1#0")


@pytest.mark.parametrize("with_others", [True, False], ids=["beside the others", "alone"])
def test_alone_it_remembers_sources_itself(*, with_others: bool) -> None:
    """Else nobody could say of which operation a value was."""
    run = clerk_run("s1", 1, in_the_text("s1"), agent_role="clerk-of-another-office")
    policy = Policy(wrong_stops_per_1000_sessions=20.0) if with_others else alone("resembles_hijack")
    found = [each for each in judged(run, policy, labelled()).findings if each.detector == "resembles_hijack"]
    assert [each.evidence for each in found] == [("s1#3", "s1#0")]
    assert "ticket:Get" in found[0].reason


def test_jobs_that_are_known_are_judged_as_without_labels() -> None:
    """By the same limits, to the last digit; hijacks of one are found by what it does itself."""
    plain = read_artifact(learned(None), Path("b"), TRUSTED)
    runs = [clerk_run("s1", 1, in_the_text("s1"), agent_role=job(0)), clerk_run("s2", 2, agent_role=job(1))]
    recorded = [RecordedRun("s", operations(run)) for run in runs]
    for share in (0.01, 0.02, 0.05):
        assert list(Scorer(labelled(), share).runs(recorded)) == list(Scorer(plain, share).runs(recorded))


def test_a_difference_tells_of_labels() -> None:
    """How many sessions taught, and how far the limits of that score are."""
    plain = read_artifact(learned(None), Path("b"), TRUSTED)
    found = difference(plain, labelled(), 0.02, 1e-6)
    assert found.header["labelled sessions"] == (None, 60)
    changes = {(change.what, change.cohort) for change in found.changes if change.old is None}
    assert changes == {
        ("resemblance limit (bits), jobs never seen", cohort) for cohort in ("everybody", "agent agent-9")
    }
    none = difference(plain, plain, 0.02, 1e-6)
    assert not [name for name in none.header if name.startswith("labelled")]
    assert none.unmoved == len(found.changes) + found.unmoved - 4


def test_evaluating_counts_its_alarms(tmp_path: Path) -> None:
    """Hijacked sessions of jobs that nobody has seen, with labels and without."""
    runs = [clerk_run(f"n{k}", k, in_the_text(f"n{k}"), agent_role="new", workflow=f"w{k}") for k in range(9)]
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join(lines(event for run in runs for event in run)))
    names = tmp_path / "l.json"
    names.write_text("\n".join(json.dumps({"session": f"n{k}", "label": "malicious"}) for k in range(9)))
    policy = Policy(wrong_stops_per_1000_sessions=20.0)
    found = evaluate(Inputs([str(path)], labels=names), labelled(), policy)
    (at,) = [each for each in found.budgets if each.budget == 0.02]
    assert at.recall.share == 1.0


def test_hijacked_sessions_need_an_agent() -> None:
    """Of nobody nothing is learned."""
    labels = Labels()
    labels.add("s", Truth(Kind.MALICIOUS))
    assert sorted_out([told(clerk_run("s", 1, agent=""))], labels).hijacked == list[Hijacked]()


def test_labels_of_sessions_that_are_not_there_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of labels of last year, or a slip in a name, must not look like a history without hijacks."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))  # where the key is made
    events, names, printed = tmp_path / "events.ndjson", tmp_path / "labels.ndjson", StringIO()
    events.write_bytes(b"\n".join(lines(clerk_run("here", 1))))
    told = [{"session": "here", "label": "benign"}, {"session": "elsewhere", "label": "malicious"}]
    told.append({"session": "here", "workflow": clerk_run("here", 1)[0].workflow, "label": "benign"})
    names.write_text("\n".join(map(json.dumps, told)))
    out = Console(file=printed, width=200)
    run_train(out, [str(events)], "events", tmp_path / "b.json", read_settings(os.environ), None, names)
    assert "1 of the sessions that it names are not in these recordings" in printed.getvalue()
