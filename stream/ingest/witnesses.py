"""One act, several witnesses: the agent's tool span, the tool server's span, the platform's own record.

Each witness comes as an event of its own; all of one act carry the same `act`, so that the judge counts it
once. Request ids join exactly; where no span carries one, the same name in the same session within seconds
does. An act has at most one witness of each kind: a tool that calls twice has acted twice.
"""

import re
from functools import lru_cache

from msgspec import Struct

from models.event import Grade, Operation
from stream.ingest.holdings import REQUESTS
from stream.ingest.memory import Table
from stream.sources.sighting import Sighting

ACTS_MAX = 200_000
NEAR_MS = 5_000
"""Between the end of a tool call and the platform's record of it, by their own clocks."""
NEAR_MAX = 16
"""Acts of one name in one session that wait for their other witness."""


SEPARATOR = re.compile(r"[.:/ ]")

AGENT, SERVER, PLATFORM = 1, 2, 4
"""Who tells of an act; added up, who has told of it."""


class Act(Struct, array_like=True):
    """One act, and who has told of it."""

    name: str
    seen_by: int = 0
    at_ms: int = 0


class Near(Struct, array_like=True):
    """Acts of one name in one session, the newest last."""

    acts: list[str]


class Witnesses:
    """Joins what tells of the same act."""

    def __init__(self) -> None:
        self.links: Table[str] = Table(str, ACTS_MAX)
        """Request or span: the act."""
        self.acts: Table[Act] = Table(Act, ACTS_MAX)
        self.near: Table[Near] = Table(Near, ACTS_MAX)

    def act_of(self, sighting: Sighting, event: Operation, *, by_name: bool) -> str:
        """The act that an operation tells of; `by_name` where the session is the true one."""
        told = _told_by(sighting)
        named = by_name and told.witness != SERVER
        act = self._known(told)
        if named and (act is None or not act.seen_by):
            # Nobody but itself told of it so far, in a session that was not yet the true one.
            act = self._named_alike(event, told.witness) or act
        name = event.act or event.id
        act = act or self.acts.get(name) or Act(name, 0, event.at_ms)
        self._note(told, act)
        if named and act.seen_by == told.witness:
            self._remember(event, act.name, told.witness)
        return act.name

    def link(self, sighting: Sighting) -> None:
        """A tool server's span that is no operation: it tells which request a tool call made."""
        told = _told_by(sighting)
        if told.witness != SERVER or not told.links:
            return
        act = self._known(told)
        if act is None:
            # The agent's span names its act after itself; a second request of one call is an act of its own.
            first = told.parent not in self.links
            name = (told.parent if first else told.links[0]).partition("|")[2]
            act = self.acts.get(name) or Act(name, 0, sighting.event.at_ms)
        self._note(told, act)

    def _known(self, told: "Told") -> Act | None:
        self._take_back(told.event, told.witness)
        # Where the tool and the platform have both told already, the platform's record is sent again.
        return self._linked([told.parent, *told.links] if told.parent else told.links, told.witness)

    def _note(self, told: "Told", act: Act) -> None:
        act.seen_by |= told.witness
        self.acts.put(act.name, act)
        if told.parent and told.parent not in self.links:
            self.links.put(told.parent, act.name)
        for link in (*told.links, told.event):
            self.links.put(link, act.name)

    def _take_back(self, told: str, witness: int) -> None:
        """An event that is sent again is not a second witness."""
        name = self.links.get(told)
        act = self.acts.get(name) if name is not None else None
        if act is not None:
            act.seen_by &= ~witness

    def _linked(self, links: list[str], witness: int) -> Act | None:
        """The act behind one of these; the platform may tell of one request in several records."""
        for link in links:
            name = self.links.get(link)
            act = self.acts.get(name) if name is not None else None
            if act is not None and (not act.seen_by & witness or witness == PLATFORM):
                return act
        return None

    def _named_alike(self, event: Operation, witness: int) -> Act | None:
        other = PLATFORM if witness == AGENT else AGENT
        found: tuple[int, Act] | None = None
        for key in _keys(event, witness):
            near = self.near.get(key)
            for name in near.acts if near is not None else ():
                act = self.acts.get(name)
                if act is None or act.seen_by & witness or not act.seen_by & other:
                    continue
                apart_ms = abs(act.at_ms - event.at_ms)
                if apart_ms <= NEAR_MS and (found is None or apart_ms < found[0]):
                    found = (apart_ms, act)
        return found[1] if found is not None else None

    def _remember(self, event: Operation, act: str, witness: int) -> None:
        for key in _keys(event, witness):
            near = self.near.get(key)
            acts = near.acts if near is not None else []
            self.near.put(key, Near([*acts[1 - NEAR_MAX :], act]))


class Told(Struct, frozen=True):
    """What one sighting tells of an act."""

    witness: int
    event: str
    """Key of the event itself: sent again it is no second witness."""
    links: list[str]
    """Requests and spans that are the call's own."""
    parent: str
    """The span that it was called from; empty for none."""


def witness_of(sighting: Sighting) -> int:
    """Which kind of witness tells it."""
    if sighting.event.grade is Grade.ATTESTED:
        return PLATFORM
    return SERVER if any(handle.kind == "span" for handle in sighting.follows) else AGENT


def _told_by(sighting: Sighting) -> Told:
    event = sighting.event
    key = f"event|{event.source}|{event.id}"
    links = [f"{handle.kind}|{handle.value}" for handle in sighting.follows if handle.kind in REQUESTS]
    links += [f"{handle.kind}|{handle.value}" for handle in sighting.brings if handle.kind in REQUESTS]
    if event.grade is Grade.ATTESTED:
        calls = [link for link in links if not link.startswith("keycloak.call|")]  # a path is no one call
        return Told(PLATFORM, key, calls, "")
    parent = next((f"span|{handle.value}" for handle in sighting.follows if handle.kind == "span"), "")
    if parent:
        return Told(SERVER, key, links, parent)
    links += [f"span|{handle.value}" for handle in sighting.brings if handle.kind == "span"]
    return Told(AGENT, key, links, "")


def _keys(event: Operation, witness: int) -> list[str]:
    return [f"{event.session}|{word}" for word in _words(event.operation, witness)]


@lru_cache(maxsize=4_096)
def _words(name: str, witness: int) -> tuple[str, ...]:
    """Names under which the other witness may know an operation.

    A tool is called by a platform or service and an operation, such as `iam_list_roles`; the platform's own
    name ends in that (`iam:ListRoles`, `storage.objects.list`) or begins with it (`read kv/data`).
    """
    if witness == AGENT:
        names = [name, name.partition("_")[2]]
    else:
        ends = (name[place.end() :] for place in SEPARATOR.finditer(name))
        names = [name, name.partition(" ")[0], name.partition("/")[0], *ends]
    return tuple(dict.fromkeys(filter(None, map(_squeezed, names))))


def _squeezed(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
