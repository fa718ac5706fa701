"""A pipeline leaves its approved plan or runs one that nobody approved; an exercise leaves its accounts.

Known gap: a pipeline without a registered plan; `unapproved_change` looks at each of its changes.
"""

from detectors.approvals import approved_plan
from detectors.detector import Detector
from detectors.policy import ApprovalSettings
from detectors.severity import JUDGED, Severity, severity
from detectors.thresholds import PlanSettings
from models.attested import Fact, Registered
from models.event import OK, SECRET_READ, AnyEvent, Operation, Registration
from models.finding import Noticed
from models.registry import Registry
from models.session import Session, Step, Workflow
from models.words import Vouched


class OutsidePlan(Detector):
    """Fires at a change that the session's plans do not cover, and at the start of an unapproved plan."""

    name = "outside_plan"
    listens_to = JUDGED | {SECRET_READ}
    attends = frozenset({Registration})
    tags = ("T1098.003", "T1484.002", "T1195.002", "ASI02", "ASI03", "ASI04")

    def __init__(self, settings: PlanSettings, approvals: ApprovalSettings, registry: Registry) -> None:
        self._settings = settings
        self._approvals = approvals
        self._registry = registry

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.outcome is OK

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if not workflow.registrations or step.warrant or event.outcome is not OK:
            return None
        if plans(workflow, session.id) and severity(event, self._registry) is not Severity.NONE:
            what = "is in no approved plan of this run"
        elif left_exercise(workflow, session.id, event):
            what = f"leaves the exercise, in account {event.facts[Fact.ACCOUNT]}"
        else:
            return None
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence,
            reason=f"{event.operation} on {event.target or 'no named target'} {what}",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )

    def attend(self, session: Session, workflow: Workflow, event: AnyEvent) -> Noticed | None:
        """See `Detector.attend`."""
        if not isinstance(event, Registration) or event.what is not Registered.PLAN_STARTED:
            return None
        for plan in plans(workflow, session.id):
            if plan.reference == event.reference and approved_plan(
                workflow, plan, session.id, event.at_ms, self._approvals
            ):
                return None
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence_unapproved,
            reason=f"plan {event.reference} is being carried out, and nobody approved it",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )


def left_exercise(workflow: Workflow, session: str, event: Operation) -> bool:
    """Whether a session that an exercise was registered for acts in another account than the exercise's."""
    account = event.facts.get(Fact.ACCOUNT, "")
    exercises = [
        vouched
        for vouched in workflow.registrations
        if vouched.what is Registered.EXERCISE and vouched.session == session
    ]
    return bool(account and exercises) and not any(account in known.targets for known in exercises)


def plans(workflow: Workflow, session: str) -> list[Vouched]:
    """The plans that were registered for a session."""
    return [
        vouched
        for vouched in workflow.registrations
        if vouched.what is Registered.PLAN and vouched.session == session
    ]
