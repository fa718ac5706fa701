"""Surprise: probabilities that add up, back-off without a cliff, limits that keep their promise."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from models.baselines.calibration import HIGHEST_MAX, peaks_of
from models.baselines.cohorts import JOB_SESSIONS_MIN, agent_key, levels, pair_key, role_key, tally
from models.baselines.counts import END, GAPS_MS, ORDER, repeat_bucket, symbol_of
from models.baselines.smoothing import probability
from models.baselines.surprise import RESULTS_MAX, SYMBOLS_MAX, SurpriseModel
from models.baselines.surprise_learning import learn_held_out, reached
from models.event import AnyEvent, OpClass, Operation, Origin, Outcome
from models.session import Session
from tests.builders import (
    AGENT,
    CLERK,
    CLERKS,
    FAST,
    RARE,
    SLOW,
    clerk_run,
    fast_run,
    op,
    operations,
    origin,
    slow_run,
    trained,
)

LAW = settings(max_examples=60, derandomize=True)

rows = st.lists(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 50), max_size=4), min_size=1, max_size=6
)


def run_of(names: str, session: str = "s", **changed: Any) -> list[Operation]:
    """A session of operations of one letter each, without times."""
    return [
        op("U", 0, id=f"{session}#{k}", operation=name, target_kind="", session=session, **changed)
        for k, name in enumerate(names)
    ]


def model_of(runs: Sequence[Sequence[Operation]]) -> SurpriseModel:
    """What is learned of these."""
    return SurpriseModel(learn_held_out(runs)[0])


@LAW
@given(rows)
def test_probabilities_add_up(contexts: list[dict[str, int]]) -> None:
    """Over all symbols seen and the novel one, whatever was seen in whichever context."""
    known = {symbol for row in contexts for symbol in row}
    coarsest = next((row for row in contexts if row), {})
    if not known <= set(coarsest):  # a finer context holds nothing that the coarsest has not
        contexts = [dict.fromkeys(known, 1), *contexts]
    if known:
        mass = sum(probability(contexts, symbol) for symbol in known) + probability(contexts, "novel")
        assert mass == pytest.approx(1.0)


def test_what_often_followed_is_less_surprising_than_what_never_did() -> None:
    """And what was never seen at all is the most surprising, not impossible."""
    expectation = model_of([run_of("abababac", f"s{k}") for k in range(40)]).expectation(AGENT, "")
    bits = expectation._sequences.bits  # noqa: SLF001 - its parts add up to what is tested above
    names = ["b|", "c|", "a|", "z|"]
    surprise = [bits(("x|", "a|", name)) for name in names]
    assert surprise == sorted(surprise)
    assert surprise[-1] < 100


def test_a_longer_history_tells_what_a_short_one_cannot() -> None:
    """After `ab` comes `c`, after `xb` comes `d`: the `b` alone does not say."""
    runs = [run_of("abc" if k % 2 else "xbd", f"s{k}") for k in range(60)]
    expectation = model_of(runs).expectation(AGENT, "")
    usual, mixed = reached(expectation, run_of("abc")), reached(expectation, run_of("abd"))
    assert usual.score < mixed.score


def test_a_pause_is_one_of_its_buckets() -> None:
    """Their probabilities add up, and a class that was never timed has no opinion."""
    pace = trained().surprise.expectation(AGENT, SLOW)._pace  # noqa: SLF001 - same
    edges = [0, *GAPS_MS]
    assert sum(2 ** -pace.gap_bits(OpClass.DISCOVERY, edge) for edge in edges) == pytest.approx(1.0)
    assert pace.gap_bits(OpClass.GUARDRAIL_CHANGE, 5) == 0.0


@given(st.integers(1, 10**6))
def test_more_repeats_are_never_a_lower_bucket(times: int) -> None:
    """And the first ones are told apart."""
    assert repeat_bucket(times) <= repeat_bucket(times + 1) <= repeat_bucket(times) + 1
    assert times > 16 or repeat_bucket(times) == times


def test_the_broader_cohort_comes_first_and_one_that_adds_nothing_is_left_out() -> None:
    """One assistant with many jobs; one job with many runners; both."""
    seen = tally([("assistant", f"job{k}") for k in range(9)])
    assert levels(seen, "assistant", "job1") == (agent_key("assistant"), role_key("job1"))
    seen = tally([(f"runner{k}", "deploy") for k in range(9)])
    assert levels(seen, "runner1", "deploy") == (role_key("deploy"), agent_key("runner1"))
    seen = tally([("a", "r")] * 3 + [("a", "q")] * 5 + [("b", "r")] * 2)
    assert levels(seen, "a", "r") == (agent_key("a"), role_key("r"), pair_key("a", "r"))
    assert levels(seen, "b", "r") == (role_key("r"), agent_key("b"))
    assert levels(tally([("a", "r")] * 3), "a", "r") == (agent_key("a"),)
    assert levels(seen, "stranger", "") == ()


def test_a_job_seen_a_little_leans_on_its_agent() -> None:
    """The more of a job was seen, the less its usual work surprises: a slope, no cliff."""
    others = [run_of("abcd", f"o{k}", agent_role="other") for k in range(60)]
    found = []
    for times in (0, 1, 4, 16):
        theirs = [run_of("acbd", f"t{k}", agent_role="this") for k in range(times)]
        found.append(reached(model_of([*others, *theirs]).expectation(AGENT, "this"), run_of("acbd")).score)
    assert found == sorted(found, reverse=True)
    assert found[0] > found[1] > found[2] > found[3]


def test_a_failed_call_scores_nothing_and_is_remembered() -> None:
    """It cannot have done anything; what comes after it is expected from it all the same."""
    expectation = trained().surprise.expectation(CLERKS, CLERK)
    odd = operations(clerk_run("s1", 1, origin("to", Origin.TOOL, "s1#0", "body", "in")))
    failed = [op("X", 0, **_fields(event, outcome=Outcome.ERROR)) for event in odd[-1:]]
    calm, session = reached(expectation, [*odd[:-1], *failed]), Session(id="s1")
    assert calm.score < reached(expectation, odd).score
    for event in [*odd[:-1], *failed]:
        session.events += 1
        expectation.follow(session, event)
    assert session.symbols[-1] == symbol_of(odd[-1].operation, odd[-1].target_kind)


def _fields(event: Operation, **changed: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__ if name != "at_ms"} | {
        "at_ms": event.at_ms,
        **changed,
    }


def test_arguments_from_one_source_are_one_piece_of_evidence() -> None:
    """Five odd values of one ticket surprise as much as the oddest of them."""
    expectation = trained().surprise.expectation(CLERKS, CLERK)
    run = operations(clerk_run("s1", 1))
    odd = origin("to", Origin.TOOL, "s1#0", "body", "in")
    once, often = (
        [*run[:-1], op("X", 90, **_fields(run[-1], provenance=told))] for told in ((odd,), (odd,) * 5)
    )
    assert reached(expectation, once) == reached(expectation, often)


@pytest.mark.parametrize("told", [Origin.USER, Origin.SELF, Origin.CONST, Origin.UNSEEN, Origin.SYSTEM])
def test_what_no_result_held_is_never_charged(told: Origin) -> None:
    """However unusual: a stranger's wish comes in with a result."""
    expectation = trained().surprise.expectation(CLERKS, CLERK)
    run = operations(clerk_run("s1", 1, origin("to", told)))
    session = Session(id="s1")
    for event in run:
        session.events += 1
        expectation.follow(session, event)
    assert session.origins == 0.0


