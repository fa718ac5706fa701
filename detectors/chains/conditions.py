"""A declared condition as tests of an operation: by its class, by its name, and by all else it says."""

import re
from collections.abc import Callable
from enum import StrEnum
from fnmatch import translate
from typing import cast

from detectors.approvals import covering
from detectors.chains.declaration import Condition, Texts, listed_texts
from detectors.chains.fields import field_of, told_of
from detectors.policy import ApprovalSettings
from models.attested import Effect
from models.event import CredentialKind, Event, OpClass, Operation, Outcome, SystemKind
from models.session import Step, Workflow

Test = Callable[[Workflow, Operation, Step], bool]
Look = Callable[[Operation], bool]
"""A test of no more than `look_of` sees."""

EVERY = frozenset(OpClass)
PATTERNED = ("system", "target", "principal", "agent", "agent_role", "source")
ENUMS: dict[str, type[StrEnum]] = {
    "system_kind": SystemKind,
    "outcome": Outcome,
    "credential_kind": CredentialKind,
}
TOLD = ("operation", *PATTERNED, "decided_by", "requested_by", "what", "reference")
"""What may be said of an event that is no operation, by patterns; not every kind has each."""
NAMED = ("system_kind", "target_kind", "outcome", "credential_kind")


def classes_of(condition: Condition) -> frozenset[OpClass]:
    """Classes that it can be true of; all, where it names none."""
    return frozenset(OpClass(name) for name in listed_texts(condition.op_class)) or EVERY


def matching(patterns: Texts) -> Callable[[str], bool]:
    """Whether a text matches one of the shell patterns, in upper or lower case."""
    texts = listed_texts(patterns)
    plain = frozenset(text.casefold() for text in texts)
    if not any(set("*?[") & set(text) for text in texts):
        return lambda value: value.casefold() in plain
    matches = re.compile("|".join(translate(text) for text in texts), re.IGNORECASE).match
    return lambda value: matches(value) is not None


def looks_of(condition: Condition) -> tuple[Look, ...]:
    """What is asked once for all operations that look alike, beside their class."""
    asked: list[Look] = [
        _named(name, listed_texts(getattr(condition, name)))
        for name in NAMED
        if listed_texts(getattr(condition, name))
    ]
    if condition.proven is not None:
        asked.append(_proven(wanted=condition.proven))
    return (*asked, *_of_effects(condition))


def tests_of(condition: Condition, approvals: ApprovalSettings) -> tuple[Test, ...]:
    """What is to be asked of each operation that looks right; the cheap questions first."""
    asked: list[Test] = [
        _patterned(name, getattr(condition, name))
        for name in PATTERNED
        if listed_texts(getattr(condition, name))
    ]
    asked += [_patterned(name, patterns) for name, patterns in condition.facts.items()]
    if condition.own is not None:
        asked.append(_own(wanted=condition.own))
    if condition.vouched is not None:
        asked.append(_vouched(approvals, wanted=condition.vouched))
    return tuple(asked)


def is_fact(condition: Condition) -> Callable[[Event], bool]:
    """Whether an event that is no operation is as the condition says."""
    said = {name: getattr(condition, name) for name in TOLD} | condition.facts
    asked = [(told_of(name), matching(texts)) for name, texts in said.items() if listed_texts(texts)]
    return lambda event: all(matches(read(cast("Operation", event))) for read, matches in asked)


def _of_effects(condition: Condition) -> list[Look]:
    wanted = frozenset(Effect(name) for name in listed_texts(condition.effects))
    some = frozenset(Effect(name) for name in listed_texts(condition.some))
    unwanted = frozenset(Effect(name) for name in listed_texts(condition.without))
    asked: list[Look] = []
    if wanted:
        asked.append(lambda event: wanted.issubset(event.effects))
    if some:
        asked.append(lambda event: not some.isdisjoint(event.effects))
    if unwanted:
        asked.append(lambda event: unwanted.isdisjoint(event.effects))
    return asked


def _named(name: str, words: tuple[str, ...]) -> Look:
    read = field_of(name)
    kind = ENUMS.get(name)
    values: tuple[str, ...] = tuple(kind(word) for word in words) if kind is not None else words
    if len(values) == 1:
        (only,) = values
        return lambda event: read(event) == only
    return lambda event: read(event) in values


def _patterned(name: str, patterns: Texts) -> Test:
    read, matches = field_of(name), matching(patterns)
    return lambda _workflow, event, _step: matches(read(event))


def _proven(*, wanted: bool) -> Look:
    return lambda event: event.workload_proven is wanted


def _own(*, wanted: bool) -> Test:
    return lambda _workflow, _event, step: step.own is wanted


def _vouched(approvals: ApprovalSettings, *, wanted: bool) -> Test:
    def is_so(workflow: Workflow, _event: Operation, step: Step) -> bool:
        vouched = bool(step.warrant) or covering(workflow, step, approvals) is not None
        return vouched is wanted

    return is_so
