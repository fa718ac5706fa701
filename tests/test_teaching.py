"""Who may teach a baseline: what alerts keep away, what an agent and a day may contribute, who is told."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from detectors.catalog import BUDGETED, BY_HABIT, PRESUMING, Knowledge, detectors
from detectors.judge import Judge
from detectors.policy import LearningSettings, Level, Policy
from models.baselines.baseline import Baseline, Share, read_artifact
from models.baselines.cohorts import EVERYBODY, agent_key
from models.command import Action, Command
from models.event import AnyEvent, Operation, Origin
from models.registry import EMPTY
from models.session import Workflow
from stream.learning.teaching import Recorded, teachers
from stream.learning.training import DAY_MS, Trained, capped, train, train_runs
from stream.model_registry.announcement import Slot
from stream.model_registry.objects import Objects
from stream.model_registry.registry import ModelRegistry
from stream.runs.recorded_run import RecordedRun
from tests.builders import (
    AGENT,
    CHAIN,
    CLERK,
    CLERKS,
    SIGNER,
    SLOW,
    TRUSTED,
    clerk_run,
    op,
    origin,
    recorded,
    slow_run,
    told,
    trained,
)

STOLEN = origin("to", Origin.TOOL, "ticket", "text", "token")
"""An address that stood in what somebody else wrote."""

MILD = Policy(
    levels=(
        Level(name="watch", risk_min=0.3, actions=(Action.OBSERVE,)),
        Level(name="stop", risk_min=0.999, actions=(Action.KILL_SESSION,)),
    )
)
"""Nothing is ordered by it: what is found is told, and no more."""


def learned(
    events: list[AnyEvent], out: Path, policy: Policy | None = None, live: Baseline | None = None
) -> Trained:
    """What training on them leaves."""
    return train(map(msgspec.json.encode, events), policy or Policy(), out / "b.json", SIGNER, live)


def honest(count: int) -> list[AnyEvent]:
    """So many sessions that nobody says anything about, a workflow each."""
    return [event for k in range(count) for event in told("D@0 X@60 D@120", **place(f"h{k}"))]


def hasty(count: int) -> list[AnyEvent]:
    """So many that change what they have just read, faster than a human could: a weak finding each."""
    return [event for k in range(count) for event in told("D@0 P@60 R@60.5", **place(f"q{k}"))]


def rotations(count: int) -> list[AnyEvent]:
    """So many that read more secrets than an unknown job may, then mint at once: two weak findings each."""
    return [
        event
        for k in range(count)
        for event in (
            *(op("S", seconds, target=f"secret/{seconds}", **place(f"m{k}")) for seconds in range(20)),
            op("C", 20, **place(f"m{k}")),
        )
    ]


def commands_of(events: list[AnyEvent], policy: Policy) -> list[Command]:
    """What is ordered by the rules alone."""
    judge, workflows = Judge(policy, None), dict[str, Workflow]()
    return [
        command
        for position, event in enumerate(events)
        if (
            decision := judge.fold(
                workflows.setdefault(event.workflow, Workflow(event.workflow)), event, position, event.at_ms
            )
        )
        for command in decision.commands
    ]


def place(session: str) -> dict[str, str]:
    """A session in a workflow of its own."""
    return {"session": session, "workflow": session, "agent_role": SLOW}


def clerks(count: int, stolen: int) -> list[AnyEvent]:
    """Sessions of a clerk, the last of which send mail to an address that a ticket named."""
    runs = [clerk_run(f"k{k}", 50_000 + k, workflow=f"k{k}") for k in range(count - stolen)]
    for k in range(stolen):
        to = msgspec.structs.replace(STOLEN, source_event=f"x{k}#0")
        runs.append(clerk_run(f"x{k}", 60_000 + k, to, workflow=f"x{k}"))
    return [event for run in runs for event in run]


def test_detectors_that_go_by_habits_are_known_as_such() -> None:
    """A new one that does not say so would keep every session of a new job from teaching its habits."""
    every = detectors(Policy(), Knowledge(None, EMPTY))
    asking = {
        detector.name
        for detector in every
        if {"habits", "baseline"} & set(inspect.signature(type(detector)).parameters)
    }
    assert asking == BY_HABIT
    assert PRESUMING < BY_HABIT


def test_detectors_that_share_the_budget_are_known_as_such() -> None:
    """One that does not say so would have its limits narrowed by every generation of baselines.

    What tells of endings has a promise of its own, and is below every level: who ended oddly teaches.
    """
    every = detectors(Policy(), Knowledge(None, EMPTY))
    asking = {detector.name for detector in every if "share" in inspect.signature(type(detector)).parameters}
    assert asking == BUDGETED | {"unusual_ending"}
    assert Policy().detectors.unusual_ending.confidence < Policy().levels[0].risk_min
    assert BUDGETED < BY_HABIT


def test_what_a_rule_marks_does_not_teach_though_nothing_was_ordered(tmp_path: Path) -> None:
    """Not even where it marks every session of a job: a rule is not habit, and only a person overrules it."""
    rogues = [event for k in range(40) for event in told(CHAIN, **place(f"r{k}"))]
    left_out = learned([*honest(30), *rogues], tmp_path, MILD).header.left_out
    assert left_out == {"alert:read_then_write_chain": 40}


def test_a_weak_finding_in_few_sessions_of_a_job_keeps_these_from_teaching(tmp_path: Path) -> None:
    """A fifth of them is what a patient attacker adds, and not how the job works."""
    taught = learned([*honest(40), *hasty(10)], tmp_path)
    assert taught.header.left_out == {"alert:faster_than_human": 10}
    assert taught.roles == {SLOW: 40}


def test_the_same_finding_in_many_sessions_is_how_the_job_works(tmp_path: Path) -> None:
    """Were all of them left out, the job's own way would be unheard of, and its next honest run stopped."""
    taught = learned([*honest(40), *hasty(20)], tmp_path)
    assert taught.header.left_out == {}
    assert taught.roles == {SLOW: 60}


