"""A sighting's event where it belongs: with its session's facts, its credential's kind, and its act."""

from msgspec import Struct
from msgspec.structs import replace

from models.attested import Fact
from models.event import FACTS_MAX, AnyEvent, CredentialKind, Grade, Operation, SessionStart
from models.registry import Client, Job, Registry, names_of, provider_of
from stream.ingest.memory import Table
from stream.ingest.runs import UNKNOWN, Run, job_name
from stream.ingest.sighting import Sighting
from stream.ingest.witnesses import Witnesses

IDENTITIES_MAX = 16_384
"""Callers whose agent is remembered."""
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
        self._identities: dict[tuple[str, str, str], tuple[str, str]] = {}

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
        key = (event.source, event.principal, event.facts.get(Fact.CLIENT, ""))
        known = self._identities.get(key)
        if known is not None:
            return known
        provider, identities = event.source, (event.principal, key[2], event.agent)
        agent = self._registry.agent_of(provider, *identities)
        if agent is not None:
            found = (agent.id, agent.role or agent.id)
        else:
            job = self._registry.job_of(provider, *identities)
            client = self._registry.client(provider, key[2])
            found = ("", _role(job, client, provider, event.principal))
        if len(self._identities) < IDENTITIES_MAX:
            self._identities[key] = found
        return found


def _role(job: Job | None, client: Client | None, provider: str, principal: str) -> str:
    """The job behind a caller: by its registration, else by the short name of the account."""
    if job is not None:
        return job_name(job)
    if client is not None and client.name:
        return client.name
    return names_of(provider, principal)[-1]
