"""An approval that came faster than approvals of this job ever do.

`bad_approval` knows what no human can; this one knows what the humans of this job do. Known gap: approvers
who never take their time.
"""

from detectors.approvals import answered_ms
from detectors.certainty import certainty
from detectors.detector import Detector
from detectors.learned_thresholds import UnusualApprovalSettings
from models.baselines.baseline import Baseline
from models.baselines.haste import haste_bits, took_ms
from models.event import AnyEvent, Approval, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow


class UnusualApproval(Detector):
    """Fires at an answer faster than all but the budget's share of honest sessions ever had one."""

    name = "unusual_approval"
    by_habit = True
    budgeted = True
    listens_to = frozenset()
    attends = frozenset({Approval})
    tags = ("T1548.005", "ASI09")

    def __init__(self, settings: UnusualApprovalSettings, share: float, baseline: Baseline | None) -> None:
        self._settings = settings
        self._share = share
        self._model = baseline.surprise if baseline is not None else None

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        return None

    def attend(self, session: Session, workflow: Workflow, event: AnyEvent) -> Noticed | None:
        """See `Detector.attend`."""
        if self._model is None or not isinstance(event, Approval):
            return None
        waited_ms = answered_ms(workflow, event.id)
        if waited_ms is None or waited_ms >= self._settings.pause_ms_max:
            return None
        expectation = self._model.expectation(session.agent, session.agent_role)
        limit, bits = expectation.limits(self._share).haste, haste_bits(waited_ms)
        if limit is None or bits <= limit:
            return None
        span = (self._settings.confidence, self._settings.confidence_sure)
        sure, told = certainty(expectation, "haste", bits, self._share, span)
        return Noticed(
            detector=self.name,
            confidence=sure,
            reason=f"{event.operation} on {event.target} was allowed after {waited_ms / 1000:.1f} s; "
            f"the limit of this job is {took_ms(limit) / 1000:.0f} s{told}",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )
