"""What to add to a vocabulary is told from a stream of any length, in bounded memory."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from stream.ingest.unclassified import NAMES_MAX, PROVIDERS_MAX, Frequent, Unclassified


def test_few_names_are_counted_exactly() -> None:
    """Per provider, the most frequent first."""
    unclassified = Unclassified()
    for provider, name in [("aws", "a:New"), ("okta", "x.new"), ("aws", "a:New"), ("aws", "b:New")]:
        unclassified.add(provider, name)
    assert unclassified.most() == {"aws": (("a:New", 2), ("b:New", 1)), "okta": (("x.new", 1),)}
    assert unclassified.flat(1) == {"aws a:New": 2, "okta x.new": 1}
    assert unclassified.most(1) == {"aws": (("a:New", 2),), "okta": (("x.new", 1),)}


@given(st.lists(st.integers(0, 3 * NAMES_MAX).map(str), max_size=2_000), st.integers(0, 200))
def test_a_frequent_name_is_always_kept_and_no_count_is_far_off(names: list[str], often: int) -> None:
    """Whatever else comes, and in whatever order."""
    stream = [name for pair in zip(names, ["often"] * len(names), strict=True) for name in pair][
        : 2 * often
    ] + names
    frequent = Frequent()
    for name in stream:
        frequent.add(name)
    kept, true = dict(frequent.most()), Counter(stream)
    slack = len(stream) / NAMES_MAX
    assert len(kept) <= NAMES_MAX
    assert all(true[name] <= count <= true[name] + slack for name, count in kept.items())
    assert all(name in kept for name, count in true.items() if count > slack)


def test_invented_providers_cost_no_memory() -> None:
    """Those that came first are kept."""
    unclassified = Unclassified()
    for number in range(PROVIDERS_MAX * 2):
        unclassified.add(f"provider-{number:03}", "name")
    assert len(unclassified.most()) == PROVIDERS_MAX