def test_strangers_share_habits_and_none_are_made_for_them() -> None:
    """However many agents and roles somebody invents."""
    model = SurpriseModel(trained().surprise.counts)
    for k in range(1000):
        assert model.expectation(f"stranger{k}", FAST) is model.expectation("stranger", FAST)
        assert model.expectation(AGENT, f"role{k}") is model.expectation(AGENT, "role")
    assert sum(map(len, model._by_role.values())) == 2  # noqa: SLF001 - what is kept is tested


def test_a_session_stays_bounded() -> None:
    """Whatever it does, and however long."""
    expectation = trained().surprise.expectation(CLERKS, CLERK)
    session = Session(id="s1")
    for k in range(2000):
        session.events += 1
        expectation.follow(session, op("U", k, id=str(k), operation=f"u{k}"))
    assert len(session.symbols) == ORDER
    assert len(session.results) == RESULTS_MAX
    assert len(session.repeats) == SYMBOLS_MAX


def test_scoring_the_same_again_keeps_nothing() -> None:
    """What was looked up once is looked up again; what is odd is worked out anew."""
    expectation = trained().surprise.expectation(CLERKS, CLERK)
    run = operations(clerk_run("s1", 1, origin("to", Origin.TOOL, "s1#0", "body", "in")))
    reached(expectation, run)
    kept = len(expectation._origins._usual)  # noqa: SLF001 - what is kept is tested
    for _ in range(3):
        reached(expectation, run)
    assert len(expectation._origins._usual) == kept  # noqa: SLF001 - same


