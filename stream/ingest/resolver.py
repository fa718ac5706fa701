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

from models.attested import Fact
from models.command import stable_id
from models.event import MOVED_MAX, AnyEvent, Event, Grade, Join, Operation, Registration, SessionStart
from models.registry import Registry
from stream.ingest.delegations import SOURCE, Delegations
from stream.ingest.duplicates import Seen
from stream.ingest.holdings import (
    CREDENTIALS,
    HELD_FOR_MS,
    NAMES_IN_EXERCISES,
    REQUESTS,
    SLACK_MS,
    Holding,
    Holdings,
)
from stream.ingest.memory import Table
from stream.ingest.one_sided import OneSided
from stream.ingest.placing import Place, Placer
from stream.ingest.runs import Runs
from stream.ingest.vouching import Vouching
from stream.ingest.waiting import Provisional, Waiting
from stream.sources.sighting import Handle, Sighting

LIFETIME_DIGITS_MAX = 9
SOURCES_MAX = 64
SINGLE = frozenset({"span", "keycloak.call"})
"""Kinds of handles that a record follows where nothing in it but the one call tells whose it is."""


class Counted(Struct):
    """What was counted since the start."""

    sightings: int = 0
    duplicates: int = 0
    provisional: int = 0
    joined: int = 0


class Resolver:
    """One registry, and what was seen so far."""

    def __init__(self, registry: Registry) -> None:
        self.counted = Counted()
        self.holdings = Holdings()
        self.runs = Runs(registry)
        self.waiting = Waiting()
        self.vouching = Vouching(registry)
        self._placer = Placer(registry)
        self.one_sided = OneSided(self._placer.witnesses, self.runs)
        self._delegations = Delegations(self.holdings, self.runs)
        self._registry = registry
        self.arrived: Table[int] = Table(int, SOURCES_MAX)
        """Source: when it was last heard (ms)."""
        self._seen = Seen()
        self._newest_ms = 0

    @property
    def tables(self) -> dict[str, Table[Any]]:
        """Everything that is remembered, by name: what has to outlive a restart."""
        witnesses = self._placer.witnesses
        held = {f"held.{kind}": table for kind, table in self.holdings.tables.items()}
        return {
            **held,
            "calls": self.holdings.calls,
            "makers": self._placer.makers,
            "used": self._placer.used,
            "runs": self.runs.table,
            "children": self._delegations.children,
            "waiting": self.waiting.entries,
            "links": witnesses.links,
            "acts": witnesses.acts,
            "near": witnesses.near,
            "words": self.vouching.words,
            "told": self.vouching.told,
            "alone": self.one_sided.alone,
            "together": self.one_sided.together,
            "heard": self.one_sided.heard,
            "arrived": self.arrived,
        }

    def restored(self) -> None:
        """The tables were filled from a store."""
        self.waiting.restored()
        self.one_sided.restored()

    def take(self, sighting: Sighting, seen_ms: int) -> list[AnyEvent]:
        """The sighting's event where it belongs, and whatever it explains; nothing for a duplicate."""
        event = sighting.event
        self.counted.sightings += 1
        if self._seen.before("", f"{event.source}\0{event.id}".encode()):
            self.counted.duplicates += 1
            return []
        self._newest_ms = max(self._newest_ms, seen_ms)
        out = self.overdue(seen_ms)
        self.waiting.expire(seen_ms)
        explained: deque[Handle] = deque()
        news = not sighting.settled or self._learn(event, explained)
        place = self._place(sighting)
        explained += self._hold_all(sighting, place)
        if news:
            out += self._begin(sighting, seen_ms, place)
        if place.sure:
            out += self._delegations.told(sighting, place.session, seen_ms)
        if explained:
            out += self._joined(explained)
        return out

    def overdue(self, now_ms: int) -> list[AnyEvent]:
        """What was held back for a link that did not come in time; and of which acts one side said nothing.

        Silence has lasted up to the newest arrival only, whatever the clock says.
        """
        out: list[AnyEvent] = [*self.one_sided.due(min(now_ms, self._newest_ms))]
        for entry in self.waiting.overdue(now_ms):
            out += self._unlinked(entry)
        return out

    def _unlinked(self, entry: Provisional) -> list[AnyEvent]:
        """What was held back in vain, by the last that can tell; and whatever that explains."""
        sighting, explained = entry.sighting, deque[Handle]()
        place = self._place(sighting)
        if not place.sure and sighting.at_last:
            place = self._place(sighting, (*sighting.follows, *sighting.at_last))
            if place.sure:
                explained += self._hold_all(sighting, place)
        out = self._begin(sighting, entry.seen_ms, place, held_back=True)
        return out + self._joined(explained)

    def _learn(self, event: AnyEvent, explained: deque[Handle]) -> bool:
        """What the record says of its session; whether that is worth an event."""
        known = self.runs.of(event.session)
        self.runs.learn(event)
        run = self.runs.of(event.session)
        if run.workflow != known.workflow:
            explained.append(Handle("conversation", event.session))
        # Every span of an agent says that it runs: the first one is news.
        return not isinstance(event, SessionStart) or event.grade is Grade.ATTESTED or run != known

    def _place(self, sighting: Sighting, handles: tuple[Handle, ...] | None = None) -> Place:
        """Where the record says; else with the first known session, or else provisional one, it leads to."""
        event, unsure = sighting.event, ""
        if sighting.settled:
            return Place(event.session, sure=True, run=self.runs.of(event.session))
        for handle in sighting.follows if handles is None else handles:
            if self._registry.is_shared(handle.value):
                continue
            holding = self.holdings.holder(handle, event.at_ms)
            if holding is None or not self._may_follow(handle, holding, event):
                continue
            if holding.sure:
                guessed = handle.kind == "keycloak.call"
                return Place(holding.session, sure=True, run=self.runs.of(holding.session), guessed=guessed)
            unsure = unsure or holding.session
        session = unsure or event.session
        return Place(session, sure=False, run=self.runs.of(session))

    def _may_follow(self, handle: Handle, holding: Holding, event: Event) -> bool:
        """Whether it may lead there. A mere name leads an exercise's acts elsewhere to it, and nothing else.

        In its own accounts the exercise is vouched for: whoever is called alike there would be, too.
        """
        if handle.kind not in NAMES_IN_EXERCISES:
            return True
        account = event.facts.get(Fact.ACCOUNT, "") if isinstance(event, Operation) else ""
        return (
            self._exercised(holding.session, event.at_ms)
            and not self._exercised(f"{holding.session} {account}", event.at_ms)
            and not self._exercised(event.session, event.at_ms)
        )

    def _exercised(self, whose: str, at_ms: int) -> bool:
        """Whether an announced exercise goes on in this session, or session and account."""
        announced = self.holdings.holder(Handle("exercise", whose), at_ms)
        return announced is not None and announced.from_ms <= at_ms

    def _hold_all(self, sighting: Sighting, place: Place) -> Iterator[Handle]:
        """Note what the session holds and made; yields the handles whose holder is another from now on."""
        event = sighting.event
        if sighting.settled:
            yield from self._hold(Handle("conversation", event.session), event, place)
        for handle in sighting.brings:
            yield from self._hold(handle, event, place)
        for handle in sighting.maker_of:
            self._placer.makers.put(handle.value, place.session)

    def _hold(self, handle: Handle, event: Event, place: Place) -> Iterator[Handle]:
        if handle.kind == "keycloak.call":
            if place.sure:
                ends = self.holdings.call(handle.value, event.at_ms, place.session)
                yield from (Handle("keycloak.call", end) for end in ends)
            return
        by_name = handle.kind in NAMES_IN_EXERCISES
        if by_name:
            if not self._exercised(place.session, event.at_ms):
                return
        elif not place.sure and handle.kind not in CREDENTIALS:
            return
        known = self.holdings.holder(handle, event.at_ms)
        alive = known is not None and not self.runs.of(known.session).ended
        from_ms, until_ms = _span_ms(handle, event)
        new = Holding(place.session, from_ms, until_ms, sure=place.sure and not by_name)
        if self.holdings.hold(handle, new, alive=alive):
            yield handle

    def _begin(
        self, sighting: Sighting, seen_ms: int, place: Place, *, held_back: bool = False
    ) -> list[AnyEvent]:
        """The event in its place; kept where that may not be the last word, and for a while held back."""
        if not place.sure and not held_back and self._mixes(sighting):
            self.waiting.add(Provisional(sighting, seen_ms, "", "", self._telling(sighting)))
            return []
        if self._keep(sighting, seen_ms, place) and not place.sure:
            self.counted.provisional += 1
        return self._told(sighting, seen_ms, place)

    def _told(self, sighting: Sighting, seen_ms: int, place: Place) -> list[AnyEvent]:
        """The event in its place; nothing for a record that only links others."""
        event = self._placer.placed(sighting, seen_ms, place)
        if event is None:
            return []
        if isinstance(event, Operation):
            self.one_sided.hear(event)
            if place.sure:
                self.one_sided.note(sighting, event, seen_ms)
        return self._vouched(event, traced=place.sure)

    def _vouched(self, event: AnyEvent, *, traced: bool) -> list[AnyEvent]:
        """The event, after whatever others have said of it elsewhere."""
        self.vouching.hear(event)
        return [*self.vouching.for_act(event, traced=traced), event]

    def _mixes(self, sighting: Sighting) -> bool:
        """Whether its provisional session is one that several runs would share: a link is worth a wait.

        A stop there would hit all of them.
        """
        event = sighting.event
        if any(handle.kind in SINGLE for handle in sighting.follows):
            return True
        if not isinstance(event, Operation) or not any(one.kind in REQUESTS for one in sighting.follows):
            return False
        return (
            self._registry.is_shared(event.credential)
            or self._registry.is_shared(event.principal)
            or any(self.holdings.names_nobody(handle) for handle in sighting.follows)
        )

    def _telling(self, sighting: Sighting) -> tuple[Handle, ...]:
        """The handles that can tell whose it is."""
        return tuple(each for each in sighting.follows if not self._registry.is_shared(each.value))

    def _keep(self, sighting: Sighting, seen_ms: int, place: Place) -> bool:
        """Wait for the handles whose holder would move the event elsewhere; whether there are any."""
        handles: tuple[Handle, ...] = ()
        if not place.sure:
            handles = self._telling(sighting)
        elif not place.run.workflow:
            handles = (Handle("conversation", place.session),)
        if handles:
            self.waiting.add(Provisional(sighting, seen_ms, place.session, place.workflow, handles))
        return bool(handles)

    def _joined(self, explained: deque[Handle]) -> list[AnyEvent]:
        """Send again what is explained now, and what that explains in turn; then tell where it had run."""
        out: list[AnyEvent] = []
        moved: dict[tuple[str, str, str, str], list[Event]] = {}
        while explained:
            for number, entry in self.waiting.of(explained.popleft()):
                place = self._place(entry.sighting)
                stays = (place.session, place.workflow) == (entry.session, entry.workflow)
                if stays and not place.sure:
                    continue
                self.waiting.remove(number)
                self._keep(entry.sighting, entry.seen_ms, place)
                explained += self._hold_all(entry.sighting, place)
                told = [] if stays else self._told(entry.sighting, entry.seen_ms, place)
                out += told
                if told and entry.session:
                    self.counted.joined += 1
                    ends = (entry.session, entry.workflow, place.session, place.workflow)
                    moved.setdefault(ends, []).append(told[-1])
        for ends, events in moved.items():
            parts = range(0, len(events), MOVED_MAX)
            out += [_join(*ends, events[start : start + MOVED_MAX]) for start in parts]
        return out


def _span_ms(handle: Handle, event: Event) -> tuple[int, int]:
    """From when to when it is held: an exercise in its window, all else from now for its lifetime."""
    if isinstance(event, Registration) and handle.kind == "exercise":
        from_ms = event.at_ms if event.starts_ms is None else event.starts_ms
        return from_ms, event.expires_ms or from_ms + HELD_FOR_MS[handle.kind]
    return event.at_ms, event.at_ms + _lifetime_ms(handle, event)


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
