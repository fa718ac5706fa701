"""A job gains something in a system, or by a token issuer, that it never had to do with.

The operation may be one that it makes every day: it is the other tenant, cluster or store that is new. How
odd that is depends on how often the job meets new ones. Known gap: systems that go by one name.
"""

from detectors.detector import Detector
from detectors.learned_thresholds import UnfamiliarSystemSettings
from models.baselines.habits import Habits
from models.event import ERROR, GAINS, Operation
from models.finding import Noticed
from models.session import MEMORIES_MAX, Session, Step, Workflow, remembered


class UnfamiliarSystem(Detector):
    """Fires once a session for each system or issuer whose surprise reaches `bits_min` for this job."""

    name = "unfamiliar_system"
    by_habit = True
    listens_to = GAINS
    tags = ("T1078.004", "T1199", "ASI03", "ASI10")

    def __init__(self, settings: UnfamiliarSystemSettings, habits: Habits) -> None:
        self._settings = settings
        self._habits = habits

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.outcome is not ERROR

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if step.warrant or event.outcome is ERROR:
            return None
        strange = self._habits.strange_place(event, self._settings.bits_min)
        if not strange or not remembered(session.strange, strange, MEMORIES_MAX):
            return None
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence,
            reason=f"{event.operation}: the {strange} is new for {event.agent_role}",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )
