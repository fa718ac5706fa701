"""An agent that has an identity of its own changes to an account that others share.

A run that uses the shared account from start to end is what such accounts are there for; changing over in
the middle is a way round one's own rights. Known gap: an agent that never used its own.
"""

from detectors.detector import Detector
from detectors.severity import JUDGED
from detectors.thresholds import SharedAccountSettings
from models.event import OK, OWN_KINDS, SECRET_READ, CredentialKind, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow


class SharedAccount(Detector):
    """Fires at a change or a secret read through a shared credential, once the own one was used there."""

    name = "shared_account"
    listens_to = JUDGED | {SECRET_READ}
    tags = ("T1078", "T1548.005", "AML.T0012", "ASI03", "ASI02")

    def __init__(self, settings: SharedAccountSettings) -> None:
        self._settings = settings

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.credential_kind is CredentialKind.SHARED or event.credential_kind in OWN_KINDS

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if event.credential_kind in OWN_KINDS:
            if event.system:
                session.own_systems[event.system] = event.at_ms
            return None
        if event.credential_kind is not CredentialKind.SHARED:
            return None
        since_ms = session.own_systems.get(event.system)
        if step.warrant or since_ms is None or since_ms > event.at_ms or event.outcome is not OK:
            return None
        change = event.op_class in JUDGED
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence if change else self._settings.confidence_read,
            reason=f"{event.operation} as {event.principal or 'a shared account'}, "
            f"although it has an identity of its own in {event.system}",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )
