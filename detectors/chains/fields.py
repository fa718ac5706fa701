"""Fields of an event by name, as rules compare, count and group by them."""

from collections.abc import Callable
from operator import attrgetter

from detectors.severity import listed
from models.attested import Effect, Fact
from models.event import (
    Approval,
    ApprovalRequest,
    Delegation,
    Event,
    Operation,
    Registration,
    SessionEnd,
    SessionStart,
)
from models.session import called

Field = Callable[[Operation], str]

PLAIN = (
    *("operation", "op_class", "outcome", "system", "system_kind", "target", "target_kind", "principal"),
    *("agent", "agent_role", "session", "workflow", "source", "credential", "credential_kind", "grade"),
    *("on_behalf_of", "parent_session"),
)
FACTS = tuple(fact.value for fact in Fact)
NAMES = (*PLAIN, *FACTS)
"""What chains may compare. No field is called like a fact."""

EFFECTS = tuple(effect.value for effect in Effect)

FACT_KINDS: dict[str, type[Event]] = {
    "approval": Approval,
    "approval_request": ApprovalRequest,
    "delegation": Delegation,
    "registration": Registration,
    "session_start": SessionStart,
    "session_end": SessionEnd,
}
"""Events that are no operations, and that a rule can be about."""

OPERATION = "operation"
BESIDE = ("decided_by", "requested_by", "request", "what", "reference", "reason")
"""What only such events say."""


def fields_of(kind: str) -> tuple[str, ...]:
    """What chains may compare of an event of that kind."""
    if kind == OPERATION:
        return NAMES
    held = FACT_KINDS[kind].__struct_fields__
    return tuple(name for name in (*PLAIN, *BESIDE) if name in held) + (FACTS if "facts" in held else ())


def field_of(name: str) -> Field:
    """How to read a field; a fact that the record does not attest is empty."""
    if name in PLAIN:
        return attrgetter(name)
    return lambda event: event.facts.get(name, "")


def told_of(name: str) -> Field:
    """The same, of events of several kinds; what one of a kind does not say is empty."""
    if name in PLAIN or name in BESIDE:
        return lambda event: getattr(event, name, "")
    return lambda event: getattr(event, "facts", {}).get(name, "")


def alike(one: str, other: str) -> bool:
    """Whether two fields name the same thing: by short names, since platforms write prefixes or none.

    What a record does not say is like nothing. Facts may hold several values: one in common will do.
    """
    if not one or not other:
        return False
    return one == other or not names(one).isdisjoint(names(other))


def names(value: str) -> set[str]:
    """The short names that a field holds."""
    return {called(part) for part in listed(value)} - {""}
