"""The drill of docs/poisoning.md keeps its promise: a patient attacker does not become normal."""

from pathlib import Path

import pytest

from benchmarks.poisoning import TRIED, drill, page


@pytest.mark.slow
def test_what_is_repeated_patiently_is_still_found_with_guards_and_not_without(tmp_path: Path) -> None:
    """At 1 %, 5 % and 20 % of one agent's history; honest sessions keep their peace."""
    outcomes = drill(tmp_path)
    for outcome in outcomes:
        assert outcome.limit is not None
        assert outcome.false_alarms <= TRIED * 0.05
        if outcome.guarded:
            assert outcome.found == TRIED
    clean, *poisoned = [each for each in outcomes if not each.guarded]
    guarded = [each for each in outcomes if each.guarded]
    assert all(each.attack < clean.attack for each in poisoned)
    for each, other in zip(guarded[1:], poisoned, strict=True):
        assert abs(each.attack - guarded[0].attack) < abs(other.attack - clean.attack)
    assert page(outcomes).count("| guarded |") == len(guarded)
