"""A credential was made that belongs to somebody else, or that outlives the run that made it.

Rotation does that for a living: what a job makes for the same owner as ever is its habit, and one more
short-lived one of a kind that it makes one by one is left to `unfamiliar_act`. Known gap: the first
rotations of a job that nobody has trained on; have them approved or register them.
"""

from detectors.detector import Detector
from detectors.severity import for_another, lasting_for_another
from detectors.thresholds import CredentialSettings
from models.attested import Effect, Fact
from models.baselines.habits import Habits
from models.event import CHANGES, CredentialKind, Operation, Outcome
from models.finding import Noticed
from models.session import Session, Step, Workflow

LASTING = frozenset({CredentialKind.STATIC, CredentialKind.SHARED})


class CredentialForAnother(Detector):
    """Fires at a credential for another identity, a lasting one, or one made from a lasting one."""

    name = "credential_for_another"
    by_habit = True
    presumes = True
    listens_to = CHANGES
    tags = ("T1098.001", "T1550.001", "T1078.004", "AML.T0012", "AML.T0091.000", "ASI03")

    def __init__(self, settings: CredentialSettings, habits: Habits) -> None:
        self._settings = settings
        self._habits = habits

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.outcome is Outcome.OK and Effect.MINTS in event.effects

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if step.warrant or step.own or Effect.MINTS not in event.effects or event.outcome is not Outcome.OK:
            return None
        confidence, why = self._weigh(event)
        if not confidence or self._habits.is_habit(event):
            return None
        if confidence < self._settings.confidence_lasting and self._habits.is_one_more(event):
            return None
        if event.credential_kind not in LASTING and not self._habits.knows(event.agent_role):
            confidence = min(confidence, self._settings.confidence_unknown)
        return Noticed(
            detector=self.name,
            confidence=confidence,
            reason=f"{event.operation} on {event.target or 'no named target'} made a credential {why}",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
            credential=event.facts.get(Fact.MINTED, ""),
        )

    def _weigh(self, event: Operation) -> tuple[float, str]:
        settings = self._settings
        lasting = Effect.LONG_LIVED in event.effects
        if lasting_for_another(event):
            return settings.confidence_lasting, f"of {event.facts[Fact.BENEFICIARY]} that lasts"
        if event.credential_kind in LASTING and (lasting or Effect.EXPANDS in event.effects):
            return settings.confidence_lasting, f"from a {event.credential_kind} one, which it outlives"
        if for_another(event):
            return settings.confidence, f"of {event.facts[Fact.BENEFICIARY]}"
        if lasting and Fact.ORPHAN in event.facts:
            return settings.confidence_orphan, "that outlives the run, and the end of whoever made it"
        if lasting:
            return settings.confidence, "that outlives the run"
        return 0.0, ""
