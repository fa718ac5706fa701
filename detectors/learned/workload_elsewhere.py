"""A proven workload identity logs in from a place where it never ran.

A workload that moves all the time has no place of its own, and says nothing by moving again. Known gap: a
thief on the workload's own node.
"""

from detectors.detector import Detector
from detectors.thresholds import WorkloadSettings
from models.attested import Effect, Fact
from models.baselines.habits import Habits
from models.event import OpClass, Operation, Outcome
from models.finding import Noticed
from models.session import Session, Step, Workflow


class WorkloadElsewhere(Detector):
    """Fires at a credential that is handed out for a workload identity at an address that is new for it."""

    name = "workload_elsewhere"
    by_habit = True
    listens_to = frozenset(OpClass)
    tags = ("T1078.004", "T1550.001", "T1528", "ASI03", "ASI10")

    def __init__(self, settings: WorkloadSettings, habits: Habits) -> None:
        self._settings = settings
        self._habits = habits

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.workload_proven and event.outcome is Outcome.OK and Effect.MINTS in event.effects

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if not event.workload_proven or Effect.MINTS not in event.effects or event.outcome is not Outcome.OK:
            return None
        if not self._habits.is_strange_address(event, self._settings.bits_min):
            return None
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence,
            reason=f"{event.operation} as {event.agent_role} from {event.facts[Fact.ADDRESS]}, "
            f"where that workload never ran",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
            credential=event.facts.get(Fact.MINTED, ""),
        )