@given(st.lists(st.floats(0, 50), min_size=1, max_size=60), st.floats(0.001, 0.5))
def test_a_limit_is_exceeded_by_no_more_than_promised(peaks: list[float], share: float) -> None:
    """Of the calibration sessions themselves; and where too few back the promise, it is not made."""
    found = peaks_of(peaks)
    limit = found.limit(share)
    if limit is None:
        assert share * (len(peaks) + 1) < 1 + 1e-6
    else:
        assert sum(peak > limit for peak in peaks) <= share * (len(peaks) + 1)
        assert found.p_value(limit + 1e-6) <= share + 1e-9


def test_thinned_peaks_are_conservative() -> None:
    """Only the largest are kept: below them a p-value is too large rather than too small."""
    peaks = peaks_of([float(k) for k in range(5000)])
    assert len(peaks.highest) == HIGHEST_MAX
    assert peaks.limit(0.01) == 5000 - 50
    assert peaks.p_value(4999.5) == pytest.approx(1 / 5001)
    assert peaks.p_value(10.0) == 1.0


def test_a_promise_that_the_sessions_cannot_back_is_not_made() -> None:
    """One false alarm in a thousand needs 999 honest sessions; with fewer there is no limit, not a guess."""
    model = trained().surprise
    for agent, role in ((AGENT, FAST), (AGENT, SLOW), (CLERKS, CLERK)):
        expectation = model.expectation(agent, role)
        assert expectation.score_limit(0.001) is None
        assert expectation.score_limit(0.01) is not None


@pytest.mark.parametrize(
    ("agent", "role"), [(AGENT, RARE), (AGENT, "stranger"), ("stranger", ""), (AGENT, "")]
)
def test_who_was_not_seen_enough_has_no_limit(agent: str, role: str) -> None:
    """Nine sessions are no job, and two jobs do not say what an unseen one looks like."""
    expectation = trained().surprise.expectation(agent, role)
    assert expectation.score_limit(0.05) is None
    assert expectation.p_value({"score": 50.0}, 0.05) is None


def test_an_unseen_job_is_held_against_unseen_jobs() -> None:
    """With ten jobs of an agent it can be said what an unseen one reaches: more than a known one does."""
    runs = []
    for job in range(12):
        names = "ab" + "cdefghijklmn"[job] * 2 + "b"
        runs += [run_of(names, f"{job}.{k}", agent_role=f"job{job}") for k in range(JOB_SESSIONS_MIN)]
    expectation = model_of(runs)
    known, new = (expectation.expectation(AGENT, role).score_limit(0.05) for role in ("job3", "job99"))
    assert known is not None
    assert new is not None
    assert new > known


@pytest.mark.slow
@pytest.mark.parametrize(("role", "make"), [(FAST, fast_run), (SLOW, slow_run)])
@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_the_false_alarm_rate_is_the_one_that_was_asked_for(
    role: str, make: Callable[[str, int], list[AnyEvent]], share: float
) -> None:
    """On 400 fresh sessions of the same kind: not more than chance, calibration's included, allows."""
    sessions, calibrated_on = 400, 120
    expectation = trained().surprise.expectation(AGENT, role)
    limit = expectation.score_limit(share)
    assert limit is not None
    fresh = (operations(make("s", 500_000 + k)) for k in range(sessions))
    alarms = sum(reached(expectation, run).score > limit for run in fresh)
    worst = share + 3.1 * np.sqrt(share * (1 - share) / calibrated_on)
    assert alarms <= binom.ppf(0.999, sessions, worst)


def test_the_end_of_a_session_is_an_event_too() -> None:
    """One that stops where none ever stopped is surprising only then."""
    expectation = model_of([run_of("abcd", f"s{k}") for k in range(60)]).expectation(AGENT, "")
    whole, cut = reached(expectation, run_of("abcd")), reached(expectation, run_of("ab"))
    assert whole.score_with_end - whole.score < 0.1
    assert cut.score_with_end > cut.score + 1
    bits = expectation._sequences.bits  # noqa: SLF001 - its parts add up to what is tested above
    assert bits(("c|", "d|", END)) < bits(("a|", "b|", END))
