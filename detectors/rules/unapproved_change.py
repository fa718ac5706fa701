"""A privilege, trust or credential was changed, and nothing vouches for it.

An approval of exactly this change does, a plan or change that was registered for this target does, and so
does the habit of the job, for changes that are not grave. Known gap: a change whose effects the vocabulary
does not know.
"""

from detectors.detector import Detector
from detectors.severity import JUDGED, Severity, lasting_for_another, may_weigh, severity
from detectors.thresholds import UnapprovedSettings
from models.attested import Effect, Fact
from models.baselines.habits import Habits
from models.event import Operation, Outcome
from models.finding import Noticed
from models.registry import Registry
from models.session import Session, Step, Workflow

DOES = {
    Effect.EXPANDS: "gives more rights",
    Effect.REMOVES: "takes away",
    Effect.TRUST_PATH: "opens a trust path",
    Effect.WEAKENS: "weakens a defence",
    Effect.MINTS: "makes a credential",
    Effect.LONG_LIVED: "lasts",
    Effect.ADMIN: "is administrative",
    Effect.WIDE: "reaches far",
    Effect.OUTBOUND: "sends content out",
    Effect.UNTRUSTED: "brings content in from outside",
    Effect.RUNS_AS: "runs as what it reaches",
    Effect.EXPOSES: "opens it to outsiders",
    Effect.CREATES: "creates it",
}
"""Effects in the words of a reason. The value of a secret is told by those who look for it."""


class UnapprovedChange(Detector):
    """Fires at a change of some weight that was neither approved nor registered, nor is a habit."""

    name = "unapproved_change"
    by_habit = True
    presumes = True
    listens_to = JUDGED
    tags = ("T1098", "T1098.003", "T1548.005", "AML.T0053", "ASI02", "ASI03")

    def __init__(self, settings: UnapprovedSettings, registry: Registry, habits: Habits) -> None:
        self._settings = settings
        self._registry = registry
        self._habits = habits

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.outcome is not Outcome.ERROR and may_weigh(event)

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if step.warrant or event.outcome is Outcome.ERROR:
            return None
        weight = severity(event, self._registry)
        if weight < Severity.SERIOUS:
            return None
        if weight is Severity.SERIOUS and (step.own or self._habits.is_habit(event)):
            return None
        grave = weight is Severity.GRAVE
        if event.outcome is Outcome.OK:
            confidence = self._settings.confidence_grave if grave else self._settings.confidence
        else:
            weighty = grave or lasting_for_another(event)
            confidence = self._settings.confidence_denied if weighty else self._settings.confidence_denied / 2
        return Noticed(
            detector=self.name,
            confidence=confidence,
            reason=f"{event.operation} {_on(event)}, {_effects(event)}: "
            f"nobody approved it and no plan or change was registered for it",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
            credential=event.facts.get(Fact.MINTED, "") if event.outcome is Outcome.OK else "",
        )


def _on(event: Operation) -> str:
    gains = event.facts.get(Fact.BENEFICIARY, "")
    granted = event.facts.get(Fact.GRANTED, "")
    words = f"on {event.target or 'no named target'}"
    if granted:
        words += f" granting {granted}"
    return f"{words} to {gains}" if gains else words


def _effects(event: Operation) -> str:
    told = [DOES[effect] for effect in event.effects if effect in DOES]
    return "which " + ", ".join(told) if told else "a change of identity"
