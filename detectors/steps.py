"""From an operation to what is remembered of it."""

from typing import Any

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
    told: Any = event  # the compiled fold hands over what it does not look at as it is, and copies no number
    principal = told.principal
    if session.principal == principal:
        principal = session.principal
    return Step(
        told.at_ms,
        told.id,
        session.id,
        told.op_class,
        told.operation,
        told.target,
        told.target_kind,
        told.system,
        principal,
        told.credential_kind,
        told.outcome,
        told.grade,
        told.source,
        gainers,
        granted,
        warrant,
        told.act,
        own,
    )
