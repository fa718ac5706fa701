"""What held-out sessions reach under what all others taught: cohort by cohort, broad to narrow.

A model without the fold is never put together. What a fold leaves of a row is worked out for whoever asks:
how many symbols, how often in all, and how often the one that is asked for. So each cohort is looked at once,
while it stands in memory as it was counted. What comes out is, to the bit, what `surprise.Expectation` says
by counts from which the fold was taken away.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import log2
from typing import Any, Generic, TypeVar

from msgspec import Struct

from models.baselines.cohorts import EVERYBODY, SEPARATOR, SESSIONS_MIN
from models.baselines.counting import (
    Member,
    Members,
    count_arguments,
    count_rest,
    counted,
    members,
    steps_of,
)
from models.baselines.counts import ArgumentCounts, CohortCounts, History, Row
from models.baselines.origins import ANY, NAME, TOOL, Leaf
from models.baselines.packed import Names, pack
from models.baselines.sequences import Pace, averaged
from models.baselines.stored import Cohorts
from models.baselines.surprise import SYMBOLS_MAX
from models.event import Outcome

RATES = 4
"""Chances of an argument's value: of its origin, its source, the field, the whole or a part."""


class Reached(Struct):
    """The running maxima of a session, in bits where nothing else is said."""

    score: float = 0.0
    score_with_end: float = 0.0
    shape: float = 0.0
    """Oddness of its shape, 0 to 100; filled in by `shape_learning`."""
    pace: float = 0.0
    """Its pace, in times its limit; filled in by `pace_held_out`."""
    haste: float | None = None
    """Of its fastest approval; None for a session without one."""
    resemblance: float | None = None
    """How much it looks like hijacked ones; None where no labels tell; by `resemblance_learning`."""


class Trail:
    """A session on its way through its cohorts."""

    __slots__ = ("_keys", "_next", "chances", "charged", "member", "pace", "pace_key")

    def __init__(self, member: Member, pace_key: str) -> None:
        """`pace_key`: the cohort whose pauses and repeats count."""
        self.member, self.pace_key = member, pace_key
        self.pace: Pace | None = None
        self.chances = array("d", [1.0]) * (1 + len(member.run) - len(member.deeds.failed))
        """Of each step, as far as the cohorts were asked."""
        self.charged = array("d", [-1.0]) * (RATES * len(member.deeds.said))
        """Of what was said of each argument; below 0 while no cohort has seen anything of the kind."""
        self._keys = (EVERYBODY, *member.keys)
        self._next = 0

    def awaits(self, key: str) -> bool:
        """Whether all broader cohorts were asked, and this one was not."""
        return self._next < len(self._keys) and self._keys[self._next] == key

    def passed(self) -> None:
        """One more cohort was asked."""
        self._next += 1

    def reached(self) -> Reached:
        """Once all were: as `Expectation.follow` and `score_of` have it, event by event."""
        assert self._next == len(self._keys)
        assert self.pace is not None
        origins, pace = self._origins(), self.pace
        average = peak = 0.0
        repeats: dict[str, int] = {}
        before_ms: int | None = None
        place = 0
        for event, symbol in zip(self.member.run, self.member.deeds.symbols, strict=True):
            if event.outcome is not Outcome.ERROR:
                found = 0.0 - log2(self.chances[place])
                if before_ms is not None:
                    found += pace.gap_bits(event.op_class, event.at_ms - before_ms)
                average = averaged(average, found)
                times = repeats.get(symbol, 0) + 1
                if times > 1 or len(repeats) < SYMBOLS_MAX:
                    repeats[symbol] = times
                peak = max(peak, origins.get(place, 0.0) + average, pace.repeat_bits(symbol, times))
                place += 1
            before_ms = event.at_ms
        return Reached(peak, max(peak, averaged(average, 0.0 - log2(self.chances[-1]))))

    def _origins(self) -> dict[int, float]:
        """Step: the oddest value of each source operation, summed over the sources."""
        oddest: dict[int, dict[str, float]] = defaultdict(dict)
        deeds = self.member.deeds
        for place, (step, (_, argument, leaf)) in enumerate(zip(deeds.said_at, deeds.said, strict=True)):
            if leaf is None:
                continue
            chances = self.charged[RATES * place : RATES * (place + 1)]
            told = [-log2(chance if chance >= 0.0 else 1.0) for chance in chances]
            found, source = told[0] + told[1] + told[2] + told[3], leaf[1] or argument
            if found > oddest[step].get(source, 0.0):
                oddest[step][source] = found
        return {step: sum(of_source.values(), 0.0) for step, of_source in oddest.items()}


class Node:
    """What a fold counted of one history, beside what all counted."""

    __slots__ = ("distinct", "next", "older", "seen", "total")

    def __init__(self, total: History) -> None:
        self.total = total
        self.next: Row = {}
        self.older: dict[str, Node] = {}
        self.distinct = -1
        """Symbols that the fold leaves; below 0 while nobody asked."""
        self.seen = 0
        """How often it leaves them, in all."""

    def count(self, back: Sequence[str], symbol: str) -> None:
        """Count a step in this history, and in the longer ones as far as all counted it."""
        node = self
        for before in back:
            if symbol not in node.total.next:
                return
            node.next[symbol] = node.next.get(symbol, 0) + 1
            longer = node.older.get(before)
            if longer is None:
                known = node.total.older.get(before)
                if known is None:
                    return
                longer = node.older[before] = Node(known)
            node = longer
        if symbol in node.total.next:
            node.next[symbol] = node.next.get(symbol, 0) + 1

    def chance(self, back: Sequence[str], symbol: str, chance: float) -> float:
        """Of a step by what is left, where `chance` is what broader cohorts say."""
        total, place = self.total, 0
        held: Node | None = self
        while True:
            times = total.next.get(symbol, 0)
            if held is None:
                distinct, seen = len(total.next), total.seen
            else:
                if held.distinct < 0:
                    held.distinct, held.seen = left_of(total.next, held.next)
                distinct, seen = held.distinct, held.seen
                times = max(0, times - held.next.get(symbol, 0)) if times else 0
            if distinct:
                chance = (times + distinct * chance) / (seen + distinct)
            longer = total.older.get(back[place]) if place < len(back) else None
            if longer is None:
                return chance
            held = held.older.get(back[place]) if held is not None else None
            total, place = longer, place + 1


def left_of(total: Row, held: Row) -> tuple[int, int]:
    """How many symbols a fold leaves of a row, and how often they were seen in all.

    It may have counted one more often than all did, who began a history only once it was worth it: then
    nothing of that is left.
    """
    distinct, seen = len(total), sum(total.values())
    for symbol, times in held.items():
        counted_there = total[symbol]
        if counted_there > times:
            seen -= times
        else:
            seen -= counted_there
            distinct -= 1
    return distinct, seen


class LeftOrigins:
    """What a fold leaves of one argument's origins."""

    __slots__ = ("_fields", "_held", "_origins", "_shapes", "_sources", "_tool", "_total")

    def __init__(self, total: ArgumentCounts, held: ArgumentCounts) -> None:
        self._total, self._held = total, held
        self._origins = left_of(total.origins, held.origins)
        self._tool = total.origins[TOOL] - held.origins[TOOL]
        self._sources = left_of(total.sources, held.sources)
        self._fields: dict[str, tuple[int, int]] = {}
        self._shapes: dict[str, tuple[int, int]] = {}

    def charge(self, charged: "array[float]", at: int, leaf: Leaf) -> None:
        """Bring the chances of a leaf, from `at` on, one row further: as `smoothing.probability` goes."""
        _, source, field, shape = leaf
        within = f"{source}{SEPARATOR}{field}"
        total, held = self._total, self._held
        fields, shapes = self._fields.get(source), self._shapes.get(within)
        if fields is None:
            fields = self._fields[source] = left_of(total.fields[source], held.fields[source])
        if shapes is None:
            shapes = self._shapes[within] = left_of(total.shapes[within], held.shapes[within])
        for offset, (distinct, seen), times in (
            (0, self._origins, self._tool),
            (1, self._sources, total.sources[source] - held.sources[source]),
            (2, fields, total.fields[source][field] - held.fields[source][field]),
            (3, shapes, total.shapes[within][shape] - held.shapes[within][shape]),
        ):
            if distinct:
                before = charged[at + offset]
                chance = before if before >= 0.0 else 1.0 / (distinct + 1)
                charged[at + offset] = (times + distinct * chance) / (seen + distinct)


class Left:
    """What a fold leaves of one cohort."""

    def __init__(self, key: str, total: CohortCounts, held: Sequence[Member]) -> None:
        self._key, self._total, self._sessions = key, total, held
        self._held = CohortCounts()
        self._root = Node(total.after)
        self._pace: Pace | None = None
        self._arguments: dict[tuple[str, str], LeftOrigins] = {}
        """By operation and argument."""
        self._everybodys: dict[Leaf, array[float]] = {}
        """What everybody's origins say, before whom nobody was asked."""
        self.nothing = total.sessions == len(held)
        """Where the fold was all there was, whoever asks hears no more than from broader cohorts."""
        if self.nothing:
            return
        count_arguments(self._held, key, held)
        for member in held:
            for back, symbol in steps_of(member.deeds):
                self._root.count(back if key != EVERYBODY else (), symbol)

    def ask(self, trail: Trail) -> None:
        """Bring what is known of a session up to this cohort."""
        if not self.nothing:
            self._ask_steps(trail)
            self._ask_origins(trail)
        if trail.pace_key == self._key:
            trail.pace = self._paced()
        trail.passed()

    def _ask_steps(self, trail: Trail) -> None:
        chances, root = trail.chances, self._root
        if self._key != EVERYBODY:
            for place, (back, symbol) in enumerate(steps_of(trail.member.deeds)):
                chances[place] = root.chance(back, symbol, chances[place])
            return
        distinct, seen = left_of(root.total.next, root.next)
        for place, (_, symbol) in enumerate(steps_of(trail.member.deeds)):
            times = root.total.next[symbol] - root.next.get(symbol, 0)
            chances[place] = (times + distinct / (distinct + 1)) / (seen + distinct)

    def _ask_origins(self, trail: Trail) -> None:
        everybody, charged = self._key == EVERYBODY, trail.charged
        named = everybody or self._key == trail.member.keys[0]
        for place, (operation, argument, leaf) in enumerate(trail.member.deeds.said):
            if leaf is None:
                continue
            if everybody:
                known = self._everybodys.get(leaf)
                if known is None:
                    known = self._everybodys[leaf] = array("d", [-1.0]) * RATES
                    self._origins(ANY, ANY).charge(known, 0, leaf)
                    self._origins(ANY, argument).charge(known, 0, leaf)
                charged[RATES * place : RATES * (place + 1)] = known
            elif named or argument != NAME:  # who spoke of an operation is no habit of a single job
                self._origins(operation, argument).charge(charged, RATES * place, leaf)

    def _origins(self, operation: str, argument: str) -> "LeftOrigins":
        place = (operation, argument)
        found = self._arguments.get(place)
        if found is None:
            total, held = (told.arguments[operation][argument] for told in (self._total, self._held))
            found = self._arguments[place] = LeftOrigins(total, held)
        return found

    def _paced(self) -> Pace:
        if self._pace is None:
            count_rest(self._held, self._sessions, timed=self._key != EVERYBODY)
            left = CohortCounts(
                sessions=self._total.sessions - len(self._sessions),
                gaps=_lists_without(self._total.gaps, self._held.gaps),
                repeats=_lists_without(self._total.repeats, self._held.repeats),
            )
            self._pace = Pace(left)
        return self._pace


def _lists_without(total: Mapping[str, list[int]], held: Mapping[str, list[int]]) -> dict[str, list[int]]:
    return {**total} | {
        key: [n - numbers[k] if k < len(numbers) else n for k, n in enumerate(total[key])]
        for key, numbers in held.items()
    }


Session = TypeVar("Session", bound=Member)


class Fold(Generic[Session]):
    """Sessions that are held out together, and how far those of them have come that are scored."""

    def __init__(
        self, held: Iterable[Session], scored: Sequence[Session], sessions: Mapping[str, int]
    ) -> None:
        """`sessions`: of all that taught, by cohort; everybody's are the sum of all."""
        self._held, self._scored = members(held), scored
        self._left = {key: sessions[key] - len(theirs) for key, theirs in self._held.items()}
        self._trails = [Trail(member, self._pace_key(member.keys)) for member in scored]
        self._waiting: dict[str, list[Trail]] = defaultdict(list)
        for trail in self._trails:
            for key in (EVERYBODY, *trail.member.keys):
                self._waiting[key].append(trail)

    def _pace_key(self, keys: Sequence[str]) -> str:
        """As `sequences.Shared.pace` chooses."""
        enough = [key for key in keys if self._left[key] >= SESSIONS_MIN]
        return enough[-1] if enough else keys[0] if keys else EVERYBODY

    def meet(self, key: str, cohort: CohortCounts) -> None:
        """Ask a cohort about those who have come so far."""
        waiting = self._waiting.pop(key, [])
        early = [trail for trail in waiting if not trail.awaits(key)]
        if early:
            self._waiting[key] = early
        if len(early) < len(waiting):
            left = Left(key, cohort, self._held[key])
            for trail in waiting:
                if trail.awaits(key):
                    left.ask(trail)

    def reached(self) -> list[tuple[Session, Reached]]:
        """Those that are scored, once every cohort was asked."""
        return [(member, trail.reached()) for member, trail in zip(self._scored, self._trails, strict=True)]

    @property
    def waited_for(self) -> Iterable[str]:
        """Cohorts that were met before broader ones, and have to be met again."""
        return self._waiting


def count_cohorts(by_key: Members, folds: Sequence[Fold[Any]]) -> Cohorts:
    """All cohorts, each packed as soon as it is counted and asked: so they take a tenth of the memory."""
    names, packed = Names(), {}
    for key, sessions in by_key.items():
        cohort = counted(key, sessions)
        packed[key] = pack(cohort, names)
        for fold in folds:
            fold.meet(key, cohort)
    again = {key for fold in folds for key in fold.waited_for}
    for key in sorted(again, key=lambda key: (-len(by_key[key]), key)):  # as `cohorts.levels` sorts
        cohort = counted(key, by_key[key])
        for fold in folds:
            fold.meet(key, cohort)
    return Cohorts(packed, list(names))
