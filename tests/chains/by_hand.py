"""A chain looked for by hand: slow, and so plain that it can be seen to be right.

Every way to give operations to steps is tried. Nothing of the machine is used, nor of what compiles for it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, product

from detectors.chains.declaration import Condition, Declaration, listed_texts, milliseconds
from models.event import Operation

Log = Sequence[Operation]
Chosen = dict[str, tuple[Operation, ...]]
"""Id of a step: its operations, in order of time."""


def completing(chain: Declaration, arrivals: Log) -> set[str]:
    """Ids of the operations that end a match. All is tried after each arrival: what has fired stays so."""
    found = set[str]()
    for number, newest in enumerate(arrivals):
        for chosen in matches(chain, arrivals[: number + 1]):
            every = [act for acts in chosen.values() for act in acts]
            if newest in every:
                found.add(max(every, key=_at_ms).id)
    return found


def matches(chain: Declaration, log: Log) -> Iterator[Chosen]:
    """All that the log holds."""
    for group in _groups(chain, log):
        known = sorted(group, key=_at_ms)
        ways = [
            list(combinations([act for act in known if is_one(act, step)], step.count))
            for step in chain.steps
        ]
        for way in product(*ways):
            chosen = {step.id: acts for step, acts in zip(chain.steps, way, strict=True)}
            if _is_match(chain, chosen, known):
                yield chosen


def _groups(chain: Declaration, log: Log) -> Iterator[list[Operation]]:
    """Who is followed, each with its operations; whoever a record does not name is nobody."""
    keys = [chain.scope, *listed_texts(chain.by)]
    groups: dict[tuple[frozenset[str], ...], list[Operation]] = {}
    for act in log:
        whole = [frozenset({value(act, chain.scope)})] if chain.scope != "workflow" else []
        key = (*whole, *(short(value(act, name)) for name in keys[1:]))
        if all(part - {""} for part in key):
            groups.setdefault(key, []).append(act)
    yield from groups.values()


def _is_match(chain: Declaration, chosen: Chosen, known: Log) -> bool:
    every = [act for acts in chosen.values() for act in acts]
    if len({act.id for act in every}) < len(every):
        return False
    if _last(every) - _first(every) > milliseconds(chain.within):
        return False
    steps_fit = all(_step_fits(chain, place, chosen) for place in range(len(chain.steps)))
    return steps_fit and not any(_happened(absence, chosen, every, known) for absence in chain.absent)


def _step_fits(chain: Declaration, place: int, chosen: Chosen) -> bool:
    step = chain.steps[place]
    acts = chosen[step.id]
    after = listed_texts(step.after)
    if chain.order == "listed":
        after = (chain.steps[place - 1].id,) if place else ()
    before = [act for name in after for act in chosen[name]]
    if before and _first(acts) < _last(before):
        return False
    if step.within is not None:
        since = _last(before) if before else _first(acts)
        if _last(acts) - since > milliseconds(step.within):
            return False
    if step.distinct is not None:
        values = [value(act, step.distinct) for act in acts]
        if "" in values or len(set(values)) < len(values):
            return False
    return _agree(chain, step.id, acts) and all(is_bound(step, act, chosen) for act in acts)


def _agree(chain: Declaration, step: str, acts: Log) -> bool:
    """Whether a counted step's operations name one thing, wherever something is compared with it."""
    others = [
        other
        for part in (*chain.steps, *chain.absent)
        for other in (*part.same.values(), *part.differs.values())
    ]
    fields = [field for name, field in (other.split(".") for other in others) if name == step]
    return all(len({short(value(act, field)) for act in acts}) == 1 for field in fields)


def _happened(absence: Condition, chosen: Chosen, every: Log, known: Log) -> bool:
    after, before = getattr(absence, "after", None), getattr(absence, "before", None)
    begin = _last(chosen[after]) if after else _first(every)
    end = _last(chosen[before]) if before else _last(every)
    return any(
        begin < act.at_ms < end and is_one(act, absence) and is_bound(absence, act, chosen) for act in known
    )


def is_one(act: Operation, condition: Condition) -> bool:
    """Whether it is what a step wants by itself."""
    return act.op_class in listed_texts(condition.op_class) and act.outcome in listed_texts(condition.outcome)


def is_bound(condition: Condition, act: Operation, chosen: Chosen) -> bool:
    """Whether it names the same, or another, as all operations of the steps that it is compared with."""
    return all(
        _all_others(act, mine, other, chosen, lambda one, two: bool(one & two))
        for mine, other in condition.same.items()
    ) and all(
        _all_others(act, mine, other, chosen, lambda one, two: not one & two)
        for mine, other in condition.differs.items()
    )


def _all_others(
    act: Operation,
    mine: str,
    other: str,
    chosen: Chosen,
    compare: Callable[[frozenset[str], frozenset[str]], bool],
) -> bool:
    step, field = other.split(".")
    own = short(value(act, mine))
    others = [short(value(known, field)) for known in chosen[step]]
    return bool(own) and all(names and compare(own, names) for names in others)


def value(act: Operation, field: str) -> str:
    """A field, or a fact."""
    return str(getattr(act, field)) if field in Operation.__struct_fields__ else act.facts.get(field, "")


def short(text: str) -> frozenset[str]:
    """The names that it holds, without their paths."""
    return frozenset(name.strip().split("/")[-1].lower() for name in text.split(",")) - {""}


def _at_ms(act: Operation) -> int:
    return act.at_ms


def _first(acts: Iterable[Operation]) -> int:
    return min(map(_at_ms, acts))


def _last(acts: Iterable[Operation]) -> int:
    return max(map(_at_ms, acts))
