"""Acts of which only one side tells: the platform recorded what the agent never said, or the reverse.

Silence says something only where that side is known to speak. A run whose calls on a provider came with
spans tells of them; a tool's call that this provider has recorded before is recorded. Only what leaves
somebody with more than before is asked about: reads, refreshes and logins are made by libraries, and not told
of. Nothing is said before every source had time, nor while the provider itself is silent. Where calls follow
one another quickly, a record may have been joined with its neighbour's span; the two that are left over are
one act.
"""

from msgspec import Struct
from msgspec.structs import replace

from models.attested import Registered
from models.command import stable_id
from models.event import GAINS, Grade, OpClass, Operation, Outcome, Registration
from models.registry import provider_of
from stream.ingest.delegations import SOURCE
from stream.ingest.holdings import CREDENTIALS
from stream.ingest.memory import Table
from stream.ingest.runs import Runs
from stream.ingest.witnesses import AGENT, PLATFORM, SERVER, Witnesses, witness_of
from stream.sources.sighting import Sighting

WAIT_MS = 10 * 60_000
"""After its arrival: twice as late as a source may be, for a span arrives when its call has ended."""
LATE_MS = 5 * 60_000
"""A source that has told of something so much later than the act has told of the act, if it ever does."""
TOGETHER_MIN = 3
"""Acts that both sides told of, before the silence of one of them says anything."""
NEAR_MS = 60_000
"""Between a record and a span that are left over, by their own clocks."""
TRIES_MAX = 6
"""Waits for a provider that is silent; after that its own silence is the news (`source_silent`)."""
ALONE_MAX = 50_000
"""The one that has waited longest gives way, and nothing is said of it."""
TOGETHER_MAX = 50_000
PROVIDERS_MAX = 64


class Alone(Struct, frozen=True, array_like=True):
    """An act of which one side has told."""

    event: str
    source: str
    session: str
    provider: str
    operation: str
    target: str
    op_class: OpClass
    by_platform: bool
    at_ms: int
    seen_ms: int
    tries: int = 0


