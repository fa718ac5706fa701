"""A way in was opened for an issuer or an account that nobody registered.

Known gap: an outsider who was registered by mistake. `unapproved_change` sees every other change of trust.
"""

from detectors.detector import Detector
from detectors.severity import JUDGED, opens_to_outsiders
from detectors.thresholds import TrustSettings
from models.attested import Effect, Fact
from models.event import Operation, Outcome
from models.finding import Noticed
from models.registry import Registry
from models.session import Session, Step, Workflow


class TrustOpened(Detector):
    """Fires when trust goes to outsiders, unless somebody else approved exactly that."""

    name = "trust_opened"
    listens_to = JUDGED
    tags = ("T1484.002", "T1098", "T1556.007", "T1550.001", "ASI03", "ASI10")

    def __init__(self, settings: TrustSettings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.outcome is Outcome.OK and Effect.TRUST_PATH in event.effects

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if step.warrant or event.outcome is not Outcome.OK or not opens_to_outsiders(event, self._registry):
            return None
        told = (event.facts.get(fact) for fact in (Fact.ADMITS, Fact.ISSUER, Fact.FOREIGN_ACCOUNT))
        outsiders = next((each for each in told if each), "an issuer that the record does not tell")
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence,
            reason=f"{event.operation} on {event.target or 'no named target'} trusts {outsiders}, "
            f"which is registered nowhere",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
            credential=event.facts.get(Fact.MINTED, ""),
        )
