"""An approval that is none: by whoever asked or works here, faster than a human reads, or of something else.

It covers nothing (`detectors/approvals.py`); that somebody tried is evidence of its own. Known gap: two
people who act as one.
"""

from detectors.approvals import by_outsider
from detectors.detector import Detector
from detectors.policy import ApprovalSettings
from detectors.thresholds import BadApprovalSettings
from models.event import AnyEvent, Approval, Operation
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
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence_both if len(faults) > 1 else self._settings.confidence,
            reason=f"{event.operation} on {event.target}: {' and '.join(faults)}",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )

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
