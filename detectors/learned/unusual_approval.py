"""An approval that came faster than approvals of this job ever do.

`bad_approval` knows what no human can; this one knows what the humans of this job do. Known gap: approvers
who never take their time.
"""

from detectors.approvals import answered_ms
from detectors.detector import Detector
from detectors.thresholds import UnusualApprovalSettings
from models.baselines.baseline import Baseline
from models.event import AnyEvent, Approval, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow


class UnusualApproval(Detector):
    """Fires at an answer faster than all but the budget's share of honest sessions ever had one."""

    name = "unusual_approval"
    by_habit = True
    listens_to = frozenset()
    attends = frozenset({Approval})
    tags = ("T1548.005", "ASI09")

    def __init__(self, settings: UnusualApprovalSettings, share: float, baseline: Baseline | None) -> None:
        self._settings = settings
        self._share = share
        self._haste = baseline.haste if baseline is not None else None

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        return None

    def attend(self, session: Session, workflow: Workflow, event: AnyEvent) -> Noticed | None:
        """See `Detector.attend`."""
        if self._haste is None or not isinstance(event, Approval):
            return None
        took_ms = answered_ms(workflow, event.id)
        if took_ms is None or took_ms >= self._settings.pause_ms_max:
            return None
        floor_ms = self._haste.floor_ms(session.agent, session.agent_role, self._share)
        if floor_ms is None or took_ms >= floor_ms:
            return None
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence,
            reason=f"{event.operation} on {event.target} was allowed after {took_ms / 1000:.1f} s; all but "
            f"{self._share:.1%} of honest sessions waited at least {floor_ms / 1000:.0f} s",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )
