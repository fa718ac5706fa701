"""Several scores, one promise: an honest session exceeds any limit as seldom as the budget says."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from models.baselines.baseline import read_artifact
from models.baselines.calibration import limit_of, peaks_of
from models.baselines.joint import FLOORS, NO_LIMITS, SCORES, Joint, Limits, joint_of, speaking
from tests.builders import AGENT, SLOW, TRUSTED, artifact, trained

Sessions = NDArray[np.float64]
"""Shape (scores, sessions); 0 for a score that says nothing."""

SEEDS, FRESH = 200, 40


def alike(draw: np.random.Generator, sessions: int) -> Sessions:
    """Scores that depend on each other, as sequence and shape of one session do."""
    common = draw.normal(size=sessions)
    return np.exp(0.8 * common + 0.6 * draw.normal(size=(len(SCORES), sessions)))


def opposed(draw: np.random.Generator, sessions: int) -> Sessions:
    """Where one is high the other is low: the worst that dependence can do."""
    common = draw.normal(size=sessions)
    rest = draw.normal(size=(len(SCORES) - 2, sessions))
    return np.exp(np.vstack([common, -common, rest]))


def seldom(draw: np.random.Generator, sessions: int) -> Sessions:
    """All but the first say something of one session in twenty."""
    found = np.exp(draw.normal(size=(len(SCORES), sessions)))
    found[1:] *= draw.random(size=(len(SCORES) - 1, sessions)) < 0.05
    return found


def steady(draw: np.random.Generator, sessions: int) -> Sessions:
    """Sessions that do just the same share their scores."""
    return np.round(alike(draw, sessions))


def told(sessions: Sessions) -> dict[str, list[float]]:
    """By name, above the floors."""
    rows = zip(FLOORS.items(), sessions, strict=True)
    return {name: np.where(row > 0, row + floor, 0.0).tolist() for (name, floor), row in rows}


def beyond(limits: Limits, sessions: Sessions) -> NDArray[np.bool_]:
    """Which sessions exceed any limit."""
    found = np.zeros(sessions.shape[1], dtype=bool)
    for name, row in told(sessions).items():
        limit = getattr(limits, name)
        if limit is not None:
            found |= np.array(row) > limit
    return found


def added(joint: Joint, share: float) -> Limits:
    """What it would be if each score spent the whole budget on its own."""
    return Limits(**{name: joint.alone(name).limit(share) for name in SCORES})


@pytest.mark.parametrize("world", [alike, opposed, seldom, steady])
@pytest.mark.parametrize(("sessions", "share"), [(99, 0.01), (300, 0.01), (120, 0.05), (400, 0.05)])
def test_honest_sessions_exceed_any_limit_as_seldom_as_promised(
    world: Callable[[np.random.Generator, int], Sessions], sessions: int, share: float
) -> None:
    """Over many histories, whatever the dependence: at most the share, but for the chance of the draw."""
    draw, odd = np.random.default_rng(7), 0
    for _ in range(SEEDS):
        limits = joint_of(told(world(draw, sessions))).limits(share)
        odd += int(beyond(limits, world(draw, FRESH)).sum())
    # sessions held against one history rise together: the histories are what is independent
    worst = share * FRESH + 3.1 * np.sqrt(share * FRESH * (1 + FRESH / sessions) / SEEDS)
    assert odd / SEEDS <= worst


def test_scores_that_each_spend_the_budget_overdraw_it() -> None:
    """What the promise is for: limits set apart let through three times as many."""
    draw, share, apart, joined = np.random.default_rng(7), 0.05, 0, 0
    for _ in range(SEEDS):
        joint, fresh = joint_of(told(alike(draw, 400))), alike(draw, FRESH)
        apart += int(beyond(added(joint, share), fresh).sum())
        joined += int(beyond(joint.limits(share), fresh).sum())
    whole = SEEDS * FRESH
    assert apart > 2 * binom.ppf(0.999, whole, share)
    assert joined <= binom.ppf(0.999, whole, share * 1.15)


def test_scores_that_name_the_same_sessions_share_their_turns() -> None:
    """Four scores that say the same cost next to nothing; four that contradict each other cost all."""
    draw = np.random.default_rng(7)
    common = np.exp(draw.normal(size=1_000))
    same = joint_of(told(np.vstack([common] * len(SCORES))))
    apart = joint_of(told(opposed(draw, 1_000)))
    assert same.turns[9] >= 9 * len(SCORES)
    assert 10 <= apart.turns[9] < 15


@pytest.mark.parametrize("sessions", [1, 2, 30, 99, 250, 3_000])
def test_each_may_have_its_part_of_the_budget_at_least(sessions: int) -> None:
    """Bonferroni: k turns add at most k sessions, however few were held out to say more."""
    turns = joint_of(told(opposed(np.random.default_rng(3), sessions))).turns
    assert turns == sorted(turns)
    assert all(most >= k for k, most in enumerate(turns, 1))


def test_few_sessions_back_the_first_score_and_nothing_else() -> None:
    """One in a hundred is what 99 sessions can promise of one score, and no 98 of any."""
    draw = np.random.default_rng(3)
    limits = joint_of(told(opposed(draw, 99))).limits(0.01)
    assert limits.score is not None
    assert limits[1:] == (None,) * (len(SCORES) - 1)
    assert None not in joint_of(told(opposed(draw, 499))).limits(0.01)
    assert joint_of(told(opposed(draw, 98))).limits(0.01) == NO_LIMITS


def test_a_score_that_does_not_exist_costs_nothing() -> None:
    """Where only surprise is known, its limit is that of split conformal: the a-th largest."""
    peaks = told(alike(np.random.default_rng(3), 500))["score"]
    joint = joint_of({"score": peaks})
    for share in (0.002, 0.01, 0.05, 0.2):
        assert joint.limits(share) == Limits(score=joint.alone("score").limit(share))
        assert joint.p_value({"score": max(peaks) + 1}) == pytest.approx(1 / 501)


def test_a_score_that_others_lend_has_a_p_value_though_the_job_never_had_it() -> None:
    """Approvals that nobody of the job gave, or labels of other agents in the role."""
    draw = np.random.default_rng(3)
    few, many = joint_of({"score": told(alike(draw, 120))["score"]}), joint_of(told(alike(draw, 1_500)))
    backed = speaking({"": many, "job": few}, ("", "job"), 0.013)
    assert backed is not None
    assert backed.limits().haste is not None
    p_value = backed.p_value({"haste": 99.0})
    assert 1 / 121 < p_value <= 0.013


def test_the_narrowest_cohort_that_was_seen_enough_has_the_word() -> None:
    """A job of 120 sessions backs one in a hundred, and leaves one in a thousand to whoever can."""
    draw = np.random.default_rng(3)
    few, many = joint_of(told(alike(draw, 120))), joint_of(told(alike(draw, 1_500)))
    assert whose({"": many, "job": few}, ("", "job"), 0.01) is few
    assert whose({"": many, "job": few}, ("", "job"), 0.001) is many
    assert whose({"": many, "job": few}, ("", "stranger"), 0.01) is many
    assert whose({"job": few}, ("", "job"), 0.001) is None


def whose(joints: dict[str, Joint], keys: tuple[str, ...], share: float) -> Joint | None:
    """Of the cohort that speaks."""
    found = speaking(joints, keys, share)
    return found.joint if found is not None else None


@pytest.mark.slow
@pytest.mark.parametrize("world", [alike, opposed, seldom, steady])
@pytest.mark.parametrize(("sessions", "share"), [(150, 0.01), (31, 0.05), (58, 0.05)])
def test_what_rounding_leaves_is_lent_and_the_budget_is_kept(
    world: Callable[[np.random.Generator, int], Sessions], sessions: int, share: float
) -> None:
    """A job too small for limits of all scores borrows the others, and still alarms as seldom as promised."""
    draw, odd, lent = np.random.default_rng(7), 0, 0
    for _ in range(SEEDS):
        everybody = world(draw, 1_300)  # a rank for each of the four that are lent
        joints = {"": joint_of(told(everybody)), "job": joint_of(told(everybody[:, :sessions]))}
        found = speaking(joints, ("", "job"), share)
        assert found is not None
        assert found.joint is joints["job"]
        assert found.spent < share
        lent += sum(limit is not None for limit in found.limits())
        odd += int(beyond(found.limits(), world(draw, FRESH)).sum())
    worst = share * FRESH + 3.1 * np.sqrt(share * FRESH * (1 + FRESH / sessions) / SEEDS)
    assert odd / SEEDS <= worst
    assert lent > 3 * SEEDS


def test_a_job_that_speaks_for_itself_silences_no_other_score() -> None:
    """Surprise by its own limit, the rest by that of everybody; where it spends all, nothing is lent."""
    draw = np.random.default_rng(3)
    everybody = alike(draw, 1_500)
    joints = {"": joint_of(told(everybody)), "job": joint_of(told(everybody[:, :150]))}
    found = speaking(joints, ("", "job"), 0.01)
    assert found is not None
    assert found.limits().score == joints["job"].limits(0.01).score
    assert joints["job"].limits(0.01).shape is None
    assert None not in found.limits()
    kept_back = joints | {"": joint_of(told(everybody), beyond=15)}  # they count first, and leave nothing
    unlent = speaking(kept_back, ("", "job"), 0.01)
    assert unlent is not None
    assert unlent.limits() == joints["job"].limits(0.01)
    joints["job"] = joint_of(told(everybody[:, :99]))
    spent = speaking(joints, ("", "job"), 0.01)
    assert spent is not None
    assert spent.limits() == joints["job"].limits(0.01)
    assert spent.limits().shape is None


@pytest.mark.parametrize("sessions", [35, 60, 95])
def test_a_job_too_small_for_a_limit_need_not_be_as_calm_as_everybody(sessions: int) -> None:
    """It is judged by everybody's limits, but never by less than what its own honest sessions reached."""
    draw, share, odd, without = np.random.default_rng(5), 0.01, 0, 0
    for _ in range(SEEDS):
        everybody = alike(draw, 1_500)
        few = joint_of(told(2 * alike(draw, sessions)))
        found = speaking({"": joint_of(told(everybody)), "job": few}, ("", "job"), share)
        assert found is not None
        fresh = 2 * alike(draw, FRESH)
        odd += int(beyond(found.limits(), fresh).sum())
        without += int(beyond(found.joint.limits(share), fresh).sum())
        assert all(limit >= few.highest[name][-1] for name, limit in found.limits()._asdict().items())
    assert without / SEEDS / FRESH > 5 * share
    assert odd / SEEDS / FRESH < len(SCORES) / (sessions + 1)


