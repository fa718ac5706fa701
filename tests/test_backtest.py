"""`chainbrake backtest`: who fired on recorded sessions, how rightly, and against which labels."""

import json
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from detectors.policy import Policy
from models.attested import Effect
from models.command import Action, Command
from models.errors import InputError
from models.event import AnyEvent, Grade
from stream.cli import main
from stream.configuration.rule_files import load_declared
from stream.offline.backtest import Backtest, nearest
from stream.offline.labels import Ending, Label, read_labels, scored
from stream.offline.replay import Replay
from stream.recordings.recorded import EVENTS
from tests.builders import OFFICE, op, told
from tests.ingest.scenarios import SCENARIOS, index, needed, registry

ROGUE: dict[str, Any] = {"effects": (Effect.EXPANDS, Effect.ADMIN), "grade": Grade.ATTESTED}
SCORER = SCENARIOS.parent.parent / "tools" / "score_scenarios.py"


def ticking() -> Callable[[], int]:
    """A clock that goes on by a microsecond at every look."""
    now = iter(range(0, 1_000_000_000, 1_000))
    return lambda: next(now)


def label(action: str, **more: Any) -> Label:
    """What is known of a file."""
    return msgspec.convert({"file": "f", "expect": {"action": action, **more}}, Label)


def command(action: Action, session: str = "s1", **more: Any) -> Command:
    """A command against a session."""
    fields: dict[str, Any] = {"id": "c", "workflow": "w1", "agent": "a1", "at_ms": 0, "seen_ms": 0}
    fields |= {"expires_ms": 1, "event_id": "e", "event_source": "aws", "risk": 0.9, "reason": "r"}
    return Command(action=action, session=session, **(fields | more))


def lines(events: list[AnyEvent]) -> list[bytes]:
    """As a file's lines."""
    return [msgspec.json.encode(event) for event in events]


def backtested(*files: tuple[str, list[AnyEvent], Label | None]) -> Backtest:
    """Files of events, each with its label."""
    test = Backtest(Policy(), None, EVENTS, OFFICE, clock_ns=ticking())
    for name, events, known in files:
        test.feed(name, lines(events), known)
    return test


BAD = [*told("D@0"), op("V", 30, **ROGUE)]
GOOD = told("D@0 P@30")
STOP_S1 = label("kill_session", earliest_fair=1, decide_by=1, act_on={"sessions": ["s1"]})


@pytest.mark.parametrize(
    ("known", "ordered", "ending", "delay"),
    [
        (label("none"), [], Ending.RIGHT, None),
        (label("none"), [(3, Action.STEP_UP)], Ending.RIGHT, None),
        (label("none", step_up_ok=False), [(3, Action.STEP_UP)], Ending.WRONG_STEP_UP, None),
        (label("none"), [(3, Action.KILL_SESSION)], Ending.WRONG_STOP, None),
        (label("kill_session", earliest_fair=2, decide_by=5), [], Ending.MISSED, None),
        (label("kill_session", earliest_fair=2), [(3, Action.STEP_UP)], Ending.TOO_WEAK, None),
        (label("kill_session", earliest_fair=2), [(1, Action.KILL_SESSION)], Ending.EARLY, -1),
        (label("kill_session", earliest_fair=2), [(2, Action.KILL_SESSION)], Ending.RIGHT, 0),
        (label("kill_session", earliest_fair=2, decide_by=5), [(6, Action.KILL_SESSION)], Ending.LATE, 4),
        (label("step_up", earliest_fair=2, decide_by=5), [(5, Action.REVOKE_TOKEN)], Ending.RIGHT, 3),
        (label("revoke_token", earliest_fair=2), [(3, Action.KILL_SESSION)], Ending.TOO_WEAK, None),
        (label("quarantine_workflow"), [(3, Action.REVOKE_TOKEN)], Ending.TOO_WEAK, None),
        (label("quarantine_workflow", earliest_fair=2), [(3, Action.QUARANTINE_WORKFLOW)], Ending.RIGHT, 1),
        (label("kill_session", never={"sessions": ["s1"]}), [(3, Action.KILL_SESSION)], Ending.BYSTANDER, 3),
        (
            label("kill_session", act_on={"must_name": {"sessions": ["s2"]}}),
            [(3, Action.KILL_SESSION)],
            Ending.TOO_WEAK,
            None,
        ),
    ],
)
def test_a_files_commands_against_its_label(
    known: Label, ordered: list[tuple[int, Action]], ending: Ending, delay: int | None
) -> None:
    """Neither too early nor too late, strong enough, against the right one, and against nobody else."""
    found = scored(known, [(line, command(action)) for line, action in ordered])
    assert (found.ending, found.delay) == (ending, delay)


def test_precision_and_recall_are_of_sessions_and_files_with_a_label() -> None:
    """A file without one counts for neither; a share of nothing is unknown, not zero."""
    test = backtested(("bad", BAD, STOP_S1), ("wrong", BAD, label("none")), ("unknown", BAD, None))
    (row,) = [row for row in test.detectors() if row["detector"] == "unapproved_change"]
    assert row["findings"] == 3
    assert row["precision"] == 0.5
    assert row["recall"] == 1.0
    assert row["after_events_median"] == 2
    summary = test.summary()
    assert (summary["precision"], summary["recall"]) == (0.5, 1.0)
    assert (summary["files"], summary["labelled"], summary["stopped"]) == (3, 2, 3)
    assert backtested(("unknown", BAD, None)).summary()["precision"] is None


def test_files_know_nothing_of_each_other() -> None:
    """The same session in two files is two sessions: an act in one is no second act in the other."""
    test = backtested(("a", BAD, None), ("b", BAD, None))
    assert test.summary()["stopped"] == 2
    assert test.summary()["sessions"] == 2


def test_what_it_counts_is_what_replay_says() -> None:
    """The same judge: each finding and command of a replay, and no other."""
    replayed = list(Replay(Policy(), None, EVENTS, OFFICE).rows(lines(BAD)))
    (run,) = backtested(("bad", BAD, STOP_S1)).runs
    assert len(run.found) == sum(row["kind"] == "finding" for row in replayed)
    rows = [(row["input_index"], row["action"]) for row in replayed if row["kind"] == "command"]
    assert [(line, each.action) for line, each in run.commands] == rows
    assert run.scored is not None
    assert run.scored.ending is Ending.RIGHT


def test_endings_are_told_by_kind_and_variant() -> None:
    """With the distance from the earliest fair line."""
    late = msgspec.structs.replace(STOP_S1, kind="malicious", variant="slow")
    test = backtested(("bad", BAD, late), ("good", GOOD, label("none")))
    assert [(row["of"], row["variant"], row["endings"]) for row in test.endings()] == [
        ("benign", "", {"right": 1}),
        ("malicious", "slow", {"right": 1}),
    ]
    assert test.summary()["delay_events_median"] == 0


def test_cost_is_told_per_event() -> None:
    """Two looks at the clock around each judgement."""
    test = backtested(("good", GOOD, None))
    assert test.cost.judging_us == 1.0
    assert test.cost.whole_us > test.cost.judging_us


def test_the_nearest_rank_of_few_values() -> None:
    """And of none there is none."""
    assert nearest([], 0.9) is None
    assert nearest([1], 0.9) == 1
    assert nearest(list(range(10)), 0.9) == 9


def test_labels_are_read_by_name_of_file_and_faults_are_placed(tmp_path: Path) -> None:
    """As a list, or under `scenarios`; a word that is no action is refused."""
    path = tmp_path / "index.json"
    entry = {"file": "a/x.ndjson.gz", "expect": {"action": "none"}}
    for content in ([entry], {"scenarios": [entry]}):
        path.write_text(json.dumps(content))
        assert list(read_labels(path)) == ["x.ndjson.gz"]
    path.write_text(json.dumps([{"file": "x", "expect": {"action": "shoot"}}]))
    with pytest.raises(
        InputError, match=r":1:27: 0\.expect\.action: .*'shoot'; valid is one of `kill_session`"
    ):
        read_labels(path)
    path.write_text(
        json.dumps({"scenarios": [{"file": "x", "expect": {"action": "none", "decide_by": "now"}}]})
    )
    with pytest.raises(InputError, match=r":1:\d+: scenarios\.0\.expect\.decide_by: expected a whole number"):
        read_labels(path)
    for text in ('{"session": "s", "label": "benign"}', '{"scenarios": 3}', "3"):
        path.write_text(text)
        with pytest.raises(InputError, match="a list with one entry per file"):
            read_labels(path)
    path.write_text(f'[{{"file": "x", "expect": {"9" * 5_000}}}]')
    with pytest.raises(InputError, match="4300 digits"):
        read_labels(path)
    with pytest.raises(InputError, match="No such file"):
        read_labels(tmp_path / "absent.json")


def test_the_command_prints_tables_or_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same figures for people and for programs; what was not right is named."""
    (tmp_path / "bad.ndjson").write_bytes(b"\n".join(lines(BAD)))
    (tmp_path / "labels.json").write_text(json.dumps([{"file": "bad.ndjson", "expect": {"action": "none"}}]))
    arguments = ["chainbrake", "backtest", str(tmp_path / "bad.ndjson"), "--labels"]
    arguments.append(str(tmp_path / "labels.json"))

    def said(*more: str) -> str:
        monkeypatch.setattr(sys, "argv", [*arguments, *more])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
        return capsys.readouterr().out

    text = said()
    assert "unapproved_change" in text
    assert "bad.ndjson: wrong stop" in text
    arguments[2] = str(tmp_path)  # a folder: labels are of the files in it
    (tmp_path / "labels.json").rename(tmp_path / "labels")
    arguments[-1] = str(tmp_path / "labels")
    assert "bad.ndjson: wrong stop" in said()
    rows = [json.loads(line) for line in said("--json").splitlines()]
    assert {row["kind"] for row in rows} == {"file", "detector", "labels", "summary"}
    assert next(row for row in rows if row["kind"] == "file")["ending"] == "wrong stop"


def test_labels_of_other_files_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dashes in the table could mean anything."""
    file, labels = tmp_path / "bad.ndjson", tmp_path / "labels.json"
    file.write_bytes(b"\n".join(lines(BAD)))
    labels.write_text(json.dumps([{"file": "good.ndjson", "expect": {"action": "none"}}]))
    monkeypatch.setattr(sys, "argv", ["chainbrake", "backtest", str(file), "--labels", str(labels)])
    with pytest.raises(SystemExit):
        main()
    assert "says nothing of any of these files" in capsys.readouterr().err


OWN = """
name: looked_then_granted
title: looked
steps: [{id: a, class: discovery}, {id: b, class: privilege_change}]
within: 1m
---
{name: never_so, title: never, steps: [{id: a, class: guardrail_change}], within: 1m}
"""


def test_ones_own_rules_come_first_with_where_they_fired_or_that_they_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever writes a rule sees its lines, and that a rule which stays silent was asked."""
    chains = tmp_path / "own.yaml"
    chains.write_text(OWN)
    test = Backtest(
        Policy(), None, EVENTS, OFFICE, declared=load_declared(Policy(), str(chains)), clock_ns=ticking()
    )
    test.feed("bad", lines(BAD), STOP_S1)
    first, second = list(test.detectors())[:2]
    assert (first["detector"], first["findings"], first["recall"]) == ("looked_then_granted", 1, 1.0)
    assert (second["detector"], second["findings"], second["recall"]) == ("never_so", 0, 0.0)
    (row,) = test.firings()
    assert (row["file"], row["input_index"], row["session"], row["right"]) == ("bad", 1, "s1", True)
    (tmp_path / "bad.ndjson").write_bytes(b"\n".join(lines(BAD)))
    command = ["chainbrake", "backtest", str(tmp_path / "bad.ndjson"), "--chains", str(chains)]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().out
    assert "bad.ndjson:2: looked_then_granted on s1: looked: iam:ListRoles, then iam:Attach" in said
    assert "never_so" in said


def scorer() -> ModuleType:
    """The measure from outside, as it lies beside the repository."""
    spec = spec_from_file_location("score_scenarios", SCORER)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needed
def test_labels_are_scored_as_the_measure_from_outside_scores_them() -> None:
    """On some scenarios of all kinds; without the folder beside the repository this skips."""
    judge = scorer().judge
    labels = read_labels(SCENARIOS / "index.json")
    test = Backtest(Policy(), None, "scenario", registry(), labels, clock_ns=ticking())
    for scenario in index()[::25]:
        run = test.add(str(SCENARIOS / scenario["file"]))
        rows = [
            {"kind": "command", "action": each.action, "input_index": line, "session": each.session}
            | {"agent": each.agent, "workflow": each.workflow, "credential": each.credential}
            for line, each in run.commands
        ]
        theirs = judge(scenario, rows)
        assert run.scored is not None
        assert (run.scored.ending is Ending.RIGHT) == theirs["ok"], scenario["id"]
        if scenario["kind"] != "benign":
            assert run.scored.delay == theirs["delay"], scenario["id"]
    assert len(test.runs) > 5
