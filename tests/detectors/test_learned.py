"""`unusual_velocity` and `unusual_transition`: each role by its own measure, and none by a guess."""

import pytest
from msgspec.structs import replace

from detectors.learned.workload_elsewhere import WorkloadElsewhere
from detectors.learned_thresholds import WorkloadSettings
from detectors.policy import Policy
from detectors.steps import step_of
from models.attested import Effect
from models.baselines.baseline import Baseline
from models.baselines.habit_learning import count_habits
from models.baselines.habits import Habits
from models.baselines.surprise_learning import reached
from models.event import AnyEvent, Operation
from models.session import Session, Workflow
from tests.builders import (
    AGENT,
    FAST,
    OFFICE,
    RARE,
    SLOW,
    fast_run,
    judged,
    only,
    op,
    slow_run,
    told,
    trained,
)

VELOCITY = only("unusual_velocity")
TRANSITION = only("unusual_transition")
PROVENANCE = only("unusual_provenance")


def looking(every_s: float, seconds: float, role: str) -> list[AnyEvent]:
    """Look-ups at a steady rate."""
    return [op("D", k * every_s, agent_role=role) for k in range(round(seconds / every_s))]


def rate_of(run: list[AnyEvent]) -> float:
    """Operations a second."""
    return len(run) / ((run[-1].at_ms - run[0].at_ms) / 1000)


def test_a_fast_role_is_silent_where_a_slow_one_fires_at_a_hundredth_of_its_rate() -> None:
    """Speed is no crime; being faster than oneself is odd."""
    fast = fast_run("s1", 90_020)
    slow = looking(100 / rate_of(fast), 120, SLOW)
    assert rate_of(slow) == pytest.approx(rate_of(fast) / 100, rel=0.1)
    assert judged(fast, VELOCITY, trained()).findings == []
    assert judged(slow, VELOCITY, trained()).detectors == ["unusual_velocity"]


def test_ten_times_faster_than_ever_is_surer_than_a_little_faster() -> None:
    """And the reason says how much, in how long."""
    policy = replace(VELOCITY, wrong_stops_per_1000_sessions=20.0)
    little, much = (judged(looking(every, 60, SLOW), policy, trained()).findings for every in (4, 0.1))
    sure = VELOCITY.detectors.unusual_velocity
    assert sure.confidence <= little[0].confidence <= sure.confidence_sure
    assert much[-1].confidence == sure.confidence_extreme
    assert "times what this job stays below" in much[-1].reason


@pytest.mark.parametrize("role", [RARE, "stranger", ""])
def test_a_role_that_was_not_seen_enough_is_counted_and_never_an_alarm(role: str) -> None:
    """Not enough seen is an answer of its own: neither odd nor in order."""
    events = [replace(event, agent="stranger") for event in looking(0.01, 5, role)]
    heard = judged(events, baseline=trained())
    assert heard.findings == []
    assert heard.judge.tally.not_enough_seen == len(events)
    assert heard.session().unseen == len(events)


def test_a_role_that_was_seen_enough_is_not_counted_so() -> None:
    """The two answers are told apart."""
    assert judged(slow_run("s1", 90_021), baseline=trained()).judge.tally.not_enough_seen == 0


def test_without_a_baseline_nothing_learned_is_said() -> None:
    """And every operation counts as not seen enough."""
    heard = judged([*fast_run("s1", 90_022), *looking(0.01, 3, SLOW)], VELOCITY)
    assert heard.findings == []
    assert heard.judge.tally.not_enough_seen == heard.judge.tally.operations


@pytest.mark.parametrize("detector", ["unusual_velocity", "unusual_transition"])
def test_what_is_learned_alone_never_stops(detector: str) -> None:
    """Odd is a reason to ask, not to cut off: the policy's `may_stop` does not name them."""
    burst = [op(letter, k * 0.01, agent_role=SLOW) for k, letter in enumerate("SCLTSCLT" * 60)]
    heard = judged(burst, only(detector), trained())
    assert heard.detectors[0] == detector
    assert heard.stopped == set()


