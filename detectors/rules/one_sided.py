"""An act of which only one side tells: recorded and never said, or said and never recorded.

Which acts these are is found where both sides come together (`stream/ingest/one_sided.py`); this makes a
finding of it. It rests on silence, so it is `inferred` and stops nobody. Known gaps: see the page.
"""

from detectors.detector import Detector
from detectors.thresholds import OneSidedSettings
from models.attested import Registered
from models.event import AnyEvent, Operation, Registration
from models.finding import Noticed
from models.session import Session, Step, Workflow

SAYS = {
    Registered.UNTOLD: "was recorded by the platform, but the instrumented agent told nothing of it",
    Registered.UNRECORDED: "was told by the agent, but the platform, which records such calls, has none",
}


class OneSided(Detector):
    """Fires when the resolver says that the other side stayed silent."""

    name = "one_sided"
    listens_to = frozenset()
    attends = frozenset({Registration})
    tags = ("T1562.008", "ASI03", "ASI10")

    def __init__(self, settings: OneSidedSettings) -> None:
        self._settings = settings

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        return None

    def attend(self, session: Session, workflow: Workflow, event: AnyEvent) -> Noticed | None:
        """See `Detector.attend`."""
        if not isinstance(event, Registration) or event.what not in SAYS:
            return None
        act = " on ".join(filter(None, (event.facts.get("operation", "an act"), *event.targets[:1])))
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence,
            reason=f"{act} {SAYS[event.what]}",
            evidence=(event.reference, event.id),
            grade=event.grade,
            tags=self.tags,
        )
