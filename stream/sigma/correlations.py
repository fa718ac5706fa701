"""What a correlation wants, as sets of steps and absences: the shapes that the chains' machine follows."""

from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

from msgspec import Struct
from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionNOT,
    CorrelationConditionOR,
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaCorrelationType,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)

from detectors.chains.shape import SETS_MAX, Absence, Shape, Stage
from stream.sigma.predicates import Refused

COUNT_MAX = 256
ALTERNATIVES_MAX = 16
TEMPORAL = (SigmaCorrelationType.TEMPORAL, SigmaCorrelationType.TEMPORAL_ORDERED)


class Wanted(Struct, frozen=True):
    """One way to fulfil a correlation: these rules match, and those do not meanwhile."""

    rules: tuple[str, ...]
    absent: tuple[str, ...] = ()


def ways(rule: SigmaCorrelationRule) -> tuple[Wanted, ...]:
    """All ways to fulfil a temporal correlation."""
    listed = [each.reference for each in rule.rules or ()]
    if isinstance(rule.condition, SigmaExtendedCorrelationCondition):
        order = listed or rule.condition.get_referenced_rules()
        found = tuple(dict.fromkeys(_sorted(each, order) for each in _ways_of(rule.condition.parsed)))
    else:
        found = _ways_of_number(rule, rule.condition, listed)
    if len(found) > ALTERNATIVES_MAX:
        raise Refused(f"its condition has {len(found)} alternatives; valid are up to {ALTERNATIVES_MAX}")
    for way in found:
        if not way.rules:
            raise Refused(
                "its condition is fulfilled when nothing happens, and a stream cannot wait for that"
            )
        if set(way.rules) & set(way.absent):
            raise Refused("its condition wants a rule to match and not to match")
    return found


def _ways_of_number(
    rule: SigmaCorrelationRule, condition: SigmaCorrelationCondition, listed: list[str]
) -> tuple[Wanted, ...]:
    wanted = least(condition)
    if wanted > len(listed):
        raise Refused(f"{wanted} different rules are wanted, and it names {len(listed)}")
    if wanted < len(listed) and rule.type is SigmaCorrelationType.TEMPORAL_ORDERED:
        raise Refused("fewer rules than it names, in order: which order is meant is not defined")
    return tuple(Wanted(chosen) for chosen in combinations(listed, wanted))


def _sorted(way: Wanted, order: list[str]) -> Wanted:
    return Wanted(
        tuple(sorted(set(way.rules), key=order.index)), tuple(sorted(set(way.absent), key=order.index))
    )


def _ways_of(node: Any, *, wanted: bool = True) -> Iterator[Wanted]:
    """The disjunctive normal form; a negated part by De Morgan."""
    match node:
        case SigmaRuleReference():
            yield Wanted((node.reference,)) if wanted else Wanted((), (node.reference,))
        case CorrelationConditionNOT():
            yield from _ways_of(node.args[0], wanted=not wanted)
        case CorrelationConditionAND() | CorrelationConditionOR():
            if isinstance(node, CorrelationConditionAND) is not wanted:
                for each in node.args:
                    yield from _ways_of(each, wanted=wanted)
                return
            for count, chosen in enumerate(product(*(list(_ways_of(a, wanted=wanted)) for a in node.args))):
                if count > ALTERNATIVES_MAX:
                    raise Refused(f"its condition has more than {ALTERNATIVES_MAX} alternatives")
                yield Wanted(
                    tuple(name for way in chosen for name in way.rules),
                    tuple(name for way in chosen for name in way.absent),
                )


def least(condition: SigmaCorrelationCondition) -> int:
    """The number from which on a condition is fulfilled, and stays so as more comes."""
    match condition.op:
        case SigmaCorrelationConditionOperator.GTE:
            number = condition.count
        case SigmaCorrelationConditionOperator.GT:
            number = condition.count + 1
        case _:
            raise Refused(
                f"{condition.op.name.lower()} is only known when the window is over, and a stop must not "
                f"wait for that; valid are gte and gt",
                condition.op.name.lower(),
            )
    if not isinstance(number, int) or not 1 <= number <= COUNT_MAX:
        raise Refused(
            f"it has to count to {number}; valid is a whole number from 1 to {COUNT_MAX}",
            str(condition.count),
        )
    return number


def temporal(way: Wanted, within_ms: int, *, ordered: bool) -> Shape:
    """The rules in any order, or in theirs; of those that must not match, none from the first to the last."""
    stages = tuple(Stage(after=1 << place - 1 if ordered and place else 0) for place in range(len(way.rules)))
    if not ordered and 1 << len(stages) > SETS_MAX:
        raise Refused(f"{len(stages)} rules in any order; valid are up to {SETS_MAX.bit_length() - 1}")
    absences = tuple(Absence() for _ in way.absent)
    return Shape(stages=stages, within_ms=within_ms, absences=absences, shared=not ordered)


def counting(rule: SigmaCorrelationRule, within_ms: int) -> Shape:
    """Events, or different values, counted."""
    condition = rule.condition
    assert isinstance(condition, SigmaCorrelationCondition)
    by_value = rule.type is SigmaCorrelationType.VALUE_COUNT
    stage = Stage(count=least(condition), distinct=0 if by_value else None)
    return Shape(stages=(stage,), within_ms=within_ms)
