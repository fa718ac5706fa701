"""An identity was read and then changed, sooner than anybody could have read and decided.

Known gap: an agent that waits. Known gap: a role whose honest runs are as fast is let be, once that has
been learned; `read_then_write_chain` does not depend on speed.
"""

from detectors.approvals import covering
from detectors.detector import Detector
from detectors.policy import ApprovalSettings
from detectors.severity import takes_away
from detectors.thresholds import FasterThanHumanSettings
from models.baselines.baseline import Baseline
from models.event import CHANGES, OK, READS, Operation, weakest
from models.finding import Noticed
from models.session import Session, Step, Workflow


class FasterThanHuman(Detector):
    """Fires when the pause from a read to a change in one session is below the human floor."""

    name = "faster_than_human"
    by_habit = True
    listens_to = READS | CHANGES
    tags = ("T1098", "ASI02", "ASI03")

    def __init__(
        self, settings: FasterThanHumanSettings, approvals: ApprovalSettings, baseline: Baseline | None
    ) -> None:
        self._settings = settings
        self._approvals = approvals
        self._paces = baseline.pace if baseline is not None else None

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.outcome is OK

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`. Either of the pair may come late, so either may complete it."""
        if event.outcome is not OK:
            return None
        read: Step | None
        write: Step | None
        if step.op_class in READS:
            read, write = step, session.last_write
            if session.last_read is None or step.at_ms >= session.last_read.at_ms:
                session.last_read = step
        elif step.own or takes_away(event):
            return None  # nobody need weigh what takes nothing, or gives nothing, to anybody
        else:
            read, write = session.last_read, step
            if session.last_write is None or step.at_ms >= session.last_write.at_ms:
                session.last_write = step
        if read is None or write is None:
            return None
        return self._compare(session, workflow, read, write)

    def _compare(self, session: Session, workflow: Workflow, read: Step, write: Step) -> Noticed | None:
        pause_ms = write.at_ms - read.at_ms
        if not 0 <= pause_ms < self._settings.human_floor_ms:
            return None
        pace = self._paces.of(session.agent, session.agent_role) if self._paces is not None else None
        if pace is not None and pace.pause_floor_ms is not None and pause_ms >= pace.pause_floor_ms:
            return None
        if write.warrant or covering(workflow, write, self._approvals) is not None:
            return None
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence,
            reason=f"{write.operation} {pause_ms} ms after {read.operation}; "
            f"a human needs {self._settings.human_floor_ms} ms",
            evidence=(read.event_id, write.event_id),
            grade=weakest((read.grade, write.grade)),
            tags=self.tags,
            act_ms=write.at_ms,
        )
