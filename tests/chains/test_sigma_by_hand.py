"""Sigma correlations against a search by hand, over random rules and logs, in and out of order."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from detectors.chains.hosted import Hosted
from models.event import Operation
from tests.chains.sigma_rules import act, loaded
from tests.chains.test_by_hand import found_by

LAW = settings(max_examples=300, derandomize=True)

EXTENDED = {
    "a and b": [("ab", "")],
    "a or b": [("a", ""), ("b", "")],
    "a and (b or c)": [("ab", ""), ("ac", "")],
    "a and b and not c": [("ab", "c")],
    "a and not (b or c)": [("a", "bc")],
    "a and not (b and c)": [("a", "b"), ("a", "c")],
    "not a and (b or c)": [("b", "a"), ("c", "a")],
}
"""Condition: what must match and what must not, in each of its ways."""


class Correlation(Struct, frozen=True):
    """What a rule of the test says."""

    kind: str
    rules: str
    """One letter each."""
    span_s: int
    groups: tuple[str, ...]
    wanted: int = 0
    condition: str = ""

    def text(self) -> str:
        """As Sigma."""
        told = [f"type: {self.kind}", f"timespan: {self.span_s}s", f"rules: [{', '.join(self.rules)}]"]
        told += [f"group-by: [{', '.join(self.groups)}]"] if self.groups else []
        field = ", field: target" if self.kind == "value_count" else ""
        told += [f"condition: {{gte: {self.wanted}{field}}}"] if self.wanted else []
        told += [f"condition: {self.condition}"] if self.condition else []
        lines = "\n".join(f"  {line}" for line in told)
        return f"{RULES}\n---\ntitle: it\nname: it\ncorrelation:\n{lines}\n"


RULES = "\n---\n".join(
    f"title: {letter}\nname: {letter}\nlogsource: {{product: chainbrake}}\n"
    f"detection:\n  it: {{operation|contains: {letter}}}\n  condition: it"
    for letter in "abc"
)
"""An operation called `ab` is both of them."""


def completing(rule: Correlation, arrivals: Sequence[Operation]) -> set[str]:
    """Ids of the operations that end a match; all is tried after each arrival."""
    found = set[str]()
    for number, newest in enumerate(arrivals):
        for acts in matches(rule, arrivals[: number + 1]):
            if newest in acts:
                found.add(max(acts, key=lambda each: each.at_ms).id)
    return found


def matches(rule: Correlation, log: Sequence[Operation]) -> Iterator[tuple[Operation, ...]]:
    """All that the log holds."""
    groups: dict[tuple[str, ...], list[Operation]] = {}
    for each in sorted(log, key=lambda each: each.at_ms):
        key = tuple(getattr(each, name) for name in rule.groups)
        if all(key):
            groups.setdefault(key, []).append(each)
    for known in groups.values():
        for acts, unwanted in _sets(rule, known):
            first, last = min(each.at_ms for each in acts), max(each.at_ms for each in acts)
            between = [each for each in known if first <= each.at_ms <= last]
            if last - first <= rule.span_s * 1000 and not any(
                name in each.operation for name in unwanted for each in between
            ):
                yield acts


def _sets(rule: Correlation, known: list[Operation]) -> Iterator[tuple[tuple[Operation, ...], str]]:
    """Operations that are what is wanted, in whatever time; and what must not be among them."""
    if rule.kind in ("event_count", "value_count"):
        counted = [each for each in known if any(name in each.operation for name in rule.rules)]
        for acts in combinations(counted, rule.wanted):
            values = {each.target for each in acts}
            if rule.kind == "event_count" or (len(values) == rule.wanted and "" not in values):
                yield acts, ""
        return
    ways = EXTENDED.get(rule.condition) or [
        ("".join(names), "") for names in combinations(rule.rules, rule.wanted or len(rule.rules))
    ]
    for wanted, unwanted in ways:
        for acts in product(*([each for each in known if name in each.operation] for name in wanted)):
            times = [each.at_ms for each in acts]
            if rule.kind == "temporal" or times == sorted(set(times)):
                yield acts, unwanted


@cache
def hosted(rule: Correlation) -> tuple[Hosted, ...]:
    """The rule, loaded."""
    return tuple(each for each in loaded(rule.text()) if each.name == "sigma:it")


def found(rule: Correlation, arrivals: Sequence[Operation]) -> set[str]:
    """Ids of the operations that the machine calls the last of a match."""
    return set[str]().union(*(found_by(each, arrivals) for each in hosted(rule)))


groups = st.sampled_from([(), (), ("session",), ("target",), ("session", "target")])
spans_s = st.sampled_from([10, 30, 60])
some_rules = st.sampled_from(["ab", "abc", "bc", "cba"])
counts = st.builds(
    Correlation, st.sampled_from(["event_count", "value_count"]),
    st.sampled_from(["a", "ab", "abc"]), spans_s, groups, st.integers(1, 4),
)  # fmt: skip
orders = st.builds(
    Correlation, st.sampled_from(["temporal", "temporal_ordered"]), some_rules, spans_s, groups
)
numbers = st.builds(Correlation, st.just("temporal"), st.just("abc"), spans_s, groups, st.integers(1, 3))
extended = st.builds(
    lambda kind, condition, span_s, groups: Correlation(
        kind, "".join(name for name in "abc" if name in condition.replace("and", "")), span_s, groups,
        condition=condition,
    ),
    st.sampled_from(["temporal", "temporal_ordered"]), st.sampled_from(list(EXTENDED)), spans_s, groups,
)  # fmt: skip
correlations = counts | orders | numbers | extended

logs = st.lists(
    st.tuples(
        st.sampled_from([1, 3, 9.999, 10, 10.001, 20]),
        st.sampled_from(["a", "b", "c", "ab", "bc", "x"]),
        st.sampled_from(["s1", "s1", "s1", "s2"]),
        st.sampled_from(["t1", "t1", "x/t1", "t2", ""]),
    ),
    min_size=2,
    max_size=9,
).map(
    lambda told: [
        act(name, sum(gap for gap, *_ in told[: k + 1]), id=f"e{k}", session=session, target=target)
        for k, (_, name, session, target) in enumerate(told)
    ]
)


@pytest.mark.slow
@LAW
@given(correlations, logs)
def test_a_correlation_fires_exactly_where_a_search_by_hand_finds_it(
    rule: Correlation, log: list[Operation]
) -> None:
    """Order, windows to the millisecond, groups to the letter, one event that is two rules, negation."""
    assert found(rule, log) == completing(rule, log)


@pytest.mark.slow
@LAW
@given(correlations, logs, st.data())
def test_it_does_so_in_whatever_order_they_arrive(
    rule: Correlation, log: list[Operation], data: st.DataObject
) -> None:
    """By event time, as if they had come in order; what has fired stays."""
    arrivals = data.draw(st.permutations(log))
    assert found(rule, arrivals) == completing(rule, arrivals)
