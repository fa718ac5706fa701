"""One session reads far more different secrets than its job ever did.

A secret operator reads hundreds and always has; a reporting job that reads its sixth is the alarm. Known
gap: an agent that reads one secret per session. `unfamiliar_act` looks at which secrets they are.
"""

from typing import Final

from detectors.detector import Detector
from detectors.learned_thresholds import MassReadSettings
from detectors.warrants import is_exercise
from models.attested import Fact
from models.baselines.habits import Habits
from models.event import ERROR, SECRET_READ, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow, remembered

SECRETS_MAX: Final = 64


class MassSecretRead(Detector):
    """Fires when a session's distinct secrets exceed `times` the job's own most, never below a floor."""

    name = "mass_secret_read"
    by_habit = True
    counts = True
    counts_names = True
    listens_to = frozenset({SECRET_READ})
    tags = ("T1555", "T1555.006", "T1552.007", "AML.T0098", "ASI02", "ASI03")

    def __init__(self, settings: MassReadSettings, habits: Habits) -> None:
        self._settings = settings
        self._habits = habits
        self._least = min(settings.count_min, settings.count_unknown)
        """No job's limit is lower."""

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.outcome is not ERROR

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if event.outcome is ERROR or step.own:
            return None
        if event.target:
            remembered(session.secrets, f"{event.target_kind}:{event.target}", SECRETS_MAX)
        if event.facts:
            session.secrets_batched += batch(event)
        count = len(session.secrets) + session.secrets_batched
        if count <= self._least:
            return None
        most = self._habits.most_secrets(event.agent_role)
        limit = self._settings.count_unknown if most is None else limit_of(self._settings, most)
        if count <= limit or is_exercise(workflow, event):
            return None
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence if most is not None else self._settings.confidence_unknown,
            reason=f"{count} different secrets asked for in one session; {_usual(event.agent_role, most)}",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )


def limit_of(settings: MassReadSettings, most: int) -> int:
    """Of a job that is known, by the most that one of its sessions read."""
    return max(settings.count_min, int(settings.times * most))


def batch(event: Operation) -> int:
    """Secrets that a call read beside the one that it names."""
    count = event.facts.get(Fact.COUNT, "")
    return int(count) - 1 if count.isdecimal() and 1 < int(count) <= SECRETS_MAX else 0


def _usual(job: str, most: int | None) -> str:
    return f"{job} never read more than {most}" if most is not None else "nothing is known of this job"