def test_neither_do_several_weak_findings_that_ask_for_step_up_where_they_are_how_the_job_works(
    tmp_path: Path,
) -> None:
    """Each run of a new rotation job is challenged, and nobody else can teach what it reads."""
    sessions = [*honest(40), *rotations(20)]
    challenged = {command.action for command in commands_of(rotations(1), Policy())}
    assert challenged == {Action.STEP_UP}
    assert learned(sessions, tmp_path).roles == {SLOW: 60}


def test_of_few_sessions_they_keep_these_from_teaching(tmp_path: Path) -> None:
    """A fifth that reads in masses is not how the job works."""
    taught = learned([*honest(40), *rotations(10)], tmp_path)
    assert taught.header.left_out == {"alert:faster_than_human": 10}
    assert taught.roles == {SLOW: 40}


def readers(count: int, secrets: int) -> list[AnyEvent]:
    """So many sessions that read so many secrets, at their leisure."""
    return [
        op("S", 60 * k, target=f"secret/{k}", **place(f"r{secrets}-{number}"))
        for number in range(count)
        for k in range(secrets)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("secrets", "taught"), [(12, 50), (13, 50), (20, 50), (21, 40), (40, 40)])
def test_of_an_unknown_job_many_secrets_are_measured_by_its_other_sessions(
    tmp_path: Path, secrets: int, taught: int
) -> None:
    """A dozen is the limit while nothing is known; the others say what the job reads, and may twice that."""
    found = learned([*readers(40, 10), *readers(10, secrets)], tmp_path)
    assert found.roles == {SLOW: taught}
    assert sum(found.header.left_out.values()) == 50 - taught


@pytest.mark.slow
def test_of_a_known_job_they_are_measured_by_what_it_is_used_to(tmp_path: Path) -> None:
    """Else sessions in between would lift the limit, history by history."""
    learned(readers(40, 4), tmp_path)
    live = read_artifact((tmp_path / "b.json").read_bytes(), tmp_path, TRUSTED)
    found = learned([*readers(40, 8), *readers(10, 13)], tmp_path, live=live)
    assert found.roles == {SLOW: 40}


def quick(count: int, pause_s: float, name: str) -> list[AnyEvent]:
    """So many sessions that change what they have read after such a pause, each a little longer."""
    return [
        event
        for k in range(count)
        for event in told(f"D@0 P@60 R@{60 + pause_s + k / 1_000}", **place(f"{name}{k}"))
    ]