def test_what_is_below_a_floor_is_no_news_of_a_job_too_small_for_a_limit() -> None:
    """Of what stays there nothing is kept: a session is as odd as it was in all else."""
    draw = np.random.default_rng(6)
    many, few = told(alike(draw, 1_500)), told(alike(draw, 60))
    few["pace"] = [0.0] * 60
    found = speaking({"": joint_of(many), "job": joint_of(few)}, ("", "job"), 0.01)
    assert found is not None
    peaks = {"score": max(few["score"]), "pace": 0.0}
    assert found.p_value(peaks) == found.p_value(peaks | {"pace": FLOORS["pace"] / 2}) < 0.1


def test_with_the_end_it_is_the_same() -> None:
    """A level that is passed over lifts the limit, and never lowers it."""
    many, few = peaks_of([float(n) for n in range(1_000)]), peaks_of([*range(59), 5_000.0])
    assert limit_of({"": many, "job": few}, ("", "job"), 0.01) == 5_000.0
    assert limit_of({"": many, "job": peaks_of([1.0] * 60)}, ("", "job"), 0.01) == many.limit(0.01)
    assert limit_of({"job": few}, ("", "job"), 0.01) is None


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(31, 0.05), (58, 0.05), (150, 0.01), (60, 0.02), (60, 0.01)]),
    st.sampled_from([0, 2]),
)
@settings(max_examples=40, derandomize=True)
def test_the_p_value_knows_what_was_lent(seed: int, told_of: tuple[int, float], beyond_live: int) -> None:
    """It is at most the budget just when a score exceeds its limit, whoever that is from."""
    draw, (sessions, share) = np.random.default_rng(seed), told_of
    everybody, fresh = steady(draw, 1_000), 2 * steady(draw, 40)
    joints = {"": joint_of(told(everybody), beyond_live), "job": joint_of(told(everybody[:, :sessions]))}
    found = speaking(joints, ("", "job"), share)
    assert found is not None
    rows = told(fresh)
    for place, odd in enumerate(beyond(found.limits(), fresh)):
        p_value = found.p_value({name: row[place] for name, row in rows.items()})
        assert (p_value <= share + 1e-12) == bool(odd)


