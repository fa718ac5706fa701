"""From an operation to what is remembered of it."""

from detectors.severity import listed
from models.attested import Fact
from models.event import Operation
from models.session import Session, Step


def strengthened(event: Operation) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who gains by an operation, and what they gain, as its record says."""
    facts = event.facts
    if not facts:
        return (), ()
    return listed(facts.get(Fact.BENEFICIARY, "")), listed(facts.get(Fact.GRANTED, ""))


def step_of(
    event: Operation,
    session: Session,
    gainers: tuple[str, ...] = (),
    granted: tuple[str, ...] = (),
    warrant: str = "",
    *,
    own: bool = False,
) -> Step:
    """What to remember of an operation; names that its session knows are shared with it, not kept twice."""
    principal = event.principal
    if session.principal == principal:
        principal = session.principal
    return Step(
        event.at_ms,
        event.id,
        session.id,
        event.op_class,
        event.operation,
        event.target,
        event.target_kind,
        event.system,
        principal,
        event.credential_kind,
        event.outcome,
        event.grade,
        event.source,
        gainers,
        granted,
        warrant,
        event.act,
        own,
    )
