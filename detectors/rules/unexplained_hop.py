"""One agent acts with what is another's, or in its name, and no delegation explains how it came by it.

A credential of its own belongs to one run: where two agents of a workflow use it, and neither was handed work
by the other, it changed hands outside of what anybody was told. Known gap: runs whose beginning nobody tells.
"""

from detectors.approvals import is_for_session
from detectors.detector import Detector
from detectors.severity import JUDGED
from detectors.thresholds import HopSettings
from models.event import OK, OWN_KINDS, SECRET_READ, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow, called


class UnexplainedHop(Detector):
    """Fires at a change or secret read by a hop that no delegation of the workflow explains."""

    name = "unexplained_hop"
    listens_to = JUDGED | {SECRET_READ}
    tags = ("T1550.001", "T1078.004", "AML.T0012", "ASI03", "ASI07")

    def __init__(self, settings: HopSettings) -> None:
        self._settings = settings

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if step.warrant or event.outcome is not OK:
            return None
        why = _claimed(session, workflow, event) or _passed_on(session, workflow, event)
        if not why:
            return None
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence,
            reason=f"{event.operation} {why}",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )


def _claimed(session: Session, workflow: Workflow, event: Operation) -> str:
    """By whose order it says it acts, where it was told otherwise when it was handed its work."""
    parent = event.parent_session
    if not parent or not session.parent or is_for_session(parent, workflow, session.id):
        return ""
    return f"by order of {parent}, it says, and it was {session.parent} that handed it its work"


def _passed_on(session: Session, workflow: Workflow, event: Operation) -> str:
    """Whose credential it acts with."""
    if not session.run or not event.credential or event.credential_kind not in OWN_KINDS:
        return ""
    for other in workflow.sessions.values():
        if event.credential in other.held and _is_stranger(other, session, workflow, event):
            return f"with a credential of {other.agent}, which has handed nothing to {session.agent}"
    return ""


def _is_stranger(other: Session, session: Session, workflow: Workflow, event: Operation) -> bool:
    """Whether it is another agent's run, and neither was handed work by the other, even by way of others.

    What is done on somebody's behalf may be done with what that somebody has handed over.
    """
    return (
        other.run
        and called(other.agent) != called(session.agent)
        and not (event.on_behalf_of and called(event.on_behalf_of) == called(other.principal))
        and not is_for_session(other.id, workflow, session.id)
        and not is_for_session(session.id, workflow, other.id)
    )
