"""Scores of recorded sessions: the running maximum, and the alarm that the budget allows."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from detectors.policy import LearningSettings, Policy
from models.baselines.surprise import score_of
from models.errors import InputError
from models.event import AnyEvent, Operation, Origin
from models.session import Session
from stream.learning.training import DAY_MS, capped, train_runs
from stream.offline.scoring import Scorer
from stream.runs.recorded_run import RecordedRun
from tests.builders import (
    AGENT,
    CLERK,
    CLERKS,
    FAST,
    RARE,
    SIGNER,
    SLOW,
    clerk_run,
    fast_run,
    only,
    origin,
    slow_run,
    told,
    trained,
)
from tests.builders import judged as folded

ODD = origin("to", Origin.TOOL, "s1#0", "body", "in")


def as_run(events: list[AnyEvent]) -> RecordedRun:
    """A recorded session."""
    return RecordedRun(events[0].session, [event for event in events if isinstance(event, Operation)])


def scorer(share: float = 0.05) -> Scorer:
    """With the trained baseline."""
    return Scorer(trained(), share)


def test_an_odd_session_is_an_alarm_at_its_odd_event() -> None:
    """And a usual one is none."""
    odd, usual = scorer().runs([as_run(clerk_run("s1", 1, ODD)), as_run(clerk_run("s2", 1))])
    assert odd["alarm"] is True
    assert odd["first_alarm_index"] == odd["events"] - 1
    assert odd["score"] > odd["limit"] > usual["score"]
    assert odd["p_value"] < 0.05 < usual["p_value"]
    assert usual["alarm"] is False
    assert usual["first_alarm_index"] is None


def test_the_score_is_the_running_maximum_of_its_events() -> None:
    """And the end can only add to it."""
    run = as_run(clerk_run("s1", 1, ODD))
    (row,) = scorer().runs([run])
    expectation, session = trained().surprise.expectation(CLERKS, CLERK), Session(id="s1")
    peak = 0.0
    for event in run.operations:
        session.events += 1
        expectation.follow(session, event)
        peak = max(peak, score_of(session, event))
    assert row["score"] == pytest.approx(peak, abs=1e-5)
    assert row["score_with_end"] >= row["score"]


def test_our_own_events_score_as_recorded_runs_do() -> None:
    """Interleaved with another session, delivered twice, among lines that are no operation."""
    odd, usual = clerk_run("s1", 1, ODD), slow_run("s2", 3)
    mixed = [event for pair in zip(odd, usual, strict=False) for event in pair for _ in range(2)]
    lines = [b"", b"{", *map(msgspec.json.encode, mixed)]
    from_lines = list(scorer().lines(lines))
    count = min(len(odd), len(usual))
    assert from_lines == list(scorer().runs([as_run(odd[:count]), as_run(usual[:count])]))


def test_the_judge_agrees_with_the_score() -> None:
    """`unusual_provenance` fires at the event that `score` calls the alarm."""
    policy, run = only("unusual_provenance"), clerk_run("s1", 1, ODD)
    (row,) = Scorer(trained(), policy.wrong_stops_per_1000_sessions / 1000).runs([as_run(run)])
    heard = folded(run, policy, trained())
    assert [finding.event_id for finding in heard.findings] == [run[row["first_alarm_index"]].id]


@pytest.mark.parametrize("number", range(8))
def test_the_judge_agrees_with_all_scores_together(number: int) -> None:
    """The first finding of any of them is where `score` sees the alarm, and it is one by its p-value."""
    share = 0.05
    every = ("unusual_transition", "unusual_provenance", "unusual_shape", "unusual_velocity")
    groups = {name: getattr(only(name).detectors, name) for name in every}
    policy = replace(
        Policy(),
        detectors=replace(only(every[0]).detectors, **groups),
        wrong_stops_per_1000_sessions=1000 * share,
    )
    run = [
        clerk_run("s1", number, ODD),
        clerk_run("s1", number),
        slow_run("s1", number),
        [*fast_run("s1", number), *told("S@30 C@31 L@32 T@33", agent_role=FAST)],
        fast_run("s1", number),
        told("D@0 D@1 D@2 D@3 D@4 D@5 D@6 D@7 D@8 D@9", agent_role=SLOW),
        told("X@0 X@30 D@90", agent_role=SLOW),
        told("R@0 S@1", agent_role=SLOW),
    ][number]
    (row,) = Scorer(trained(), share).runs([as_run(run)])
    findings = folded(run, policy, trained()).findings
    assert row["alarm"] is bool(findings)
    assert (row["p_value"] <= share) is row["alarm"]
    assert (row["alarm_by"] is not None) is row["alarm"]
    if findings:
        assert findings[0].event_id == run[row["first_alarm_index"]].id


def test_not_enough_seen_is_an_answer_of_its_own() -> None:
    """Neither an alarm nor none."""
    (row,) = scorer().runs([as_run(slow_run("s1", 1, agent_role=RARE))])
    assert row["alarm"] is row["p_value"] is row["limit"] is None
    (row,) = scorer().runs([RecordedRun("nothing", [])])
    assert (row["events"], row["score"], row["score_with_end"], row["alarm"]) == (0, 0.0, 0.0, None)


def test_a_flood_of_one_agent_on_one_day_teaches_no_more_than_its_cap() -> None:
    """Spread evenly over the day; other agents, and other days, are not concerned."""
    flood = [as_run(slow_run(f"s{k}", k)) for k in range(50)]
    other = [as_run(slow_run(f"o{k}", k, agent="agent-8")) for k in range(5)]
    later = [
        RecordedRun(run.session, [msgspec.structs.replace(run.operations[0], at_ms=2 * DAY_MS)])
        for run in flood[:5]
    ]
    kept, off = capped([*flood, *other, *later], LearningSettings(sessions_per_agent_day_max=10))
    assert off == {(AGENT, "cap:agent_day"): 40}
    assert [run.session for run in kept[:10]] == [f"s{5 * k}" for k in range(10)]
    assert kept[10:] == [*other, *later]


@pytest.mark.slow
def test_what_the_cap_left_out_is_reported(tmp_path: Path) -> None:
    """And so are sessions without operations."""
    runs = [as_run(slow_run(f"s{k}", k)) for k in range(50)] + [RecordedRun("nothing", [])]
    policy = msgspec.convert({"learning": {"sessions_per_agent_day_max": 40}}, Policy)
    header = train_runs(runs, policy, tmp_path / "b.json", SIGNER).header
    assert header.left_out == {"empty": 1, "cap:agent_day": 10}
    assert header.sessions == 40


def test_nothing_but_empty_sessions_is_nothing_to_learn_from(tmp_path: Path) -> None:
    """Said as such."""
    with pytest.raises(InputError, match="1 empty"):
        train_runs([RecordedRun("nothing", [])], Policy(), tmp_path / "b.json", SIGNER)


def test_the_digest_names_the_sessions_that_taught(tmp_path: Path) -> None:
    """Whatever their order; other sessions have another one."""
    runs = [as_run(slow_run(f"s{k}", k)) for k in range(30)]
    digests = {
        train_runs(told, Policy(), tmp_path / "b.json", SIGNER).header.data_digest
        for told in (runs, runs[::-1], runs[:-1])
    }
    assert len(digests) == 2
