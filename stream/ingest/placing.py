"""A sighting's event where it belongs: with its session's facts, its credential's kind, and its act."""

from msgspec import Struct
from msgspec.structs import replace

from models.attested import Fact
from models.event import FACTS_MAX, AnyEvent, CredentialKind, Grade, Operation, SessionStart
from models.registry import Registry, provider_of
from stream.ingest.memory import Table
from stream.ingest.runs import UNKNOWN, Run
from stream.ingest.witnesses import Witnesses
from stream.sources.sighting import Sighting

IDENTITIES_MAX = 16_384
"""Callers whose agent is remembered."""
ASSUMES = "sts:AssumeRole"
"""Whoever calls it acts as the role from then on."""
USED_MAX = 200_000
MADE_MAX = 200_000


class Used(Struct, frozen=True, array_like=True):
    """The credential that a session's newest call on a provider used, by the provider's own word."""

    credential: str
    kind: CredentialKind


class Place(Struct, frozen=True):
    """Where an event belongs, as far as is known."""

    session: str
    sure: bool
    """Whether the session is known, rather than a provisional one."""
    run: Run = UNKNOWN
    guessed: bool = False
    """Whether only likeness in name and time leads there: then the event is no better evidence than that."""

    @property
    def workflow(self) -> str:
        """The run's workflow; alone, the session is its own."""
        return self.run.workflow or self.session


class Placer:
    """Fills in what a record alone cannot know."""

    def __init__(self, registry: Registry) -> None:
        self.witnesses = Witnesses()
        self.makers: Table[str] = Table(str, MADE_MAX)
        """Long-lived credential: the session that made it."""
        self.used: Table[Used] = Table(Used, USED_MAX)
        """Session and provider: the credential."""
        self._registry = registry
        self._identities: dict[tuple[str, str, str, str], tuple[str, str]] = {}

    def placed(self, sighting: Sighting, seen_ms: int, place: Place) -> AnyEvent | None:
        """The event, or nothing for a record that only links others."""
        event, run = sighting.event, place.run
        if isinstance(event, Operation):
            return self._operation(sighting, event, seen_ms, place)
        agent = event.agent or run.agent
        if not isinstance(event, SessionStart):
            return replace(
                event, session=place.session, workflow=place.workflow, seen_ms=seen_ms, agent=agent
            )
        if not sighting.settled:
            self.witnesses.link(sighting)
            return None  # a tool server's span: it is nobody's start, and only tells whose request it was
        role = event.agent_role or run.agent_role
        return replace(event, workflow=place.workflow, seen_ms=seen_ms, agent=agent, agent_role=role)

    def _operation(self, sighting: Sighting, event: Operation, seen_ms: int, place: Place) -> Operation:
        run = place.run
        agent, role = (run.agent, run.agent_role) if run.agent else self._identified(event)
        used = self._credential(event, place)
        facts = event.facts
        maker = self.makers.get(event.credential) if event.credential else None
        if maker is not None and len(facts) < FACTS_MAX:
            facts = {**facts, Fact.MAKER: maker}
        moved = replace(
            event,
            session=place.session,
            workflow=place.workflow,
            seen_ms=seen_ms,
            agent=agent or event.agent,
            agent_role=role or event.agent_role,
            parent_session=run.parent or event.parent_session,
            on_behalf_of=run.on_behalf_of or event.on_behalf_of,
            credential=used.credential,
            credential_kind=CredentialKind.STATIC if maker is not None else used.kind,
            facts=facts,
            grade=Grade.INFERRED if place.guessed else event.grade,
        )
        return replace(moved, act=self.witnesses.act_of(sighting, moved, by_name=place.sure))

    def _credential(self, event: Operation, place: Place) -> Used:
        """What the record says, shared where it is registered so; an agent's span says nothing of it."""
        key = f"{place.session}|{provider_of(event.system)}"
        if not event.credential:
            known = self.used.get(key) if event.grade is Grade.OBSERVED and place.sure else None
            return known or Used("", event.credential_kind)
        shared = self._registry.is_shared(event.credential) or self._registry.is_shared(event.principal)
        used = Used(event.credential, CredentialKind.SHARED if shared else event.credential_kind)
        if place.sure and self.used.get(key) != used:
            self.used.put(key, used)
        return used

    def _identified(self, event: Operation) -> tuple[str, str]:
        """Agent and role by what the provider calls the caller, where no session says."""
        assumed = event.target if event.operation.startswith(ASSUMES) else ""
        key = (event.source, event.principal, event.facts.get(Fact.CLIENT, ""), assumed)
        known = self._identities.get(key)
        if known is None:
            known = self._looked_up(event.source, (assumed, event.principal, key[2], event.agent))
            if len(self._identities) < IDENTITIES_MAX:
                self._identities[key] = known
        return known

    def _looked_up(self, provider: str, identities: tuple[str, ...]) -> tuple[str, str]:
        """The agent and its role; of what is none the job, by its registered name or else by its account."""
        named = tuple(filter(None, identities))
        agent = self._registry.agent_of(provider, *named)
        if agent is not None:
            return agent.id, agent.role or agent.id
        return "", self._registry.job_name(provider, *named) or next(iter(named), "")
