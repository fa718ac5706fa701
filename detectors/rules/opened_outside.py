"""Data was shared with a stranger, a port opened to everybody, or a login made by password alone.

None of it changes who may do what, and each is how data leaves or somebody comes in: a finding to watch,
which counts beside others. Known gap: data that is copied, object by object, by whoever may read it.
"""

from detectors.detector import Detector
from detectors.severity import listed
from detectors.thresholds import OpenedOutsideSettings
from models.attested import Effect, Fact
from models.baselines.habits import Habits
from models.event import OpClass, Operation, Outcome
from models.finding import Noticed
from models.registry import Registry, Standing
from models.session import Session, Step, Workflow

SHARED = ("T1537", "T1530", "ASI03")
NETWORK = ("T1562.007", "T1562", "ASI03")
LOGIN = ("T1078.004", "T1078", "ASI03")


class OpenedOutside(Detector):
    """Fires where data, the network or a login stands open to outsiders afterwards."""

    name = "opened_outside"
    by_habit = True
    listens_to = frozenset({OpClass.EXCHANGE, OpClass.GUARDRAIL_CHANGE, OpClass.CREDENTIAL_MINT})
    tags = tuple(dict.fromkeys((*SHARED, *NETWORK, *LOGIN)))

    def __init__(self, settings: OpenedOutsideSettings, registry: Registry, habits: Habits) -> None:
        self._settings = settings
        self._registry = registry
        self._habits = habits

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.outcome is Outcome.OK and (
            Effect.EXPOSES in event.effects or Fact.FACTORS in event.facts
        )

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if step.warrant or event.outcome is not Outcome.OK:
            return None
        if event.op_class is OpClass.CREDENTIAL_MINT:
            if event.facts.get(Fact.FACTORS) != "1":
                return None
            confidence, why, tags = self._settings.confidence_login, "is a login by one factor alone", LOGIN
        elif Effect.EXPOSES not in event.effects or self._is_known(event):
            return None
        elif event.op_class is OpClass.EXCHANGE:
            to = event.facts.get(Fact.FOREIGN_ACCOUNT, "whoever holds the address")
            confidence, why, tags = self._settings.confidence, f"gives data to {to}", SHARED
        else:
            confidence, why, tags = self._settings.confidence, "opens it to every address", NETWORK
        if self._habits.is_habit(event):
            return None
        return Noticed(
            detector=self.name,
            confidence=confidence,
            reason=f"{event.operation} on {event.target or 'no named target'} {why}; nothing vouches for it",
            evidence=(event.id,),
            grade=event.grade,
            tags=tags,
        )

    def _is_known(self, event: Operation) -> bool:
        """Whether all to whom it is given are registered."""
        accounts = listed(event.facts.get(Fact.FOREIGN_ACCOUNT, ""))
        return bool(accounts) and not any(
            self._registry.standing(account) is Standing.FOREIGN for account in accounts
        )
