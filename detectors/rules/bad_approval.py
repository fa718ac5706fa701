"""An approval that is none: by whoever asked or works here, faster than a human reads, or of something else.

It covers nothing (`detectors/approvals.py`); that somebody tried is evidence of its own, and more so where
the platform had just refused the very act. Known gap: two people who act as one.
"""

from detectors.approvals import by_outsider, is_about
from detectors.detector import Detector
from detectors.policy import ApprovalSettings
from detectors.thresholds import BadApprovalSettings
from models.event import AnyEvent, Approval, Grade, Operation, weakest
from models.finding import Noticed
from models.session import Session, Step, Workflow


class BadApproval(Detector):
    """Fires when an approval arrives that no human outside the workflow can have thought over."""

    name = "bad_approval"
    listens_to = frozenset()
    attends = frozenset({Approval})
    tags = ("T1548.005", "ASI09", "ASI03")

    def __init__(self, settings: BadApprovalSettings, approvals: ApprovalSettings) -> None:
        self._settings = settings
        self._approvals = approvals

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        return None

    def attend(self, session: Session, workflow: Workflow, event: AnyEvent) -> Noticed | None:
        """See `Detector.attend`."""
        if not isinstance(event, Approval):
            return None
        faults = self._faults(workflow, event)
        if not faults:
            return None
        refused = _refused(workflow, event)
        return Noticed(
            detector=self.name,
            confidence=self._confidence(len(faults), refused),
            reason=f"{event.operation} on {event.target}: {' and '.join(faults)}"
            + (", after it was refused" if refused is not None else ""),
            evidence=(event.id,) if refused is None else (refused.event_id, event.id),
            grade=event.grade if refused is None else weakest((refused.grade, event.grade)),
            tags=self.tags,
        )

    def _confidence(self, faults: int, refused: Step | None) -> float:
        if faults == 1:
            return self._settings.confidence
        return self._settings.confidence_both if refused is None else self._settings.confidence_refused

    def _faults(self, workflow: Workflow, event: Approval) -> list[str]:
        if not event.digest_fits:
            return ["the digest that was signed is of something else"]
        grant = next((known for known in reversed(workflow.grants) if known.reference == event.id), None)
        if grant is None:
            return []
        faults = []
        if not grant.by_approver:
            faults.append(f"{event.decided_by} may not approve")
        elif not by_outsider(grant, workflow):
            faults.append(f"{event.decided_by} approved for itself")
        if grant.requested_ms is not None:
            pause_ms = grant.at_ms - grant.requested_ms
            if pause_ms < self._approvals.pause_ms_min:
                faults.append(f"the answer came {pause_ms} ms after the question")
        return faults


def _refused(workflow: Workflow, event: Approval) -> Step | None:
    """The platform's record that just this was refused in the workflow before."""
    return next(
        (
            step
            for step in workflow.denied
            if step.grade is Grade.ATTESTED
            and step.at_ms <= event.at_ms
            and is_about(event.operation, event.target, step)
        ),
        None,
    )
