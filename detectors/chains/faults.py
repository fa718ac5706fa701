"""What a declaration says that cannot be: each fault with its place and with what would be valid."""

from collections.abc import Iterable, Iterator

from detectors.chains import fields
from detectors.chains.conditions import TOLD
from detectors.chains.declaration import (
    DURATION_MS_MAX,
    AbsenceDeclaration,
    Condition,
    Declaration,
    StepDeclaration,
    Texts,
    listed_texts,
    milliseconds,
)
from detectors.chains.hosted import COUNTED_MAX
from detectors.chains.shape import SETS_MAX
from models.command import Action
from models.event import CredentialKind, OpClass, Outcome, SystemKind
from models.spelling import meant

RESPONSES = tuple(action.value for action in Action if action is not Action.RELEASE_SESSION)
Place = tuple[str | int, ...]
Fault = tuple[Place, str]

WORDS: dict[str, tuple[str, ...]] = {
    "op_class": tuple(OpClass),
    "system_kind": tuple(SystemKind),
    "outcome": tuple(Outcome),
    "credential_kind": tuple(CredentialKind),
    "effects": fields.EFFECTS,
    "some": fields.EFFECTS,
    "without": fields.EFFECTS,
}
"""Keys whose values are words of ours."""

ACTORS = ("agent", "principal")
"""Whoever acts in several workflows."""
CEILING = "a match that rests on more than one asks for a step-up at most, whatever `response` says"
TOO_MANY = f"it counts to more than {COUNTED_MAX}, and so much is not noted over several"

KEYS = {"op_class": "class"}
OF_OPERATIONS = (
    *("op_class", "system_kind", "target_kind", "credential_kind", "effects", "some", "without"),
    *("proven", "vouched", "own", "habit", "outcome"),
)
"""Keys that only operations have."""
UNSAID = Condition()
CONDITIONS = frozenset(Condition.__struct_fields__) - {"kind", "outcome", "vouched", "own", "proven", "habit"}


def faults(chain: Declaration) -> Iterator[Fault]:
    """All of them, in the order of the file."""
    ids = [step.id for step in chain.steps]
    kinds = {step.id: _kind_of(step) for step in chain.steps}
    for place, step in enumerate(chain.steps):
        here: Place = ("steps", place)
        if step.id in ids[:place]:
            yield (*here, "id"), f"a step before is called {step.id}, too"
        yield from _of_condition(here, step, kinds, _before(chain, place))
        yield from _of_step(here, chain, place)
    for place, absence in enumerate(chain.absent):
        here = ("absent", place)
        yield from _of_condition(here, absence, kinds, {absence.after} if absence.after else set())
        yield from _of_absence(here, chain, absence)
    for kind in dict.fromkeys((*kinds.values(), *map(_kind_of, chain.absent))):
        yield from _unknown(("by",), listed_texts(chain.by), fields.fields_of(kind), f"field of an {kind}")
    yield from _too_long(("within",), chain.within)
    if chain.response is Action.RELEASE_SESSION:
        yield ("response",), f"release_session is no response to risk; valid are {', '.join(RESPONSES)}"
    yield from _of_order(chain)


def _of_absence(here: Place, chain: Declaration, absence: AbsenceDeclaration) -> Iterator[Fault]:
    """The steps that it lies between: there have to be some, and something between them."""
    ids = [step.id for step in chain.steps]
    after, before = absence.after, absence.before
    for key, named in (("after", after), ("before", before)):
        yield from _unknown((*here, key), [named] if named else [], ids, "step")
    if before not in ids:
        return
    place = ids.index(before)
    if after in ids and (after == before or before in _before(chain, ids.index(after))):
        yield (*here, "before"), f"{before} is done by the time {after} is: nothing lies between"
    elif not after and chain.order == "listed" and place == 0 and chain.steps[0].count == 1:
        yield (*here, "before"), f"{before} is the first step: nothing of the chain lies before it"


def remarks(chain: Declaration) -> Iterator[Fault]:
    """What may be said, and does less than it seems to."""
    if crosses(chain):
        yield ("scope",), f"follows each {chain.scope} over all its workflows: {CEILING}"
    elif chain.scope in ACTORS:
        yield ("scope",), f"follows each {chain.scope} within one workflow: {TOO_MANY}"
    for place, step in enumerate(chain.steps):
        here: Place = ("steps", place)
        if step.within is not None and milliseconds(step.within) > milliseconds(chain.within):
            yield (*here, "within"), f"is longer than the whole chain has, which is {chain.within}"
        if step.kind == fields.OPERATION and not any(getattr(step, key) for key in CONDITIONS):
            yield (
                here,
                f"{step.id} is every operation that ended in {step.outcome}: nothing else is said of it",
            )


def crosses(chain: Declaration) -> bool:
    """Whether it is followed over workflows."""
    return chain.scope in ACTORS and sum(step.count for step in chain.steps) <= COUNTED_MAX


def _before(chain: Declaration, place: int) -> set[str]:
    """Steps that are done whenever this one is."""
    if chain.order == "listed":
        return {step.id for step in chain.steps[:place]}
    known = {step.id: listed_texts(step.after) for step in chain.steps}
    found: set[str] = set()
    open_ = list(listed_texts(chain.steps[place].after))
    while open_:
        name = open_.pop()
        if name not in found:
            found.add(name)
            open_ += known.get(name, ())
    return found


def _kind_of(condition: Condition) -> str:
    """What it is judged as where its kind is misspelt: one fault is enough."""
    return condition.kind if condition.kind in fields.FACT_KINDS else fields.OPERATION


