"""What would have vouched for a change: facts that somebody else could have given beforehand.

They are made up to be tried out on a recording, by the same judge; none of them is ever sent anywhere.
"""

from collections.abc import Iterable

from detectors.approvals import PLAN_OPERATION
from detectors.policy import ApprovalSettings
from detectors.severity import listed
from models.attested import Fact, Registered
from models.event import AnyEvent, Approval, Grade, Operation, Registration

SOMEBODY_ELSE = "somebody outside this workflow"
PLAN = "the plan"
HUMAN_PAUSES = 10
"""The shortest pause that counts as human, so often: nobody would call that answer hasty."""


def somebody_else(approvers: Iterable[str], workflow: Iterable[AnyEvent]) -> str:
    """Who could have vouched: of those who may approve one who has no part in the workflow.

    Where nobody is listed, anybody may; where all who are take part, none of them is of use.
    """
    part = {name.casefold() for event in workflow for name in (event.agent, event.session, *_actors(event))}
    return next((name for name in approvers if name.casefold() not in part), SOMEBODY_ELSE)


def _actors(event: AnyEvent) -> tuple[str, ...]:
    return (event.principal, event.on_behalf_of) if isinstance(event, Operation) else ()


def approval_of(change: Operation, settings: ApprovalSettings, by: str) -> Approval | None:
    """An approval of exactly this, asked for and given in time; None where no target can be named."""
    return _approval(change, change.operation, change.target, settings, by) if change.target else None


def registered_change(change: Operation, by: str) -> Registration:
    """A change registered for whatever this one reaches."""
    return _registration(change, Registered.CHANGE, "the change", by)


def approved_plan(change: Operation, settings: ApprovalSettings, by: str) -> tuple[Registration, Approval]:
    """A plan that names what this one reaches, and its approval."""
    plan = _registration(change, Registered.PLAN, PLAN, by)
    return plan, _approval(change, PLAN_OPERATION, PLAN, settings, by)


def _approval(
    change: Operation, operation: str, target: str, settings: ApprovalSettings, by: str
) -> Approval:
    at_ms = max(0, change.at_ms - 1)
    return Approval(
        id=f"missing approval of {change.source} {change.id}"[:256],
        source="what if",
        at_ms=at_ms,
        workflow=change.workflow,
        session=change.session,
        grade=Grade.ATTESTED,
        operation=operation,
        target=target,
        decided_by=by,
        requested_by=change.session,
        requested_ms=max(0, at_ms - HUMAN_PAUSES * settings.pause_ms_min),
        expires_ms=change.at_ms + settings.lifetime_ms,
    )


def _registration(change: Operation, what: Registered, reference: str, by: str) -> Registration:
    return Registration(
        id=f"missing {what} of {change.source} {change.id}"[:256],
        source="what if",
        at_ms=max(0, change.at_ms - 1),
        workflow=change.workflow,
        session=change.session,
        grade=Grade.ATTESTED,
        what=what,
        reference=reference,
        decided_by=by,
        targets=_reached(change),
    )


def _reached(change: Operation) -> tuple[str, ...]:
    """The target, who gains, what they gain, and whose tokens are trusted."""
    facts = (Fact.BENEFICIARY, Fact.GRANTED, Fact.ISSUER)
    named = (change.target, *(name for fact in facts for name in listed(change.facts.get(fact, ""))))
    return tuple(dict.fromkeys(name for name in named if name))
