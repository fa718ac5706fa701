"""Code or commands were put where they run under somebody else's identity.

Whoever may change what a machine, function or job runs has its rights without being given them, and no record
of identity shows it. Operators and pipelines do so every day: a finding to watch, which counts beside others.
Known gap: code that gets there by way of a repository or an image.
"""

from detectors.detector import Detector
from detectors.thresholds import BorrowedWorkloadSettings
from models.attested import Effect
from models.baselines.habits import Habits
from models.event import OpClass, Operation, Outcome
from models.finding import Noticed
from models.session import Session, Step, Workflow

LOGIN = ("T1021.008", "T1098.004", "T1078.004", "ASI03")
COMMAND = ("T1651", "T1059.009", "ASI03", "ASI05")
CODE = ("T1648", "T1546", "ASI03", "ASI05")
REPLACED = frozenset({"function", "job", "state_machine", "notebook", "site"})
"""Kinds that run code which was put there; in all others a command is run."""


class BorrowedWorkload(Detector):
    """Fires at an act by which the caller gets the identity of a running thing that is not its own."""

    name = "borrowed_workload"
    by_habit = True
    listens_to = frozenset({OpClass.PRIVILEGE_CHANGE, OpClass.CREDENTIAL_MINT})
    tags = tuple(dict.fromkeys((*LOGIN, *COMMAND, *CODE)))

    def __init__(self, settings: BorrowedWorkloadSettings, habits: Habits) -> None:
        self._settings = settings
        self._habits = habits

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return Effect.RUNS_AS in event.effects and event.outcome is not Outcome.ERROR

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if Effect.RUNS_AS not in event.effects or event.outcome is Outcome.ERROR:
            return None
        if step.warrant or step.own or self._habits.is_habit(event):
            return None
        done = event.outcome is Outcome.OK
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence if done else self._settings.confidence_denied,
            reason=f"{event.operation} on {event.target or 'no named target'} "
            f"{'runs' if done else 'would have run'} under its identity; nothing vouches for it",
            evidence=(event.id,),
            grade=event.grade,
            tags=_tags(event),
        )


def _tags(event: Operation) -> tuple[str, ...]:
    if Effect.MINTS in event.effects:
        return LOGIN
    return CODE if event.target_kind in REPLACED else COMMAND