def _of_kind(here: Place, condition: Condition) -> Iterator[Fault]:
    """What is asked of an event that has nothing of the sort."""
    yield from _unknown((*here, "kind"), [condition.kind], (fields.OPERATION, *fields.FACT_KINDS), "kind")
    kind = _kind_of(condition)
    known = fields.fields_of(kind)
    asked = [key for key in TOLD if _texts(condition, key) and key not in known]
    if kind != fields.OPERATION:
        asked += [key for key in OF_OPERATIONS if getattr(condition, key) != getattr(UNSAID, key)]
        asked += ["facts"] if condition.facts and fields.FACTS[0] not in known else []
    for key in asked:
        name = KEYS.get(key, key)
        valid = ", ".join(key for key in TOLD if key in known)
        yield (*here, name), f"no event of the kind {kind} has it; valid are {valid}"


def _of_condition(
    here: Place, condition: Condition, kinds: dict[str, str], done: set[str]
) -> Iterator[Fault]:
    yield from _of_kind(here, condition)
    known, ids = fields.fields_of(_kind_of(condition)), list(kinds)
    for key, words in WORDS.items():
        yield from _unknown((*here, KEYS.get(key, key)), _texts(condition, key), words, KEYS.get(key, key))
    yield from _unknown((*here, "facts"), condition.facts, fields.FACTS, "fact")
    unwanted = set(_texts(condition, "without"))
    for effect in _texts(condition, "effects"):
        if effect in unwanted:
            yield (*here, "without"), f"{effect} is wanted by `effects`: no operation is both"
    for field, other in condition.differs.items():
        if condition.same.get(field) == other:
            yield (*here, "differs", field), f"{other} is named by `same`, too: nothing is both"
    for key in ("same", "differs"):
        for mine, other in getattr(condition, key).items():
            where: Place = (*here, key, mine)
            yield from _unknown(where, [mine], known, "field")
            step, _, his = other.partition(".")
            if not his:
                yield where, f"{other!r} is no field of a step; valid is step.field, such as {ids[0]}.target"
                continue
            yield from _unknown(where, [step], ids, "step")
            valid = fields.fields_of(kinds.get(step, fields.OPERATION))
            yield from _unknown(where, [his], valid, f"field of {step}")
            if step in ids and step not in done:
                before = ", ".join(sorted(done)) or "none"
                yield where, f"step {step} need not be done by then; those that are: {before}"


def _of_step(here: Place, chain: Declaration, place: int) -> Iterator[Fault]:
    step = chain.steps[place]
    after = listed_texts(step.after)
    others = [other.id for other in chain.steps if other.id != step.id]
    yield from _unknown((*here, "after"), after, others, "step")
    if after and chain.order == "listed":
        yield (*here, "after"), "steps come in the order listed; with `order: any` only `after` orders them"
    elif step.id in _before(chain, place) and step.id not in after:
        yield (*here, "after"), f"{step.id} would have to come before itself"
    if step.within is not None:
        yield from _too_long((*here, "within"), step.within)
        if step.count == 1 and not _before(chain, place):
            yield (*here, "within"), "no step has to come before this one; valid is `within` of the chain"
        if step.count > 1 and chain.order == "any" and not step.after:
            yield (*here, "within"), "a counted step in any order has the window of the chain; valid is none"
    if step.distinct is not None:
        yield from _unknown((*here, "distinct"), [step.distinct], fields.fields_of(_kind_of(step)), "field")
        if step.count == 1:
            yield (*here, "distinct"), "needs a `count` of 2 or more"
    if step.count > 1:
        yield from _of_counted(here, chain, place)


def _of_counted(here: Place, chain: Declaration, place: int) -> Iterator[Fault]:
    """Of a step that is counted: what comes among its operations, and what others compare of it."""
    step = chain.steps[place]
    before = _before(chain, place)
    beside = [
        other.id
        for number, other in enumerate(chain.steps)
        if other.id not in (step.id, *before) and step.id not in _before(chain, number)
    ]
    if beside and (step.after or chain.absent):
        why = "it has an `after` itself" if step.after else "something must be absent"
        said = f"{beside[0]} could come among its operations, which is not followed where {why}"
        yield (*here, "count"), f"{said}; valid is an `after` that says which of the two comes first"
    named = f"{step.id}.{step.distinct}"
    if any(named in (*part.same.values(), *part.differs.values()) for part in (*chain.steps, *chain.absent)):
        said = f"its operations differ in {step.distinct}, so {named} is no one thing to compare with"
        yield (*here, "distinct"), f"{said}; valid is another field"


def _of_order(chain: Declaration) -> Iterator[Fault]:
    """The number of sets of steps that may be done, at most: free steps double it."""
    if chain.order == "any":
        free = sum(1 for step in chain.steps if not step.after)
        if 2**free > SETS_MAX:
            most = SETS_MAX.bit_length() - 1
            yield (
                ("order",),
                f"{free} steps in any order are too many to follow; valid are {most} without `after`",
            )


def _too_long(here: Place, duration: str) -> Iterator[Fault]:
    if milliseconds(duration) > DURATION_MS_MAX:
        yield here, f"{duration} is longer than 31d"


def _texts(condition: Condition, key: str) -> tuple[str, ...]:
    texts: Texts = getattr(condition, key)
    return listed_texts(texts)


def _unknown(here: Place, given: Iterable[str], known: Iterable[str], what: str) -> Iterator[Fault]:
    words = list(known)
    for name in given:
        if name not in words:
            yield here, f"{name!r} is no {what}; {meant(name, words)}valid are {', '.join(words) or 'none'}"


def preceding(chain: Declaration, place: int) -> tuple[str, ...]:
    """Steps that must be done just before."""
    step: StepDeclaration = chain.steps[place]
    if chain.order == "any":
        return listed_texts(step.after)
    return (chain.steps[place - 1].id,) if place else ()
