"""What would have vouched for a change: facts that somebody else could have given beforehand.

They are made up to be tried out on a recording, by the same judge; none of them is ever sent anywhere.
"""

from detectors.approvals import PLAN_OPERATION
from detectors.policy import ApprovalSettings
from detectors.severity import listed
from models.attested import Fact, Registered
from models.event import Approval, Grade, Operation, Registration

SOMEBODY_ELSE = "somebody outside this workflow"
PLAN = "the plan"
HUMAN_PAUSES = 10
"""The shortest pause that counts as human, so often: nobody would call that answer hasty."""


def approval_of(change: Operation, settings: ApprovalSettings) -> Approval | None:
    """An approval of exactly this, asked for and given in time; None where no target can be named."""
    return _approval(change, change.operation, change.target, settings) if change.target else None


def registered_change(change: Operation) -> Registration:
    """A change registered for whatever this one reaches."""
    return _registration(change, Registered.CHANGE, "the change")


def approved_plan(change: Operation, settings: ApprovalSettings) -> tuple[Registration, Approval]:
    """A plan that names what this one reaches, and its approval."""
    plan = _registration(change, Registered.PLAN, PLAN)
    return plan, _approval(change, PLAN_OPERATION, PLAN, settings)


def _approval(change: Operation, operation: str, target: str, settings: ApprovalSettings) -> Approval:
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
        decided_by=SOMEBODY_ELSE,
        requested_by=change.session,
        requested_ms=max(0, at_ms - HUMAN_PAUSES * settings.pause_ms_min),
        expires_ms=change.at_ms + settings.lifetime_ms,
    )


def _registration(change: Operation, what: Registered, reference: str) -> Registration:
    return Registration(
        id=f"missing {what} of {change.source} {change.id}"[:256],
        source="what if",
        at_ms=max(0, change.at_ms - 1),
        workflow=change.workflow,
        session=change.session,
        grade=Grade.ATTESTED,
        what=what,
        reference=reference,
        decided_by=SOMEBODY_ELSE,
        targets=_reached(change),
    )


def _reached(change: Operation) -> tuple[str, ...]:
    """The target, who gains, what they gain, and whose tokens are trusted."""
    facts = (Fact.BENEFICIARY, Fact.GRANTED, Fact.ISSUER)
    named = (change.target, *(name for fact in facts for name in listed(change.facts.get(fact, ""))))
    return tuple(dict.fromkeys(name for name in named if name))
