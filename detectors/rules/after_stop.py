"""A session acts although its stop was reported done: the stop did not hold, or something stayed valid.

Known gap: a call that was on its way when the stop came; `grace_ms` is for it.
"""

from detectors.detector import Detector
from detectors.thresholds import AfterStopSettings
from models.event import OK, OpClass, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow


class AfterStop(Detector):
    """Fires at an operation later than an acknowledged stop of its session, and `grace_ms` more."""

    name = "after_stop"
    listens_to = frozenset(OpClass)
    tags = ("T1078.004", "T1550.001", "ASI10")

    def __init__(self, settings: AfterStopSettings) -> None:
        self._settings = settings

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.outcome is OK

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        stopped_ms = session.stop_done_ms
        if not stopped_ms or event.at_ms <= stopped_ms + self._settings.grace_ms:
            return None
        if event.outcome is not OK:
            return None
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence,
            reason=f"{event.operation} {(event.at_ms - stopped_ms) / 1000:.1f} s after its stop "
            f"was reported done",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )
