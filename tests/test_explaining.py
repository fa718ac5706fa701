"""`chainbrake explain`: one session's story, and what would have had to be different."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from detectors.explain import weighed
from detectors.policy import Policy
from models.attested import Effect
from models.errors import InputError
from models.event import AnyEvent, Grade
from models.registry import Registry
from models.session import Alarm
from stream.cli import main
from stream.commands.explain import hangs_on
from stream.offline.explaining import Explaining, Story
from stream.offline.replay import Replay
from stream.recordings.files import Lines
from stream.recordings.recorded import EVENTS, SCENARIO
from tests.builders import CHAIN, HUMAN, OFFICE, START_MS, approval, at, delegation, op, release, told
from tests.ingest.scenarios import SCENARIOS, index, needed, registry

Tell = Callable[..., str]

ADMIN = {"effects": (Effect.EXPANDS, Effect.ADMIN), "grade": Grade.ATTESTED}


def told_of(events: list[AnyEvent], session: str = "s1", policy: Policy | None = None, **more: Any) -> Story:
    """The story of a session in these events."""
    explaining = Explaining(policy or Policy(), None, EVENTS, OFFICE, session, **more)
    return explaining.story([msgspec.json.encode(event) for event in events])


@pytest.fixture
def tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tell:
    """What the command prints about a recording of these events."""

    def tell(events: list[AnyEvent], *arguments: str, session: str = "s1") -> str:
        path = tmp_path / "recorded.ndjson"
        path.write_bytes(b"\n".join(msgspec.json.encode(event) for event in events))
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(
            "sys.argv", ["chainbrake", "explain", str(path), "--session", session, *arguments]
        )
        try:
            main()
        except SystemExit as end:
            assert not end.code, capsys.readouterr().err  # noqa: PT017 - how a command says that all is well
        return capsys.readouterr().out

    return tell


def change(seconds: float, **changed: Any) -> AnyEvent:
    """A grave change that nobody approved."""
    return op("V", seconds, **(ADMIN | changed))


def test_a_story_holds_the_sessions_steps_and_nobody_elses() -> None:
    """With the risk as it rose, and what was noticed where."""
    others = told("D@10 S@20", session="s2", workflow="w2")
    story = told_of([*told("D@0 P@30 S@60"), *others, *told("V@90")])
    assert [step.index for step in story.steps] == [0, 1, 2, 5]
    assert [step.risk for step in story.steps][:3] == [0.0, 0.0, 0.0]
    assert story.steps[-1].risk > Policy().levels[-1].risk_min
    assert "read_then_write_chain" in {finding.detector for finding in story.steps[-1].findings}
    assert story.stopped


def test_what_would_have_prevented_a_stop_is_tried_out_and_true() -> None:
    """An approval of exactly this, put where it was missing, and the judge orders nothing."""
    events = [*told("D@0"), change(30)]
    story = told_of(events)
    assert story.stopped
    answers = {tried.what: tried for tried in story.tried}
    exact = answers["an approval of exactly this, by somebody else, beforehand"]
    assert exact.prevents
    given = approval(20, decided_by=HUMAN)
    assert not told_of([events[0], given, events[1]]).stopped


@pytest.mark.parametrize(
    ("approvers", "prevents"),
    [
        ((), True),
        (("boss@example.com",), True),
        (("ann@example.com", "boss@example.com"), True),
        (("ann@example.com",), False),
    ],
    ids=str,
)
def test_an_approval_is_tried_out_by_somebody_who_may_give_it(
    approvers: tuple[str, ...], *, prevents: bool
) -> None:
    """One by nobody in the registry would be a bad one itself, and the advice: approve it, and be stopped."""
    known = Registry(replace(OFFICE.content, approvers=approvers))
    events = [op("D", 0), change(30, on_behalf_of="ann@example.com", principal="ann@example.com")]
    explaining = Explaining(Policy(), None, EVENTS, known, "s1")
    story = explaining.story([msgspec.json.encode(event) for event in events])
    assert story.stopped
    exact = next(tried for tried in story.tried if tried.what.startswith("an approval of exactly this"))
    assert exact.prevents is prevents


def test_where_nothing_would_have_helped_the_story_says_so(tell: Tell) -> None:
    """A change that names no target can neither be approved nor planned: nothing is promised."""
    events = [*told("D@0"), change(30, target="")]
    story = told_of(events)
    assert story.stopped
    assert {tried.prevents for tried in story.tried} == {False}
    assert {tried.instead for tried in story.tried} == {"kill_session"}
    assert "Even with a registered change" in tell(events)


def test_what_rests_on_no_change_is_not_tried_out(tell: Tell) -> None:
    """A session that approves itself, faster than a person reads, is questioned for that alone."""
    events = [*told("D@0"), approval(20, asked_s=19.5, decided_by="agent-7")]
    story = told_of(events)
    assert story.decisive is not None
    assert story.decisive.command.action == "step_up"
    assert not story.tried
    assert "Nothing was tried out: it rests on no change" in tell(events)


def test_an_approval_that_was_there_and_did_not_count_is_named_with_its_reason() -> None:
    """For another target; too fast; by the agent itself; for another session; after the act."""
    wrong = {
        "it is for role/wrong": approval(20, target="role/wrong"),
        "the answer came faster than a person reads": approval(20, asked_s=19.5),
        "whoever gave it takes part in the work": approval(20, decided_by="agent-7"),
        "it is for session s9": approval(20, session="s9"),
        "it allows iam:Other": approval(20, operation="iam:Other"),
        "it had run out": approval(20, expires_ms=at(25)),
    }
    for reason, given in wrong.items():
        story = told_of([*told("D@0"), given, change(30)])
        assert story.decisive is not None, reason
        reasons = [why for _, whys in story.decisive.unused for why in whys]
        assert reason in reasons


def test_weights_add_up_and_the_fewest_are_enough() -> None:
    """Taking away what is named brings the risk below the level; taking away less does not."""
    policy = Policy()
    level = policy.levels[-1]
    names = ("trust_opened", "unapproved_change", "faster_than_human")
    alarms = {
        name: Alarm(confidence, START_MS, Grade.ATTESTED, ())
        for name, confidence in zip(names, (0.92, 0.9, 0.99), strict=True)
    }
    weighing = weighed(alarms, level, policy, START_MS)
    assert {factor.detector: factor.counts for factor in weighing.factors} == {
        "trust_opened": True,
        "unapproved_change": True,
        "faster_than_human": False,
    }
    assert weighing.risk == pytest.approx(1 - 0.08 * 0.1)
    assert weighing.fewest == ("trust_opened", "unapproved_change")
    left = {name: alarm for name, alarm in alarms.items() if name not in weighing.fewest}
    assert weighed(left, level, policy, START_MS).risk < level.risk_min
    for kept in weighing.fewest:
        one = {name: alarm for name, alarm in alarms.items() if name not in weighing.fewest or name == kept}
        assert weighed(one, level, policy, START_MS).risk >= level.risk_min


@pytest.mark.parametrize(
    ("confidences", "said"),
    [
        ((0.9, 0.2), "It hangs on trust_opened: without"),
        ((0.65, 0.65), "It took trust_opened and unapproved_change together: without any one"),
        ((0.92, 0.9), "to stay below, trust_opened and unapproved_change would all have to be absent"),
        ((0.3, 0.3), ""),
    ],
)
def test_which_findings_made_the_difference_is_said(confidences: tuple[float, float], said: str) -> None:
    """One of them, all of them together, or any of them: three different things to look into."""
    names = ("trust_opened", "unapproved_change")
    alarms = {
        name: Alarm(confidence, START_MS, Grade.ATTESTED, ())
        for name, confidence in zip(names, confidences, strict=True)
    }
    told_lines = list(hangs_on(weighed(alarms, Policy().levels[-1], Policy(), START_MS)))
    assert said in " ".join(told_lines)
    assert bool(told_lines) is bool(said)


def test_below_the_level_nothing_is_named() -> None:
    """There is nothing that would have had to be missing."""
    alarms = {"trust_opened": Alarm(0.3, START_MS, Grade.ATTESTED, ())}
    assert weighed(alarms, Policy().levels[-1], Policy(), START_MS).fewest == ()


def test_a_session_that_was_left_alone_has_a_story_too(tell: Tell) -> None:
    """How near it came to a stop, and no more."""
    said = tell(told("D@0 P@30"))
    assert "Nothing was ordered against it" in said
    assert "a stop begins at 0.85" in said


def test_a_person_reads_what_when_why_and_what_then(tell: Tell) -> None:
    """The words that someone needs at 3 a.m., and no class or level of the code."""
    said = tell([*told("D@0"), approval(10, target="role/wrong"), change(30)])
    assert "It was stopped" in said
    assert "nobody approved it" in said
    assert "There was an approval (iam:AttachRolePolicy on role/wrong" in said
    assert "it would have been left alone" in said
    assert "chainbrake release s1 --workflow w1 --by YOU" in said
    assert "privilege_change" not in said


def test_names_with_brackets_are_printed_and_not_obeyed(tell: Tell) -> None:
    """A target is an attacker's to choose: it cannot hide a line or colour it."""
    said = tell([*told("D@0"), change(30, target="[red]x[/red]"), approval(40, target="[/bold]")])
    assert "[red]x[/red]" in said
    assert "[/bold]" in said


def test_uneventful_steps_are_counted_unless_all_are_wanted(tell: Tell) -> None:
    """A session of hundreds of reads fits a screen."""
    events = [*told(" ".join(f"D@{second}" for second in range(40))), change(90)]
    assert "40 steps that nobody minded" in tell(events)
    assert tell(events, "--all").count("iam:ListRoles") == 40


def test_as_json_it_is_one_object(tell: Tell) -> None:
    """With the events themselves, for programs."""
    row = json.loads(tell([*told("D@0"), change(30)], "--json"))
    assert row["stopped"]
    assert [step["event"]["operation"] for step in row["steps"]] == ["iam:ListRoles", "iam:AttachRolePolicy"]
    assert row["decisive"]["weighing"]["threshold"] == Policy().levels[-1].risk_min
    assert any(tried["prevents"] for tried in row["what_if"])


def test_a_session_that_is_not_there_is_an_error_with_names_near_it() -> None:
    """Whoever mistypes an id is helped."""
    with pytest.raises(InputError, match="no event of session 's11' here; there are s1"):
        told_of(told("D@0"), session="s11")


def test_only_the_named_workflow_is_looked_at() -> None:
    """Where a session id was used twice."""
    events = [*told("D@0"), *told("D@5", workflow="w2")]
    assert [step.event.workflow for step in told_of(events, workflow="w2").steps] == ["w2"]


def test_what_others_did_in_its_name_and_what_lifted_the_stop_is_part_of_it() -> None:
    """Delegations to and from it, and its release."""
    events = [delegation(0, "s0", "s1"), *told(CHAIN), delegation(95, "s1", "s2"), release(120)]
    kinds = [type(step.event).__name__ for step in told_of(events).steps]
    assert kinds == ["Delegation", *["Operation"] * 4, "Delegation", "Release"]


def test_a_degraded_stop_is_told_as_what_was_ordered() -> None:
    """A protected identity is asked about, not stopped: the story does not claim otherwise."""
    policy = Policy()
    guarded = replace(policy, budget=replace(policy.budget, protected_agents=("agent-7",)))
    story = told_of([op("D", 0, grade=Grade.ATTESTED), change(30)], policy=guarded)
    assert story.decisive is not None
    assert not story.stopped
    assert story.decisive.command.degraded_from is not None
    assert story.decisive.weighing.level == "stop"


@needed
def test_what_the_story_says_was_ordered_is_what_replay_orders() -> None:
    """On recorded sources, with sessions that are found by their credentials, to the last command."""
    for scenario in [entry for entry in index() if entry["kind"] == "malicious"][::20]:
        path = str(SCENARIOS / scenario["file"])
        session = scenario["expect"]["act_on"]["sessions"][0]
        replayed = Replay(Policy(), None, SCENARIO, registry()).rows(Lines([path]))
        rows = [row["id"] for row in replayed if row["kind"] == "command" and row["session"] == session]
        story = Explaining(Policy(), None, SCENARIO, registry(), session).story(Lines([path]))
        assert [command.id for step in story.steps for command in step.commands] == rows
        assert not story.stopped or story.tried or story.untried


ELSEWHERE = """
name: looked_here_changed_there
title: one agent looked up who may do what, and changed rights in another run
scope: agent
steps:
  - {id: review, class: policy_read}
  - {id: change, class: [role_mapping, privilege_change], differs: {workflow: review.workflow}}
within: 1h
confidence: 0.5
"""


def test_one_workflow_alone_is_told_with_what_rests_on_others(tell: Tell, tmp_path: Path) -> None:
    """They are judged, and told of nowhere: the worker's finding would be missing in the story otherwise."""
    rules = tmp_path / "mine.yml"
    rules.write_text(ELSEWHERE)
    events = [*told("P@0", session="s0", workflow="w0"), *told("V@30")]
    whole = tell(events, "--chains", str(rules))
    assert "looked_here_changed_there:crossing" in whole
    assert tell(events, "--chains", str(rules), "--workflow", "w1") == whole


def test_a_session_of_another_workflow_is_found_there() -> None:
    """Instead of "there are none"."""
    events = told("D@0")
    with pytest.raises(InputError, match="no event of session 's1' in workflow w9; it is in workflow w1"):
        told_of(events, workflow="w9")


def test_a_recording_of_another_format_says_so() -> None:
    """A session that is not there for want of any event: the first line tells why."""
    explaining = Explaining(Policy(), None, "okta.system_log", OFFICE, "s1")
    with pytest.raises(
        InputError, match=r"there are none; line 0 \(from 0\) is no record of okta.system_log"
    ):
        explaining.story([msgspec.json.encode(event) for event in told("D@0")])


def test_a_narrow_terminal_tells_the_same_below_each_other(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No word of it is cut into the syllables of a column."""
    events = told(CHAIN)
    wide = tell(events)
    monkeypatch.setattr("stream.commands.explain.TABLE_WIDTH_MIN", 1000)
    narrow = tell(events)
    for word in (": changes rights", "noticed ", "ordered kill_session", "risk 0.", "(line 3)"):
        assert word in narrow
    assert wide.count("noticed") == narrow.count("noticed")
