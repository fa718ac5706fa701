"""A log, a guard rail or somebody's login was weakened, and nothing vouches for it.

One user's factors are reset by help desks every day; a second user's, or a policy for all, is another matter.
Known gap: a guard rail that is weakened by an ordinary looking setting which the vocabulary does not know.
"""

from detectors.detector import Detector
from detectors.severity import JUDGED, undisclosed
from detectors.thresholds import TamperingSettings
from models.attested import Effect
from models.event import OpClass, Operation, Outcome
from models.finding import Noticed
from models.session import Session, Step, Workflow, remembered

WEAKENED_MAX = 8


class GuardrailTampering(Detector):
    """Fires when logging, protection or login is weaker afterwards; surer the wider it reaches."""

    name = "guardrail_tampering"
    listens_to = JUDGED
    tags = ("T1562", "T1562.008", "T1556", "T1556.006", "ASI03", "ASI10")

    def __init__(self, settings: TamperingSettings) -> None:
        self._settings = settings

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.outcome is not Outcome.ERROR and (Effect.WEAKENS in event.effects or undisclosed(event))

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if step.warrant or event.outcome is Outcome.ERROR:
            return None
        if Effect.WEAKENS not in event.effects and not undisclosed(event):
            return None
        wide = Effect.WEAKENS in event.effects and (
            event.op_class is OpClass.GUARDRAIL_CHANGE or Effect.WIDE in event.effects
        )
        if event.outcome is Outcome.DENIED:
            return self._tried(event) if wide else None
        remembered(session.weakened, event.target or event.operation, WEAKENED_MAX)
        many = len(session.weakened) >= self._settings.targets_min
        confidence = self._settings.confidence_wide if wide or many else self._settings.confidence
        reach = "for all" if wide else f"{len(session.weakened)} so far in this session"
        return Noticed(
            detector=self.name,
            confidence=confidence,
            reason=f"{event.operation} on {event.target or 'no named target'} weakens a guard rail, {reach}; "
            f"nothing vouches for it",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )

    def _tried(self, event: Operation) -> Noticed:
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence_denied,
            reason=f"{event.operation} on {event.target or 'no named target'} was refused; it would have "
            f"weakened a guard rail, and nothing vouches for it",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )
