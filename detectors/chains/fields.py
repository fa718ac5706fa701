"""Fields of an operation by name, as rules compare, count and group by them."""

from collections.abc import Callable
from operator import attrgetter

from detectors.severity import listed
from models.attested import Effect, Fact
from models.event import Operation
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


def field_of(name: str) -> Field:
    """How to read a field; a fact that the record does not attest is empty."""
    if name in PLAIN:
        return attrgetter(name)
    return lambda event: event.facts.get(name, "")


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
