"""The metrics in a baseline's header: how odd honest sessions look that it was not taught."""

import pytest

from models.baselines.fit import metrics
from models.baselines.held_out import Reached
from models.baselines.learning import learn
from models.baselines.surprise_learning import NOBODY, HeldOut, learn_held_out
from tests.builders import operations, recorded


def held_out(known: list[Reached], new: list[Reached]) -> HeldOut:
    """Of nobody in particular."""
    (placed, *_) = learn_held_out([operations(run) for run in recorded(2)])[1].placed
    return HeldOut([placed], [(placed, each) for each in known], [(placed, each) for each in new], NOBODY)


@pytest.mark.parametrize(("count", "median", "rare"), [(1, 1, 1), (2, 1, 2), (99, 50, 99), (200, 100, 198)])
def test_a_percentile_is_a_value_that_was_reached(count: int, median: float, rare: float) -> None:
    """And that so many do not exceed: of few sessions it is their highest."""
    reached = [Reached(score=float(n), pace=n / 2) for n in range(count, 0, -1)]
    (told,) = metrics(held_out([], reached)).values()
    assert told["sessions"] == count
    assert (told["score_median"], told["score_p99"]) == (median, rare)
    assert (told["pace_median"], told["pace_p99"]) == (median / 2, rare / 2)


def test_nobody_held_out_tells_nothing() -> None:
    """A null would be taken for a figure."""
    assert metrics(held_out([], [])) == {}


@pytest.mark.slow
def test_what_is_learned_says_how_odd_the_honest_look() -> None:
    """Of jobs that it does not know it says nothing: these are too few to hold one out."""
    header, _ = learn([operations(run) for run in recorded(40)], {})
    (group, known) = header.metrics.popitem()
    assert (group, header.metrics) == ("known", {})
    assert known["sessions"] == header.sessions
    assert 0 < known["score_median"] <= known["score_p99"] <= known["score_with_end_p99"]
    assert known["pace_p99"] > 0