@pytest.mark.slow
@given(
    st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=2, max_size=14),
    st.tuples(*[st.integers(0, 7)] * 3),
    st.sampled_from([0.1, 0.2, 0.34, 0.5]),
)
@settings(max_examples=200, derandomize=True)
def test_of_any_sessions_no_more_than_the_budget_exceed_the_limits_of_the_others(
    honest: list[tuple[int, int, int]], last: tuple[int, int, int], share: float
) -> None:
    """Each in turn held against all others, ties and all: what exchangeability makes a chance of."""
    every = [*honest, last]
    odd = 0
    for place, one in enumerate(every):
        others = np.array([each for k, each in enumerate(every) if k != place], dtype=float).T
        limits = joint_of(told3(others)).limits(share)
        peaks = {name: row[0] for name, row in told3(np.array([one], dtype=float).T).items()}
        odd += any(
            limit is not None and peaks.get(name, 0.0) > limit
            for name, limit in zip(SCORES, limits, strict=True)
        )
    assert odd <= share * len(every) + 1e-9


def told3(sessions: Sessions) -> dict[str, list[float]]:
    """Of three scores."""
    rows = zip(list(FLOORS.items())[:3], sessions, strict=True)
    return {name: np.where(row > 0, row + floor, 0.0).tolist() for (name, floor), row in rows}


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.01, 0.02, 0.05, 0.1, 0.3]))
@settings(max_examples=40, derandomize=True)
def test_the_p_value_is_the_smallest_budget_that_alarms(seed: int, share: float) -> None:
    """A session's p-value is at most a share just when one of its scores exceeds that share's limit."""
    draw = np.random.default_rng(seed)
    joint, fresh = joint_of(told(steady(draw, 150))), steady(draw, 20)
    rows = told(fresh)
    for place, odd in enumerate(beyond(joint.limits(share), fresh)):
        p_value = joint.p_value({name: row[place] for name, row in rows.items()})
        assert (p_value <= joint.allowed(share) / 151 + 1e-12) == bool(odd)


