"""Which session and workflow a sighting belongs to.

A session holds handles: credentials that were minted for it, request ids its spans carry, its pod. A
sighting belongs to whoever holds one of the handles it follows. Where nobody does yet, its event runs in a
provisional session, the provider's own handle; when the link arrives it is sent again under the true session,
under its own id, and a `Join` tells the provisional workflow. Nothing here asks for the time: the same
sightings in the same order give the same events.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from models.attested import Fact
from models.command import stable_id
from models.event import (
    FACTS_MAX,
    MOVED_MAX,
    AnyEvent,
    CredentialKind,
    Delegation,
    Event,
    Grade,
    Join,
    Operation,
    SessionStart,
)
from models.registry import Client, Job, Registry, names_of
from stream.ingest.duplicates import Seen
from stream.ingest.holdings import CREDENTIALS, HELD_FOR_MS, SLACK_MS, Holding, Holdings
from stream.ingest.memory import Table
from stream.ingest.runs import Run, Runs, job_name
from stream.ingest.sighting import Handle, Sighting
from stream.ingest.waiting import Provisional, Waiting
from stream.ingest.witnesses import Witnesses

SOURCE = "chainbrake.resolver"
CHILDREN_MAX = 50_000
PARENT_SPAN = "parent_span"
"""Fact of a run's first span: the span below which it lies."""
IDENTITIES_MAX = 16_384
"""Callers whose agent is remembered."""
LIFETIME_DIGITS_MAX = 9


class Counted(Struct):
    """What was counted since the start."""

    sightings: int = 0
    duplicates: int = 0
    provisional: int = 0
    joined: int = 0


class Place(Struct, frozen=True):
    """Where an event belongs, as far as is known."""

    session: str
    sure: bool
    """Whether the session is known, rather than a provisional one."""


class Resolver:
    """One registry, and what was seen so far."""

    def __init__(self, registry: Registry) -> None:
        self.counted = Counted()
        self.holdings = Holdings()
        self.runs = Runs(registry)
        self.children: Table[str] = Table(str, CHILDREN_MAX)
        """Span that is not known yet: the run whose first span lies below it."""
        self.waiting = Waiting()
        self.witnesses = Witnesses()
        self._registry = registry
        self._seen = Seen()
        self._identities: dict[tuple[str, str, str], tuple[str, str]] = {}

    @property
    def tables(self) -> dict[str, Table[Any]]:
        """Everything that is remembered, by name: what has to outlive a restart."""
        held = {f"held.{kind}": table for kind, table in self.holdings.tables.items()}
        return {
            **held,
            "calls": self.holdings.calls,
            "makers": self.holdings.makers,
            "runs": self.runs.table,
            "children": self.children,
            "waiting": self.waiting.entries,
            "links": self.witnesses.links,
            "acts": self.witnesses.acts,
            "near": self.witnesses.near,
        }

    def take(self, sighting: Sighting, seen_ms: int) -> list[AnyEvent]:
        """The sighting's event where it belongs, and whatever it explains; nothing for a duplicate."""
        event = sighting.event
        self.counted.sightings += 1
        if self._seen.before("", f"{event.source}\0{event.id}".encode()):
            self.counted.duplicates += 1
            return []
        self.waiting.expire(seen_ms)
        explained: deque[Handle] = deque()
        news = True
        if sighting.settled:
            place = Place(event.session, sure=True)
            news = self._learn(event, explained)
            explained += self._hold((Handle("conversation", event.session),), event, place)
        else:
            place = self._place(sighting)
        explained += self._hold(sighting.brings, event, place)
        for handle in sighting.maker_of:
            self.holdings.makers.put(handle.value, place.session)
        out = []
        if news:
            out += self._emit(sighting, seen_ms, place)
        out += self._delegated(sighting, place, seen_ms)
        if explained:
            out += self._joined(explained)
        return out

    def _learn(self, event: AnyEvent, explained: deque[Handle]) -> bool:
        """What the record says of its session; whether that is worth an event."""
        known = self.runs.of(event.session)
        self.runs.learn(event)
        run = self.runs.of(event.session)
        if run.workflow != known.workflow:
            explained.append(Handle("conversation", event.session))
        # Every span of an agent says that it runs: the first one is news.
        return not isinstance(event, SessionStart) or event.grade is Grade.ATTESTED or run != known

    def _delegated(self, sighting: Sighting, place: Place, seen_ms: int) -> list[AnyEvent]:
        """A run whose first span lies below a span of another run works on that one's order."""
        if not place.sure:
            return []
        event = sighting.event
        out: list[AnyEvent] = []
        if isinstance(event, SessionStart) and (span := event.facts.get(PARENT_SPAN)):
            holding = self.holdings.holder(Handle("span", span), event.at_ms)
            if holding is not None:
                out += self._delegation(place.session, holding.session, event, seen_ms)
            else:
                self.children.put(span, place.session)
        for handle in sighting.brings:
            if handle.kind == "span" and handle.value in self.children:
                child = self.children.pop(handle.value) or ""
                out += self._delegation(child, place.session, event, seen_ms)
        return out

    def _delegation(self, child: str, parent: str, event: Event, seen_ms: int) -> list[AnyEvent]:
        run = self.runs.of(child)
        if child == parent or run.parent:
            return []
        told = Delegation(
            id=stable_id("delegation", parent, child),
            source=SOURCE,
            at_ms=event.at_ms,
            seen_ms=seen_ms,
            session=child,
            workflow=run.workflow or child,
            parent_session=parent,
            agent=run.agent,
        )
        self.runs.learn(told)
        return [told]

    def _place(self, sighting: Sighting) -> Place:
        """The first handle that a known session holds; else one that a provisional session holds."""
        event, unsure = sighting.event, ""
        for handle in sighting.follows:
            if self._registry.is_shared(handle.value):
                continue
            holding = self.holdings.holder(handle, event.at_ms)
            if holding is None:
                continue
            if holding.sure:
                return Place(holding.session, sure=True)
            unsure = unsure or holding.session
        return Place(unsure or event.session, sure=False)

    def _hold(self, handles: tuple[Handle, ...], event: Event, place: Place) -> Iterator[Handle]:
        """Note what the session holds from now on; yields what changed by it."""
        for handle in handles:
            if handle.kind == "keycloak.call":
                if place.sure:
                    ends = self.holdings.call(handle.value, event.at_ms, place.session)
                    yield from (Handle("keycloak.call", end) for end in ends)
                continue
            if not place.sure and handle.kind not in CREDENTIALS:
                continue
            known = self.holdings.holder(handle, event.at_ms)
            alive = known is not None and not self.runs.of(known.session).ended
            until_ms = event.at_ms + _lifetime_ms(handle, event)
            if self.holdings.hold(
                handle, Holding(place.session, event.at_ms, until_ms, place.sure), alive=alive
            ):
                yield handle

    def _emit(self, sighting: Sighting, seen_ms: int, place: Place) -> list[AnyEvent]:
        """The event in its place; remembered where that may not be the last word."""
        run = self.runs.of(place.session)
        workflow = run.workflow or place.session
        handles = self._open_questions(sighting, place, run)
        if handles:
            self.waiting.add(Provisional(sighting, seen_ms, place.session, workflow, handles))
            if not place.sure:
                self.counted.provisional += 1
        return self._placed(sighting, seen_ms, place, run, workflow)

    def _open_questions(self, sighting: Sighting, place: Place, run: Run) -> tuple[Handle, ...]:
        """The handles whose holder would move the event elsewhere."""
        if place.sure:
            return () if run.workflow else (Handle("conversation", place.session),)
        return tuple(handle for handle in sighting.follows if not self._registry.is_shared(handle.value))

    def _joined(self, explained: deque[Handle]) -> list[AnyEvent]:
        """Send again what is explained now, and what that explains in turn."""
        out: list[AnyEvent] = []
        moved: dict[tuple[str, str, str, str], list[Event]] = {}
        while explained:
            for number, entry in self.waiting.of(explained.popleft()):
                place = self._place(entry.sighting) if not entry.sighting.settled else _own(entry)
                run = self.runs.of(place.session)
                workflow = run.workflow or place.session
                if (place.session, workflow) == (entry.session, entry.workflow) and not place.sure:
                    continue
                self.waiting.remove(number)
                if handles := self._open_questions(entry.sighting, place, run):
                    self.waiting.add(
                        Provisional(entry.sighting, entry.seen_ms, place.session, workflow, handles)
                    )
                explained += self._hold(entry.sighting.brings, entry.sighting.event, place)
                for handle in entry.sighting.maker_of:
                    self.holdings.makers.put(handle.value, place.session)
                if (place.session, workflow) == (entry.session, entry.workflow):
                    continue
                events = self._placed(entry.sighting, entry.seen_ms, place, run, workflow)
                out += events
                if events:
                    ends = (entry.session, entry.workflow, place.session, workflow)
                    moved.setdefault(ends, []).extend(events)
                    self.counted.joined += 1
        for ends, events in moved.items():
            out += [
                _join(*ends, events[start : start + MOVED_MAX]) for start in range(0, len(events), MOVED_MAX)
            ]
        return out

    def _placed(
        self, sighting: Sighting, seen_ms: int, place: Place, run: Run, workflow: str
    ) -> list[AnyEvent]:
        event = sighting.event
        if isinstance(event, Operation):
            return [self._operation(sighting, event, seen_ms, place, run, workflow)]
        if not isinstance(event, SessionStart):
            agent = event.agent or run.agent
            return [replace(event, session=place.session, workflow=workflow, seen_ms=seen_ms, agent=agent)]
        if not sighting.settled:
            self.witnesses.link(sighting)
            return []  # a tool server's span: it is nobody's start, and only tells whose request it was
        agent, role = event.agent or run.agent, event.agent_role or run.agent_role
        return [replace(event, workflow=workflow, seen_ms=seen_ms, agent=agent, agent_role=role)]

    def _operation(
        self, sighting: Sighting, event: Operation, seen_ms: int, place: Place, run: Run, workflow: str
    ) -> Operation:
        agent, role = run.agent, run.agent_role
        if not agent:
            agent, role = self._identified(event)
        facts, kind = event.facts, event.credential_kind
        maker = self.holdings.makers.get(event.credential) if event.credential else None
        if maker is not None:
            kind = CredentialKind.STATIC
            if len(facts) < FACTS_MAX:
                facts = {**facts, Fact.MAKER: maker}
        if self._registry.is_shared(event.credential) or self._registry.is_shared(event.principal):
            kind = CredentialKind.SHARED
        moved = replace(
            event,
            session=place.session,
            workflow=workflow,
            seen_ms=seen_ms,
            agent=agent or event.agent,
            agent_role=role or event.agent_role,
            parent_session=run.parent or event.parent_session,
            on_behalf_of=run.on_behalf_of or event.on_behalf_of,
            credential_kind=kind,
            facts=facts,
        )
        return replace(moved, act=self.witnesses.act_of(sighting, moved, by_name=place.sure))

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


def _own(entry: Provisional) -> Place:
    return Place(entry.sighting.event.session, sure=True)


def _lifetime_ms(handle: Handle, event: Event) -> int:
    """How long a handle is held, by what the record says of the credential's life."""
    if handle.kind in CREDENTIALS and isinstance(event, Operation):
        stated = event.facts.get(Fact.LIFETIME_S, "")
        if stated.isdecimal() and len(stated) <= LIFETIME_DIGITS_MAX:
            return int(stated) * 1000 + SLACK_MS
    return HELD_FOR_MS.get(handle.kind, SLACK_MS)


def _join(session: str, workflow: str, into_session: str, into_workflow: str, events: list[Event]) -> Join:
    """Tell the provisional workflow which of its events belong elsewhere."""
    ids = tuple(event.id for event in events)
    newest = max(events, key=lambda event: event.at_ms)
    return Join(
        id=stable_id("join", session, workflow, into_session, into_workflow, *ids),
        source=SOURCE,
        at_ms=newest.at_ms,
        seen_ms=newest.seen_ms,
        session=session,
        workflow=workflow,
        into_session=into_session,
        into_workflow=into_workflow,
        moved=ids,
        grade=newest.grade,
    )