def test_velocity_does_not_depend_on_the_order_of_arrival() -> None:
    """Decay multiplies: a late operation adds what would be left of it by now."""
    burst = looking(2, 40, SLOW)
    forward, backward = (
        judged(events, VELOCITY).session().rates["discovery"] for events in (burst, burst[::-1])
    )
    assert forward == pytest.approx(backward)


def test_an_odd_chain_stays_visible_over_ordinary_steps() -> None:
    """Surprise is averaged over the last few operations, so a single usual one does not hide the others."""
    story = told("X@0 D@40 S@80 X@81 C@82 D@83 L@84 X@85 T@86", agent_role=SLOW)
    assert judged(story, TRANSITION, trained()).detectors[0] == "unusual_transition"


def test_the_surprise_a_session_is_judged_by_is_the_one_it_was_calibrated_with() -> None:
    """Training and judging compute the same number for the same run."""
    baseline = trained()
    run = slow_run("s1", 90_023)
    peak = 0.0
    heard = judged([], TRANSITION, baseline)
    for event in run:
        session = heard.fold([event]).session()
        peak = max(peak, session.surprise, session.repeated)
    assert peak == pytest.approx(calibrated(baseline, run))


def calibrated(baseline: Baseline, run: list[AnyEvent]) -> float:
    """The peak of the sequence as training computes it."""
    operations = [event for event in run if isinstance(event, Operation)]
    return reached(baseline.surprise.expectation(AGENT, SLOW), operations).score


def test_honest_sessions_that_never_taught_are_mostly_silent() -> None:
    """Of two hundred fresh sessions, far fewer than a tenth is called odd by anything learned."""
    odd = 0
    for k in range(100):
        for run in (fast_run("s1", 70_000 + k), slow_run("s1", 80_000 + k)):
            heard = judged(run, baseline=trained())
            odd += any(name.startswith("unusual_") for name in heard.detectors)
            assert heard.commands == []
    assert odd <= 12


def test_a_fast_job_between_approved_changes_is_not_stopped() -> None:
    """With all detectors on, its own speed and its own order are what is normal for it."""
    heard = judged(fast_run("s1", 90_024), baseline=trained())
    assert heard.commands == []
    assert trained().pace.of(AGENT, FAST) is not None


def test_surprise_is_kept_up_to_date_whoever_else_listens() -> None:
    """Also of operations without origins: a score is of the whole sequence, with one detector or with all."""
    run = slow_run("s1", 90_022)
    everybody, alone = (judged(run, policy, trained()).session() for policy in (None, PROVENANCE))
    assert not any(event.provenance for event in run if isinstance(event, Operation))
    assert (everybody.surprise, everybody.symbols) == (alone.surprise, alone.symbols)
    assert alone.surprised_at == alone.events > 0


@pytest.mark.parametrize(
    ("address", "stops"),
    [("198.51.100.9", False), ("198.51.100.2", True), ("203.0.113.1", True), ("no address", True)],
    ids=["new in its network", "where another job runs", "in another network", "unreadable"],
)
def test_a_workload_that_was_moved_is_not_stopped(address: str, *, stops: bool) -> None:
    """A new address of its own network is a new node; another job's place, or another network, is not."""
    at_home = [[op("S", 0, agent_role="job", facts={"address": "198.51.100.1"})]] * 40
    others = [[op("S", 0, agent_role="other", facts={"address": "198.51.100.2"})]]
    habits = Habits({"job": count_habits(at_home), "other": count_habits(others)})
    detector = WorkloadElsewhere(WorkloadSettings(), OFFICE, habits)
    login = op(
        "C", 0, agent_role="job", workload_proven=True, effects=(Effect.MINTS,), facts={"address": address}
    )
    session = Session("s1")
    word = detector.inspect(session, Workflow("w1"), login, step_of(login, session))
    assert word is not None
    assert (word.confidence >= Policy().levels[-1].risk_min) is stops
