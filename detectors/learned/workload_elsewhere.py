"""A proven workload identity logs in from a place where it never ran.

A workload that moves all the time has no place of its own, and says nothing by moving again. One that turns
up at an address of its own network at which nobody ever ran was moved, as far as anybody can tell; where
others run is no place of its own. Known gap: a thief on the workload's own node, or on a new one beside it.
"""

from ipaddress import ip_address, ip_network

from detectors.detector import Detector
from detectors.learned_thresholds import WorkloadSettings
from models.attested import Effect, Fact
from models.baselines.habits import Habits
from models.event import OpClass, Operation, Outcome
from models.finding import Noticed
from models.registry import Registry
from models.session import Session, Step, Workflow

IPV4, IPV4_BITS, IPV6_BITS = 4, 24, 64


class WorkloadElsewhere(Detector):
    """Fires at a credential that is handed out for a workload identity at an address that is new for it."""

    name = "workload_elsewhere"
    by_habit = True
    listens_to = frozenset(OpClass)
    tags = ("T1078.004", "T1550.001", "T1528", "ASI03", "ASI10")

    def __init__(self, settings: WorkloadSettings, registry: Registry, habits: Habits) -> None:
        self._settings = settings
        self._registry = registry
        self._habits = habits

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.workload_proven and event.outcome is Outcome.OK and Effect.MINTS in event.effects

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if not event.workload_proven or Effect.MINTS not in event.effects or event.outcome is not Outcome.OK:
            return None
        if not self._habits.is_strange_address(event, self._settings.bits_min):
            return None
        moved = self._may_have_moved(event)
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence_moved if moved else self._settings.confidence,
            reason=f"{event.operation} as {event.agent_role} from {event.facts[Fact.ADDRESS]}, "
            f"where that workload never ran" + (", nor anybody" if moved else ""),
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
            credential=event.facts.get(Fact.MINTED, ""),
        )

    def _may_have_moved(self, event: Operation) -> bool:
        """Whether it is a new place in a network of its own."""
        address = event.facts[Fact.ADDRESS]
        if self._habits.is_somebodys(address):
            return False
        here = self._network(address)
        return bool(here) and any(
            self._network(known) == here for known in self._habits.addresses(event.agent_role)
        )

    def _network(self, address: str) -> str:
        """The registered network; else what is usually one: the /24 of an IPv4 address, a /64 of IPv6."""
        known = self._registry.network_of(address)
        if known is not None:
            return known.prefix
        try:
            parsed = ip_address(address)
        except ValueError:
            return ""
        bits = IPV4_BITS if parsed.version == IPV4 else IPV6_BITS
        return str(ip_network(f"{parsed}/{bits}", strict=False))
