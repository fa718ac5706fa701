"""Risk: alarms combined like independent ones, fading with the event's own time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.risk import combined, contributions, faded
from models.event import Grade
from models.session import Alarm

HALF_LIFE_MS = 900_000
confidences = st.floats(0.0, 1.0)
times_ms = st.integers(0, 10 * HALF_LIFE_MS)
alarms = st.builds(Alarm, confidences, times_ms, st.sampled_from(Grade), st.just(("e1",)))


@given(st.lists(alarms, max_size=6), st.randoms(use_true_random=False), times_ms)
def test_the_order_of_alarms_does_not_matter(held: list[Alarm], random: object, at_ms: int) -> None:
    """Whatever came first, the risk is the same."""
    shuffled = held.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis' own Random
    assert combined(shuffled, at_ms, HALF_LIFE_MS) == pytest.approx(combined(held, at_ms, HALF_LIFE_MS))


@given(st.lists(alarms, max_size=8), times_ms)
def test_risk_is_a_probability_and_never_certain(held: list[Alarm], at_ms: int) -> None:
    """From 0, for no alarm, to less than 1."""
    assert 0.0 <= combined(held, at_ms, HALF_LIFE_MS) <= 1.0
    assert combined([], at_ms, HALF_LIFE_MS) == 0.0


@given(st.lists(alarms, max_size=4), alarms, times_ms)
def test_one_more_alarm_never_calms(held: list[Alarm], more: Alarm, at_ms: int) -> None:
    """Risk only rises with evidence, and is at least its surest alarm's."""
    before, after = (combined(known, at_ms, HALF_LIFE_MS) for known in (held, [*held, more]))
    assert after >= before - 1e-12
    assert after >= min(0.999, faded(more, at_ms, HALF_LIFE_MS)) - 1e-12


@given(st.lists(alarms, max_size=4), times_ms, times_ms)
def test_waiting_never_adds_risk(held: list[Alarm], one_ms: int, other_ms: int) -> None:
    """Time alone only calms."""
    early_ms, late_ms = sorted((one_ms, other_ms))
    assert combined(held, late_ms, HALF_LIFE_MS) <= combined(held, early_ms, HALF_LIFE_MS) + 1e-12


@given(confidences, times_ms, st.integers(0, 6))
def test_an_alarm_halves_in_every_half_life(confidence: float, at_ms: int, lives: int) -> None:
    """Of the event's clock; before it was raised there is no discount."""
    alarm = Alarm(confidence, at_ms, Grade.OBSERVED, ())
    assert faded(alarm, at_ms + lives * HALF_LIFE_MS, HALF_LIFE_MS) == pytest.approx(confidence / 2**lives)
    assert faded(alarm, at_ms - 1, HALF_LIFE_MS) == confidence


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), alarms, min_size=1, max_size=6), times_ms)
def test_the_shares_of_a_decision_add_up(held: dict[str, Alarm], at_ms: int) -> None:
    """A reader sees what each finding weighed, largest first."""
    rows = contributions(held, at_ms, HALF_LIFE_MS)
    shares = [row.share for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1.0, abs=0.001) or all(row.faded < 0.0001 for row in rows)


def test_two_ordinary_findings_weigh_what_two_independent_alarms_weigh() -> None:
    """An example to check by hand: 1 - (1 - 0.35) * (1 - 0.6) = 0.74."""
    held = [Alarm(0.35, 0, Grade.OBSERVED, ()), Alarm(0.6, 0, Grade.OBSERVED, ())]
    assert combined(held, 0, HALF_LIFE_MS) == pytest.approx(0.74)