class OneSided:
    """Waits for the other side's word."""

    def __init__(self, witnesses: Witnesses, runs: Runs) -> None:
        self.alone: Table[Alone] = Table(Alone, ALONE_MAX + 1)
        """By act, in the order in which they are due."""
        self.together: Table[int] = Table(int, TOGETHER_MAX)
        """`<session>|<provider>` and `|<provider>|<operation of the agent>`: acts that both told of."""
        self.heard: Table[int] = Table(int, PROVIDERS_MAX)
        """Provider: the newest act that it has recorded (ms)."""
        self._by_run: dict[str, dict[str, None]] = {}
        """Session and provider: those of its acts that wait."""
        self._acts = witnesses.acts
        self._runs = runs

    def restored(self) -> None:
        """The tables were filled from a store: put them in order again."""
        keys = self.alone.keys()
        entries = [(key, entry) for key in keys if (entry := self.alone.peek(key)) is not None]
        for key, entry in sorted(entries, key=lambda one: (one[1].seen_ms, one[0])):
            self.alone.restore(key, entry)
            self._by_run.setdefault(_run(entry), {})[key] = None

    def hear(self, event: Operation) -> None:
        """Anybody's act: its platform talks."""
        provider = provider_of(event.system)
        if event.grade is Grade.ATTESTED and event.at_ms > (self.heard.peek(provider) or 0):
            self.heard.put(provider, event.at_ms)

    def note(self, sighting: Sighting, event: Operation, seen_ms: int) -> None:
        """One side tells of an act of a known session."""
        witness, provider = witness_of(sighting), provider_of(event.system)
        if self._both(event.act):
            self._told_together(self._pop(event.act), event, witness, provider)
        elif _matters(sighting, event, witness):
            alone = Alone(
                event.id,
                event.source,
                event.session,
                provider,
                event.operation,
                event.target,
                event.op_class,
                witness == PLATFORM,
                event.at_ms,
                seen_ms,
            )
            self._put(event.act, alone)

    def due(self, now_ms: int) -> list[Registration]:
        """Of which acts the other side has said nothing by now."""
        out: list[Registration] = []
        while (first := self.alone.oldest()) is not None and first[1].seen_ms + WAIT_MS <= now_ms:
            act, alone = first
            self._pop(act)
            if self._both(act) or act not in self._acts or self._left_over(alone):
                continue
            if not alone.by_platform and (self.heard.peek(alone.provider) or 0) < alone.at_ms + LATE_MS:
                if alone.tries < TRIES_MAX:
                    self._put(act, replace(alone, seen_ms=now_ms, tries=alone.tries + 1))
            elif (self.together.get(_speaks(alone)) or 0) >= TOGETHER_MIN:
                out.append(self._said(alone, now_ms))
        return out

    def _put(self, act: str, alone: Alone) -> None:
        self._pop(act)
        self.alone.put(act, alone)
        self._by_run.setdefault(_run(alone), {})[act] = None
        if len(self.alone) > ALONE_MAX and (oldest := self.alone.oldest()) is not None:
            self._pop(oldest[0])

    def _pop(self, act: str) -> Alone | None:
        alone = self.alone.pop(act)
        waiting = self._by_run.get(_run(alone)) if alone is not None else None
        if alone is not None and waiting is not None:
            waiting.pop(act, None)
            if not waiting:
                del self._by_run[_run(alone)]
        return alone

    def _left_over(self, alone: Alone) -> bool:
        """Whether the other side has an act of the kind left over as well: then the two are one."""
        for act in self._by_run.get(_run(alone), ()):
            other = self.alone.peek(act)
            if (
                other is not None
                and other.by_platform is not alone.by_platform
                and other.op_class is alone.op_class
                and abs(other.at_ms - alone.at_ms) <= NEAR_MS
            ):
                self._pop(act)
                return True
        return False

    def _both(self, act: str) -> bool:
        known = self._acts.peek(act)
        return known is not None and bool(known.seen_by & PLATFORM and known.seen_by & (AGENT | SERVER))

    def _told_together(self, first: Alone | None, event: Operation, witness: int, provider: str) -> None:
        keys = [f"{event.session}|{provider}"]
        if witness == AGENT:
            keys.append(f"|{provider}|{event.operation}")
        elif first is not None and not first.by_platform:
            keys.append(_speaks(first))
        for key in keys:
            count = self.together.get(key) or 0
            if count < TOGETHER_MIN:
                self.together.put(key, count + 1)

    def _said(self, alone: Alone, now_ms: int) -> Registration:
        what = Registered.UNTOLD if alone.by_platform else Registered.UNRECORDED
        run = self._runs.of(alone.session)
        return Registration(
            id=stable_id(what, alone.source, alone.event),
            source=SOURCE,
            at_ms=alone.at_ms,
            seen_ms=now_ms,
            session=alone.session,
            workflow=run.workflow or alone.session,
            agent=run.agent,
            grade=Grade.INFERRED,
            what=what,
            reference=alone.event,
            targets=(alone.target,) if alone.target else (),
            facts={"operation": alone.operation, "source": alone.source},
        )


def _run(alone: Alone) -> str:
    return f"{alone.session}|{alone.provider}"


def _speaks(alone: Alone) -> str:
    """What shows that the other side would have told: that it did before."""
    if alone.by_platform:
        return _run(alone)
    return f"|{alone.provider}|{alone.operation}"


def _matters(sighting: Sighting, event: Operation, witness: int) -> bool:
    """Whether the other side's silence would say anything; a tool server's word has its agent's beside it."""
    if event.op_class not in GAINS or witness == SERVER:
        return False
    if witness == AGENT:
        return event.outcome is Outcome.OK  # some platforms do not record what they refuse
    logs_in = any(handle.kind in CREDENTIALS for handle in sighting.brings)
    return event.grade is Grade.ATTESTED and not logs_in
