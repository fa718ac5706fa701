"""Where the bounded memory of a chain ends, to the very operation: what docs/chains.md says of it."""

from collections.abc import Sequence

import pytest

from detectors.chains.counting import GROUPS_MAX
from detectors.chains.following import FOLLOWED_MAX
from detectors.chains.registers import KEPT_MAX, LATE_MS, TAIL_MAX
from models.event import AnyEvent
from tests.builders import op, told
from tests.chains.test_language import fires

THREE = """
name: mine
title: looked up, a secret read, a right granted
steps: [{id: look, class: discovery}, {id: secret, class: secret_read}, {id: grant, class: privilege_change}]
within: 60s
"""


@pytest.mark.parametrize("pairs", range(1, 9))
def test_a_late_operation_is_in_order_as_far_back_as_the_tail_reaches(pairs: int) -> None:
    """Twelve operations of the chain; of what is older, only the newest first step is known."""
    newer = [op(letter, 10 + k, id=f"{letter}{k}") for k in range(pairs) for letter in "VD"]
    heard = fires(THREE, op("D", 0), *newer, op("S", 5))
    assert heard is (1 + len(newer) <= TAIL_MAX + 1)


@pytest.mark.parametrize("late_s", [0, 100, 299, 301])
def test_a_window_that_is_over_waits_for_what_is_late(late_s: int) -> None:
    """As long as the policy says."""
    over = op("D", 1 + 60 + late_s)
    assert fires(THREE, *told("D@0 S@1"), over, op("V", 2)) is (late_s * 1000 <= LATE_MS)


BOUND = """
name: mine
title: a secret read, then its owner strengthened
steps:
  - {id: secret, class: secret_read, COUNT}
  - {id: grant, class: privilege_change, same: {beneficiary: secret.owner}}
within: 1h
"""


def secrets(owners: int, each: int = 1) -> Sequence[AnyEvent]:
    """Of each owner so many are read, one owner after the other."""
    return [
        op("S", k, target=f"secret/{k}", facts={"owner": f"owner-{k % owners}"}) for k in range(owners * each)
    ]


def test_the_match_that_began_first_gives_way_where_too_many_are_told_apart() -> None:
    """Sixteen owners are remembered, one at a time or counted."""
    for text, each, most in (
        (BOUND.replace(", COUNT", ""), 1, KEPT_MAX),
        (BOUND.replace("COUNT", "count: 2"), 2, GROUPS_MAX),
    ):
        for owner in range(most + 1):
            grant = op("V", 900, facts={"beneficiary": f"owner-{owner}"})
            assert fires(text, *secrets(most, each), grant) is (owner < most)
        assert not fires(text, *secrets(most + 1, each), op("V", 900, facts={"beneficiary": "owner-0"}))


def test_the_session_that_is_silent_longest_gives_way() -> None:
    """Of those that one chain follows in one workflow."""
    text = THREE + "scope: session\n"
    for sessions in (FOLLOWED_MAX, FOLLOWED_MAX + 1):
        looks = [op("D", k / 100, session=f"s{k}") for k in range(sessions)]
        acts = [op(letter, 2 + k, session="s0") for k, letter in enumerate("SV")]
        assert fires(text, *looks, *acts) is (sessions <= FOLLOWED_MAX)


def test_an_operation_that_could_be_counted_or_beside_the_count_is_beside_it() -> None:
    """Of each different thing the newest is kept, and if that is taken, the older one is not known."""
    text = """
name: mine
title: two targets, and a look
order: any
steps: [{id: two, class: discovery, count: 2, distinct: target}, {id: beside, class: discovery}]
within: 60s
"""
    first, again, other = (op("D", k, target=target) for k, target in enumerate(("t1", "t1", "t2")))
    assert not fires(text, first, again, other), "it is one: the look at 0 s, and both targets after it"
    assert fires(text, first, again, other, op("D", 3, target="t1"))
