"""A credential is used from another network than the one it was first seen in.

Known gap: a deployment without registered networks. Known gap: a thief in the same network.
"""

from detectors.detector import Detector
from detectors.thresholds import ElsewhereSettings
from models.attested import Fact
from models.event import OpClass, Operation
from models.finding import Noticed
from models.registry import Registry
from models.session import CREDENTIALS_MAX, Session, Step, Workflow

NOWHERE = "an unknown network"


class UsedElsewhere(Detector):
    """Fires when the network of a credential's calls changes from one that is registered to another."""

    name = "used_elsewhere"
    listens_to = frozenset(OpClass)
    tags = ("T1078.004", "T1550.001", "T1528", "ASI03")

    def __init__(self, settings: ElsewhereSettings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return Fact.ADDRESS in event.facts

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        address = event.facts.get(Fact.ADDRESS, "") if event.facts else ""
        if not address or not event.credential or event.facts.get(Fact.VIA):
            return None
        known = self._registry.network_of(address)
        network = known.name or known.prefix if known is not None else NOWHERE
        first = session.networks.setdefault(event.credential, network)
        if len(session.networks) > CREDENTIALS_MAX:
            del session.networks[next(iter(session.networks))]
        if first in (network, NOWHERE):
            return None
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence,
            reason=f"{event.operation} from {network} with a credential that was used from {first} before",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )
