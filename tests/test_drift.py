"""Drift: silent while sessions are what was learned from, loud when they are not, and told from cohorts."""

import asyncio
import random
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from msgspec.structs import replace

from detectors.catalog import BY_HABIT
from detectors.policy import Policy
from models.baselines.baseline import Baseline, write_artifact
from models.baselines.calibration import HIGHEST_MAX, peaks_of
from models.baselines.drift import (
    EVERYBODY_ON,
    P_EDGES,
    TOLD_BY,
    WINDOW,
    WINDOW_MIN,
    Drift,
    Window,
    is_beyond,
    p_shares,
)
from models.baselines.joint import NO_LIMITS, SCORES, Limits, joint_of
from models.baselines.learning import learn
from models.baselines.paces import CLASSES, EDGES_MS, pace_class, paces_of, shares
from models.command import Action
from models.event import AnyEvent, Grade, Operation, SessionEnd
from models.session import Alarm, Session
from stream.state.idle import fell_idle
from stream.state.partition import Partition
from stream.state.store import Claim
from tests.builders import AGENT, CHAIN, FAST, SIGNER, START_MS, Judged, at, fast_run, told, trained
from tests.test_model_registry import artifact, loaded, runs


def test_shares_of_p_values_are_those_of_the_held_out_sessions() -> None:
    """99 different peaks come in steps of 1 in 100; peaks that are all alike have one p-value."""
    different = peaks_of([float(number) for number in range(99)])
    found = [different.p_value(peak) for peak in different.highest]
    counts = [sum(low < p <= high for p in found) / 99 for low, high in pairwise((0.0, *P_EDGES))]
    assert p_shares(different) == pytest.approx(counts)
    assert p_shares(peaks_of([3.0] * 50)) == (0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    assert p_shares(peaks_of([1.0] * 90 + [5.0] * 10))[4:] == pytest.approx((0.1, 0.9))
    many = peaks_of([float(number) for number in range(HIGHEST_MAX * 20)])
    assert p_shares(many)[:2] == pytest.approx((0.01, 0.01), abs=1e-3)
    assert sum(p_shares(many)) == pytest.approx(1.0)


@pytest.mark.parametrize("beyond", [1, 3, 20, 99])
def test_shares_count_those_who_exceeded_a_live_limit_beyond_all_others(beyond: int) -> None:
    """Who did not teach for that is honest for all that is known: the like will come, and be as odd."""
    peaks = peaks_of([float(number) for number in range(99)], beyond)
    found = [peaks.p_value(peak) for peak in (*peaks.highest, *[1e9] * beyond)]
    counts = [sum(low < p <= high for p in found) / len(found) for low, high in pairwise((0.0, *P_EDGES))]
    assert p_shares(peaks) == pytest.approx(counts)


def test_a_window_is_silent_on_what_was_expected_and_loud_on_what_was_not() -> None:
    """Draws of the expected shares stay below 0.1; a tail ten times as heavy does not."""
    draw = random.Random(7)
    expected = p_shares(peaks_of([float(number) for number in range(999)]))
    same, other = Window(len(P_EDGES)), Window(len(P_EDGES))
    heavy = (0.1, 0.1, 0.1, 0.1, 0.1, 0.5)
    for _ in range(WINDOW):
        same.add(draw.choices(range(6), expected)[0], expected)
        other.add(draw.choices(range(6), heavy)[0], expected)
    (calm, drifted) = (same.stability_index(), other.stability_index())
    assert calm is not None
    assert drifted is not None
    assert calm < 0.1
    assert drifted > 0.25
    excess = other.excess(0)
    assert excess == pytest.approx(0.09, abs=0.04)


def test_a_window_forgets_and_says_nothing_of_too_few() -> None:
    """The last ones count."""
    window = Window(2)
    for _ in range(WINDOW_MIN - 1):
        window.add(1, (1.0, 0.0))
    assert window.stability_index() is None
    assert window.excess(1) is None
    window.add(1, (1.0, 0.0))
    assert (window.stability_index() or 0.0) > 0.25
    for _ in range(WINDOW):
        window.add(0, (1.0, 0.0))
    assert window.sessions == WINDOW
    assert (window.stability_index() or 0.0) < 1e-6


def test_more_of_one_kind_is_no_drift() -> None:
    """Each session is compared with where it came from."""
    window = Window(2)
    for _ in range(WINDOW):
        window.add(0, (1.0, 0.0))
    assert (window.stability_index() or 0.0) < 1e-6


def test_paces_have_a_class_and_one_operation_has_none() -> None:
    """Edges belong to the class above; nothing is out of range."""
    assert pace_class(1, 0) is None
    assert pace_class(2, 0) == 0
    assert pace_class(3, 2 * EDGES_MS[0]) == 1
    assert pace_class(2, 10**12) == CLASSES - 1
    assert pace_class(2, -5) == 0
    assert sum(paces_of([(1, 0), (2, 5), (9, 10**9)])) == 2
    assert shares([]) == shares([0, 0]) == ()


def ended(drift: Drift, baseline: Baseline, pause_ms: int, operation: str) -> None:
    """A session of three steps, judged and over."""
    session = Session(id="s", agent=AGENT, agent_role="deployer", started_ms=START_MS)
    expectation = baseline.surprise.expectation(AGENT, "deployer")
    for step, name in enumerate(("iam:ListRoles", operation, "s3:GetObject")):
        session.events += 1
        session.last_ms = START_MS + step * pause_ms
        event = Operation(
            id=str(step),
            source="test",
            at_ms=session.last_ms,
            workflow="w",
            session="s",
            agent=AGENT,
            agent_role="deployer",
            operation=name,
        )
        expectation.follow(session, event)
    drift.ended(session)


def test_sessions_as_learned_are_calm_and_others_are_not() -> None:
    """By surprise, by pace and by the promise; sessions measured by another baseline are passed over."""
    baseline = loaded(artifact(300))
    calm, odd = Drift(baseline, 0.01), Drift(baseline, 0.01)
    for _ in range(WINDOW_MIN):
        ended(calm, baseline, 1_000, "iam:GetRole")
        ended(odd, baseline, 60_000, "iam:DeleteRole")
    assert calm.pace_index() == calm.surprise_index() == 0.0
    assert (odd.pace_index() or 0.0) > 0.25
    assert (odd.surprise_index() or 0.0) > 0.25
    assert (odd.calibration_error() or 0.0) > 0.5
    assert (calm.calibration_error() or 0.0) <= 0.0
    strange = Session(id="s", agent=AGENT, agent_role="deployer", model="baseline@000000000000", events=3)
    before = calm.sessions
    calm.ended(strange)
    assert calm.sessions == before


def idle_ends(judged: Judged) -> list[SessionEnd]:
    """What the owner of the partition says once nothing happened for two hours."""
    partition = Partition(0, Claim(1, 0, ""), "topic", 0)
    partition.workflows = judged.workflows
    store: Any = SimpleNamespace(quiet=AsyncMock(return_value=list(judged.workflows)))
    return asyncio.run(fell_idle(partition, store, 7_200_000, at(0))).ends


def idled(judged: Judged) -> Drift:
    """What is told once all sessions have fallen idle."""
    judged.fold(idle_ends(judged))
    drift = judged.judge.drift
    assert drift is not None
    return drift


def test_a_session_that_was_stopped_is_told_of_once() -> None:
    """Those over their limit are what the promise is about; the stop stands on, and nothing is told again."""
    baseline = loaded(artifact(300))
    judged = Judged(baseline=baseline).fold(told(CHAIN, agent_role="deployer"))
    drift = judged.judge.drift
    assert drift is not None
    (end,) = idle_ends(judged)
    assert isinstance(end, SessionEnd)
    judged.fold([end])
    assert drift.sessions == 1
    assert judged.session().verdict is not Action.OBSERVE
    assert idle_ends(judged) == []
    judged.fold([end])
    assert drift.sessions == 1


def test_a_session_that_a_baseline_saw_the_end_of_only_is_passed_over() -> None:
    """Its highest score is that of a part: compared with whole sessions it would always look calm."""
    first, second = loaded(artifact(300)), loaded(artifact(301))
    judged, (parted, whole) = Judged(baseline=first).fold(runs(1)[0][:1]), runs(2)
    judged.judge = Judged(baseline=second).judge
    judged.fold([*parted[1:], *whole])
    drift = idled(judged)
    assert drift.sessions == 1, "only the one that it measured from the first operation on"


def test_two_witnesses_of_every_act_are_no_other_pace() -> None:
    """A session counts what both tell; so does what its pace is compared with."""
    told_twice = [
        [
            replace(event, id=f"{event.id}-{source}", source=source, act=event.id)
            for event in run
            for source in ("one", "two")
        ]
        for run in runs(WINDOW_MIN, pause_ms=6_000)
    ]
    baseline = loaded(write_artifact(*learn(told_twice, {}), SIGNER))
    judged = Judged(baseline=baseline)
    for run in told_twice:
        judged.fold(run)
    drift = idled(judged)
    assert drift.pace_index() == pytest.approx(0.0)


def shaped(session: str, seed: int, *, odd: bool) -> list[AnyEvent]:
    """A quick session as learned; an odd one then reads, mints and weakens, as none of them did."""
    more = told("S@30 C@31 L@32 T@33", session=session, agent_role=FAST) if odd else []
    return [*fast_run(session, seed), *more]


@pytest.mark.parametrize("stop", ["stands", "was lifted"])
def test_what_only_the_shapes_see_is_noticed(monkeypatch: pytest.MonkeyPatch, stop: str) -> None:
    """Of surprise every session is as calm as can be; stops that were lifted since are told of, too."""
    policy = Policy(wrong_stops_per_1000_sessions=20.0)
    monkeypatch.setattr("models.baselines.drift.WINDOW_MIN", 20)
    errors = []
    for odd in (False, True):
        judged = Judged(policy, trained())
        for k in range(20):
            judged.fold(shaped(f"s{k}", k, odd=odd))
            for workflow in judged.workflows.values():
                for session in workflow.sessions.values():
                    session.peak = 0.0
                    if stop == "was lifted":
                        session.alarms.clear()
        drift = idled(judged)
        assert drift.sessions == 20
        errors.append((drift.calibration_error(), drift.joint_error()))
    (calm, same), (unseen, noticed) = errors
    assert (calm or 0.0) <= 0.0
    assert (same or 0.0) < 0.1
    assert unseen == calm
    assert (noticed or 0.0) > 0.8


def without(*names: str) -> Policy:
    """Those switched off."""
    policy = Policy(wrong_stops_per_1000_sessions=20.0)
    detectors = policy.detectors
    for name in names:
        detectors = replace(detectors, **{name: replace(getattr(detectors, name), enabled=False)})
    return replace(policy, detectors=detectors)


@pytest.mark.parametrize("off", [(), ("unusual_velocity", "unusual_approval")])
def test_with_surprise_off_what_is_on_still_counts(
    monkeypatch: pytest.MonkeyPatch, off: tuple[str, ...]
) -> None:
    """Of surprise nothing is told; of shapes, and of the pace of sessions, all."""
    monkeypatch.setattr("models.baselines.drift.WINDOW_MIN", 20)
    errors = []
    for odd in (False, True):
        judged = Judged(without("unusual_transition", "unusual_provenance", *off), trained())
        for k in range(20):
            judged.fold(shaped(f"s{k}", k, odd=odd))
        drift = idled(judged)
        assert drift.sessions == 20
        assert drift.surprise_index() is drift.calibration_error() is None
        assert drift.pace_index() is not None
        errors.append(drift.joint_error() or 0.0)
    calm, noticed = errors
    assert calm < 0.1
    assert noticed > 0.8


def test_with_every_score_off_the_pace_of_sessions_is_left() -> None:
    """It needs no detector."""
    judged = Judged(without(*EVERYBODY_ON), trained())
    for k in range(3):
        judged.fold(shaped(f"s{k}", k, odd=True))
    drift = idled(judged)
    assert drift.sessions == 3
    assert drift.joint_error() is None


def test_a_session_that_another_baseline_judged_first_is_passed_over_with_surprise_off() -> None:
    """And one that is measured from now on has not been from its beginning."""
    off = without("unusual_transition", "unusual_provenance")
    first, second = loaded(artifact(300)), loaded(artifact(301))
    for policy, counted in ((off, 1), (Policy(), 1)):
        judged, (parted, whole) = Judged(off, first).fold(runs(1)[0][:1]), runs(2)
        judged.judge = Judged(policy, second).judge
        judged.fold([*parted[1:], *whole])
        drift = idled(judged)
        assert drift.sessions == counted


def test_of_some_scores_no_more_may_exceed_than_their_ranks() -> None:
    """Nor than of all together."""
    peaks = [float(k) for k in range(1, 200)]
    joint = joint_of({"score": peaks, "pace": [peak + 1 for peak in reversed(peaks)]})
    assert joint.due(0.02, SCORES) == joint.due(0.02, {"score", "pace"}) == 4 / 200
    assert joint.due(0.02, {"score"}) == joint.due(0.02, {"pace", "shape"}) == 2 / 200
    assert joint.due(0.02, {"shape"}) == joint.due(0.001, {"score"}) == 0.0
    odd = joint_of({"score": peaks, "pace": peaks}, beyond=1)
    assert odd.due(0.02, {"pace"}) <= odd.due(0.02, SCORES)


def test_each_score_is_told_of_by_a_detector_and_counts_where_it_has_a_limit() -> None:
    """And surprise, of which a session keeps its maximum, needs none."""
    assert {"score", *(score for score, _ in TOLD_BY)} == set(SCORES)
    alarm = Alarm(0.5, START_MS, Grade.OBSERVED, ())
    every = Limits(score=4.0, resemblance=3.0, shape=60.0, pace=2.0, haste=20.0)
    for score, name in TOLD_BY:
        assert name in BY_HABIT
        held = Session(id="s", alarms={name: alarm})
        answered = Session(id="s", answered={"finding": (name,)})
        for session in (held, answered):
            assert is_beyond(session, every)
            assert not is_beyond(session, every._replace(**{score: None}))
    assert is_beyond(Session(id="s", peak=4.1), every)
    assert not is_beyond(Session(id="s", peak=4.0, alarms={"mass_secret_read": alarm}), every)
    assert not is_beyond(Session(id="s", peak=4.1), NO_LIMITS)
