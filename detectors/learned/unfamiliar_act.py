"""A job reads a secret or changes an identity that it never touched in all its recorded sessions.

How odd that is depends on the job: one that meets new targets every day says little by meeting another, one
that has touched the same three secrets for months says a lot. Known gap: a job nobody has trained on.
"""

from detectors.detector import Detector
from detectors.learned_thresholds import UnfamiliarSettings
from models.baselines.habits import Habits
from models.event import GAINS, OK, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow


class UnfamiliarAct(Detector):
    """Fires when the surprise of an operation or its target reaches `bits_min` for this job."""

    name = "unfamiliar_act"
    by_habit = True
    listens_to = GAINS
    tags = ("T1555.006", "T1078.004", "T1098", "ASI02", "ASI10")

    def __init__(self, settings: UnfamiliarSettings, habits: Habits) -> None:
        self._settings = settings
        self._habits = habits

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.outcome is OK

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if step.warrant or event.outcome is not OK:
            return None
        bits = self._habits.surprise_bits(event)
        if bits is None or bits < self._settings.bits_min:
            return None
        sure = bits >= self._settings.bits_sure and not self._habits.is_one_more(event)
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence_sure if sure else self._settings.confidence,
            reason=f"{event.operation} on {event.target or 'no named target'} is new for "
            f"{event.agent_role}: {bits:.1f} bits",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )
