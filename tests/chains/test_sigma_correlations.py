"""Correlations: what each type wants, and the mistakes that engines are known for."""

from itertools import permutations

import pytest

from tests.builders import op
from tests.chains.sigma_rules import ORDERED, THREE, act, correlation, fired


def test_an_ordered_correlation_wants_its_order() -> None:
    """A then C then B is not A then B then C, whatever the order of arrival."""
    for order in permutations("abc"):
        events = [act(name, 10 * k) for k, name in enumerate(order)]
        for arrival in permutations(events):
            assert fired(ORDERED, *arrival) is (order == ("a", "b", "c")), order


def test_other_operations_and_repetitions_in_between_do_not_matter() -> None:
    """The subsequence is there."""
    assert fired(ORDERED, *(act(name, k) for k, name in enumerate("acbabxcc")))
    assert not fired(ORDERED, *(act(name, k) for k, name in enumerate("cbacba")))


def test_a_match_never_crosses_values_of_its_group() -> None:
    """Each session has its own; also where names differ only in what stands before the slash."""
    assert not fired(ORDERED, act("a", 0), act("b", 1, session="s2"), act("c", 2))
    by_target = correlation("temporal_ordered", group_by="[target]")
    for targets in (("role/x", "user/x", "role/x"), ("x", "X", "x"), ("", "", "")):
        acts = [
            act(name, k, target=target) for k, (name, target) in enumerate(zip("abc", targets, strict=True))
        ]
        assert not fired(by_target, *acts), targets
    assert fired(by_target, *(act(name, k, target="role/x") for k, name in enumerate("abc")))
    rates = correlation("event_count", "[a]", condition="{gte: 3}", group_by="[session, target]")
    assert not fired(rates, act("a", 0), act("a", 1, target="y"), act("a", 2, session="s2"), act("a", 3))


@pytest.mark.parametrize("start_s", [0, 29.5, 55, 59.999, 3_599])
def test_windows_are_not_cut_at_the_borders_of_buckets(start_s: float) -> None:
    """Wherever it begins, sixty seconds are sixty seconds; and not one millisecond more."""
    rates = correlation("event_count", "[a]", condition="{gte: 3}", group_by="[session]")
    for rules, names in ((ORDERED, "abc"), (rates, "aaa"), (correlation("temporal"), "cba")):
        times = (start_s, start_s + 30, start_s + 60)
        assert fired(rules, *(act(name, s) for name, s in zip(names, times, strict=True)))
        times = (start_s, start_s + 30, start_s + 60.001)
        assert not fired(rules, *(act(name, s) for name, s in zip(names, times, strict=True)))


def test_a_late_event_counts() -> None:
    """For every type, as if it had come in time; the window is that of the events."""
    for kind, names in (("temporal_ordered", "abc"), ("temporal", "bca")):
        for late in range(3):
            acts = [act(name, 20 * k) for k, name in enumerate(names)]
            assert fired(correlation(kind), *(a for k, a in enumerate(acts) if k != late), acts[late])
    rates = correlation("event_count", "[a]", condition="{gte: 4}")
    noise = [act("a", 1000 + 20 * k) for k in range(6)]
    assert not fired(rates, *noise[:3], noise[5])
    assert fired(rates, *noise[:2], noise[3], noise[2])
    values = correlation("value_count", "[a]", condition="{gte: 3, field: target}")
    acts = [act("a", 20 * k, target=f"t{k}") for k in range(3)]
    assert all(fired(values, *arrival) for arrival in permutations(acts))


def test_value_count_counts_different_values_of_the_window() -> None:
    """The same value again is not another one, and one that has left the window is none."""
    rules = correlation("value_count", "[a, b]", condition="{gte: 3, field: target}", group_by="[session]")
    assert not fired(rules, *(act("a", k, target=f"t{k % 2}") for k in range(20)))
    assert fired(rules, act("a", 0, target="t0"), act("b", 1, target="t1"), act("a", 60, target="t2"))
    assert not fired(rules, act("a", 0, target="t0"), act("b", 1, target="t1"), act("a", 61, target="t2"))
    assert fired(
        rules,
        *(
            act("a", k, target=target)
            for k, target in zip((0, 1, 40, 70), ("t0", "t1", "t0", "t2"), strict=True)
        ),
        act("a", 60.5, target="t1", id="again"),
    )
    assert not fired(rules, *(act("a", k, target="") for k in range(5)))


def test_event_count_counts_two_witnesses_of_one_act_once() -> None:
    """And an event that was delivered twice, once."""
    rules = correlation("event_count", "[a]", condition="{gt: 1}")
    assert not fired(rules, act("a", 0), act("a", 0))
    assert not fired(rules, act("a", 0, act="r1"), act("a", 1, act="r1", source="other"))
    assert fired(rules, act("a", 0, act="r1"), act("a", 1, act="r2"))


EXTENDED = {
    "a and b": ("ab", "ba", "acb"),
    "a or b": ("a", "b"),
    "a and (b or c)": ("ab", "ca"),
    "a and b and not c": ("ab", "cab", "abc"),
    "a and not (b and c)": ("a", "ab", "ac"),
    "a and not (b or c)": ("a", "ba"),
}
EXTENDED_NOT = {
    "a and b": ("aa", "ac"),
    "a or b": ("c",),
    "a and (b or c)": ("a", "bc"),
    "a and b and not c": ("acb", "bca", "a"),
    "a and not (b and c)": ("b", "c"),
    "a and not (b or c)": ("b", "c"),
}


@pytest.mark.parametrize("condition", EXTENDED)
def test_extended_conditions(condition: str) -> None:
    """And, or, not, brackets: what must not match, does not from the first to the last of what must."""
    referenced = [name for name in "abc" if name in condition.replace("and", "").split() + list(condition)]
    rules = correlation("temporal", f"[{', '.join(referenced)}]", condition=condition)
    for story in EXTENDED[condition]:
        assert fired(rules, *(act(name, k) for k, name in enumerate(story))), story
    for story in EXTENDED_NOT[condition]:
        assert not fired(rules, *(act(name, k) for k, name in enumerate(story))), story


def test_an_extended_condition_may_want_an_order() -> None:
    """That of its rules."""
    rules = correlation("temporal_ordered", "[a, b, c]", condition="a and b and not c")
    assert fired(rules, act("a", 0), act("b", 1))
    assert not fired(rules, act("b", 0), act("a", 1))
    assert not fired(rules, act("a", 0), act("c", 0.5), act("b", 1))


def test_one_event_may_be_several_rules_of_an_unordered_correlation() -> None:
    """As Sigma has it: each rule has matched."""
    both = THREE.replace("it: {operation: b}", "it: {op_class: unclassified}")
    rules = both + correlation("temporal", "[a, b]").removeprefix(THREE)
    assert fired(rules, act("a", 0))
    assert not fired(rules, op("U", 0, operation="x"))


def test_an_alias_calls_different_fields_by_one_name() -> None:
    """Whoever reads in one rule is whom the other one is about."""
    rules = correlation(
        "temporal_ordered",
        "[a, b]",
        group_by="[who]",
        aliases="{who: {a: principal, b: beneficiary}}",
    )
    assert fired(rules, act("a", 0, principal="p1"), act("b", 1, facts={"beneficiary": "p1"}))
    assert not fired(rules, act("a", 0, principal="p1"), act("b", 1, facts={"beneficiary": "p2"}))