@pytest.mark.slow
def test_the_floor_of_pauses_does_not_rise_by_what_it_left_out(tmp_path: Path) -> None:
    """A share of honest sessions is below it, always; the next floor allows for them, and no more."""
    floors = []
    live = None
    for _ in range(4):
        learned(quick(400, 1.0, "q"), tmp_path, live=live)
        live = read_artifact((tmp_path / "b.json").read_bytes(), tmp_path, TRUSTED)
        pace = live.pace.of(AGENT, SLOW)
        assert pace is not None
        floors.append(pace.pause_floor_ms)
    assert floors == [1_003] * 4
    learned([*quick(400, 1.0, "q"), *quick(60, 0.1, "x")], tmp_path, live=live)
    pace = read_artifact((tmp_path / "b.json").read_bytes(), tmp_path, TRUSTED).pace.of(AGENT, SLOW)
    assert pace is not None
    assert pace.pause_floor_ms == 1_003, "whoever is left out lowers it no further than what taught"


def test_the_share_is_the_policys(tmp_path: Path) -> None:
    """At 1 no detector's word is ever taken for a habit."""
    strict = Policy(learning=LearningSettings(usual_share_min=1.0))
    assert learned([*honest(40), *hasty(20)], tmp_path, strict).roles == {SLOW: 40}


def test_of_an_account_that_never_ends_only_the_spell_that_alerted_is_left_out() -> None:
    """Else one alert would cost an account that runs for weeks all that it ever did."""
    hours = [told(f"D@{3 * 3600 * k} X@{3 * 3600 * k + 60}", **place("w1")) for k in range(9)]
    odd = told(f"P@{27 * 3600} R@{27 * 3600 + 0.5}", **place("w1"))
    recorded = Recorded(Policy(), cut_ms=Policy().idle_ms)
    for event in [*(event for hour in hours for event in hour), *odd]:
        recorded.fold(event, event.at_ms)
    found = teachers(recorded.told(), 0.25)
    assert (len(found.runs), found.left_out) == (9, {(AGENT, "alert:faster_than_human"): 1})


def test_what_the_live_baseline_alarms_on_does_not_teach_the_next(tmp_path: Path) -> None:
    """The rules have no word against it: without the live baseline it would teach."""
    events = clerks(100, stolen=10)
    assert learned(events, tmp_path).roles == {CLERK: 100}
    taught = learned(events, tmp_path, live=trained())
    assert taught.header.sessions <= 90
    assert taught.header.agents[0].agent == CLERKS
    assert sum(taught.header.left_out.values()) == 100 - taught.header.sessions


def test_what_exceeded_a_live_limit_is_counted_and_what_a_rule_said_by_habit_is_not(tmp_path: Path) -> None:
    """New limits allow for so many honest sessions beyond them, or each generation would be narrower."""
    by_rules = Recorded(Policy())
    for event in (*honest(40), *hasty(10)):
        by_rules.add(msgspec.json.encode(event))
    found = teachers(by_rules.told(), 0.25)
    assert found.left_out == {(AGENT, "alert:faster_than_human"): 10}
    assert found.beyond == found.hasty == {}, "nobody knew the job: there was no floor"
    taught = learned(clerks(100, stolen=10), tmp_path, live=trained())
    joint = read_artifact((tmp_path / "b.json").read_bytes(), tmp_path, TRUSTED).surprise.counts.together
    pooled = joint.known[EVERYBODY]
    assert pooled.beyond == 100 - taught.header.sessions >= 10
    assert joint.known[agent_key(CLERKS)].beyond == pooled.beyond


def test_a_job_that_has_changed_altogether_can_still_be_learned(tmp_path: Path) -> None:
    """The live baseline is surprised by all of it: that is a new way of working, and no attack on a few."""
    taught = learned(clerks(100, stolen=60), tmp_path, live=trained())
    assert taught.header.sessions >= 90


def test_recorded_runs_of_another_format_are_held_against_the_live_baseline(tmp_path: Path) -> None:
    """They are taken to be honest otherwise."""
    runs: dict[str, list[Operation]] = {}
    for event in clerks(100, stolen=10):
        assert isinstance(event, Operation)
        runs.setdefault(event.session, []).append(event)
    recorded = [RecordedRun(session, run) for session, run in runs.items()]
    out = tmp_path / "b.json"
    assert train_runs(recorded, Policy(), out, SIGNER).header.left_out == {}
    header = train_runs(recorded, Policy(), out, SIGNER, trained()).header
    assert header.left_out["alert:unusual_provenance"] >= 10
    assert header.sessions == 100 - header.left_out["alert:unusual_provenance"]


def days(*counts: int) -> list[RecordedRun]:
    """So many sessions on each day."""
    return [
        RecordedRun(f"s{day}-{k}", [op("X", 60 * k, at_ms=day * DAY_MS + k, session=f"s{day}-{k}")])
        for day, count in enumerate(counts)
        for k in range(count)
    ]


def test_a_day_teaches_no_more_than_four_of_the_agents_usual_days() -> None:
    """A flood on one day does not become what is normal."""
    kept, off = capped(days(20, 20, 20, 20, 20, 900), LearningSettings())
    assert len(kept) == 5 * 20 + 80
    assert off == {(AGENT, "cap:agent_day"): 820}


def test_neither_a_busy_day_nor_a_rare_agent_is_a_flood() -> None:
    """Four times the usual is reached by honest agents; and nobody knows the usual day of four days."""
    for counts in ((20, 20, 20, 20, 20, 80), (1, 1, 1, 1, 1, 10), (20, 20, 20, 900)):
        kept, off = capped(days(*counts), LearningSettings())
        assert (len(kept), off) == (sum(counts), {})


def test_the_baseline_says_who_taught_it_and_who_was_left_out(tmp_path: Path) -> None:
    """By agent and reason: an agent that is hardly learned any more, or teaches too much, shows there."""
    other = [event for k in range(5) for event in slow_run(f"o{k}", k, workflow=f"o{k}", agent="agent-8")]
    learned([*honest(40), *hasty(10), *other], tmp_path)
    content = (tmp_path / "b.json").read_bytes()
    assert read_artifact(content, tmp_path, TRUSTED).header.agents == [
        Share(AGENT, 40, {"alert:faster_than_human": 10}),
        Share("agent-8", 5, {}),
    ]


def chainbrake(*arguments: str | Path) -> str:
    """What the command prints, on a wide terminal."""
    command = [str(Path(sys.executable).with_name("chainbrake")), *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, env={**os.environ, "COLUMNS": "200"})
    return done.stdout.decode()


def write(path: Path, *events: AnyEvent) -> Path:
    """As a file."""
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    return path


def hurried() -> list[AnyEvent]:
    """Looks around forty times as fast as its kind does: no rule minds."""
    return [op("D", k, agent_role=SLOW, session="s9", workflow="w9", agent="hasty") for k in range(40)]


@pytest.mark.slow
def test_the_command_tells_whom_it_left_out_and_heeds_the_live_baseline(tmp_path: Path) -> None:
    """By reason and agent: who is never learned from must not be found out by a missed alarm."""
    usual = [event for session in recorded(40) for event in session]
    honest = write(tmp_path / "honest.ndjson", *usual)
    live = tmp_path / "live.json"
    assert "whom something was left out" not in chainbrake("train", honest, "--out", live)
    rogue = told(CHAIN, session="rogue", workflow="wr", agent_role=SLOW, agent="agent-of-nobody")
    events = write(tmp_path / "next.ndjson", *usual, *rogue, *hurried())
    with events.open("ab") as more:
        more.write(b"{\n}\n")
    said = chainbrake("train", events, "--baseline", live, "--out", tmp_path / "next.json")
    assert "left out: 1 sessions (rules:kill_session)" in said
    assert "not read: 2 lines (not_json)" in said
    bad = len(usual) + len(rogue) + len(hurried())
    first = f"the first of them: line {bad} (from 0) of {events} is no record of events: not_json"
    assert "".join(first.split()) in "".join(said.split())  # however wide the console
    rows = {row.split()[1]: row for row in said.splitlines() if row.startswith("│")}
    assert "1 rules:kill_session" in rows["agent-of-nobody"]
    assert "1 alert:unusual_" in rows["hasty"]


@pytest.mark.slow
def test_a_registry_of_baselines_guards_with_the_live_one_unless_told_not_to(tmp_path: Path) -> None:
    """What is put to work next has not learned from what the one at work alarms on."""
    usual = [event for session in recorded(40) for event in session]
    honest = write(tmp_path / "honest.ndjson", *usual)
    events = write(tmp_path / "next.ndjson", *usual, *hurried())
    place = ("--models", tmp_path / "models")
    chainbrake("models", "train", honest, *place)
    registry = ModelRegistry(Objects(str(tmp_path / "models")), TRUSTED)
    registry.fill(Slot.LIVE, next(iter(registry.versions())), "ann", "first")
    assert "hasty" in chainbrake("models", "train", events, *place)
    assert "hasty" not in chainbrake("models", "train", events, "--ignore-live", *place)