def test_what_is_stored_is_what_is_read() -> None:
    """The same limits and p-values out of the file, for every cohort."""
    learned = joint_of(told(alike(np.random.default_rng(3), 2_000)))
    read = msgspec.json.decode(msgspec.json.encode(learned), type=Joint)
    assert read == learned
    loaded = read_artifact(artifact(), Path("b.json"), TRUSTED)
    for share in (0.02, 0.05):
        limits = loaded.surprise.expectation(AGENT, SLOW).limits(share)
        assert limits == trained().surprise.expectation(AGENT, SLOW).limits(share)
        assert limits.score is not None
        assert limits.pace is not None


@pytest.mark.parametrize("share", [0.01, 0.02, 0.1])
def test_who_exceeded_a_live_limit_counts_though_nobody_knows_by_how_much(share: float) -> None:
    """Left out of one score, the highest leave the limit where it was: no generation's is narrower."""
    peaks = np.sort(alike(np.random.default_rng(5), 1_000)[0])
    whole, kept = joint_of({"score": peaks.tolist()}), joint_of({"score": peaks[:-9].tolist()}, 9)
    assert kept.limits(share) == whole.limits(share)
    assert joint_of({"score": peaks[:-9].tolist()}).limits(share) != whole.limits(share)
    assert kept.alone("score").limit(share) == whole.alone("score").limit(share)
    limit = whole.limits(share).score
    assert limit is not None
    assert kept.p_value({"score": limit}) == whole.p_value({"score": limit})
    assert kept.alone("score").p_value(limit) == whole.alone("score").p_value(limit)


@pytest.mark.parametrize("beyond", [10, 50, 100_000])
def test_nobody_lifts_a_limit_above_what_taught_by_being_left_out(beyond: int) -> None:
    """However many an attacker adds: at most what one honest session in so many reached."""
    peaks = told(alike(np.random.default_rng(5), 500))
    limits, alone = joint_of(peaks, beyond).limits(0.01), joint_of(peaks).limits(1 / 501)
    assert limits == alone
    assert joint_of(peaks, beyond).p_value({"score": 1e9}) > 0.01
