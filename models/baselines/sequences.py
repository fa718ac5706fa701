"""How surprising the next operation is, given up to five before it, in bits.

A variable-order Markov model: interpolated Witten-Bell from order 0 to `ORDER` over the broader cohort, then
again over the narrower one, so that a history seen too seldom falls back on a shorter one, and a job seen too
seldom on its agent. The pause before it is scored beside it, P(gap | op class), Laplace.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from math import log2
from typing import Any, Final

from models.baselines.cohorts import EVERYBODY, SEPARATOR, SESSIONS_MIN
from models.baselines.counts import (
    GAPS_MS,
    ORDER,
    REPEATS_EXACT,
    START,
    CohortCounts,
    History,
    add_to,
    repeat_bucket,
    symbol_of,
)
from models.baselines.table import Cells, Numbering, Table, numbering_of
from models.event import OpClass

MEMORY: Final = 0.7
"""Share of the old average that stays at each event: peaks of a few odd events in a row stand out."""


WORTH_MIN = 2
"""A history that came so often is worth being told apart by what was before it."""


def averaged(average: float, surprise: float) -> float:
    """The session's decayed average after one more event."""
    return MEMORY * average + (1.0 - MEMORY) * surprise


def count_next(history: History, back: Sequence[str], symbol: str) -> None:
    """Count what came after the `ORDER` symbols of `back`, newest first.

    A history of two symbols or more is begun when the one shorter by its oldest had been seen twice before:
    what it could tell until then, the shorter one tells. So memory grows with what repeats.
    """
    begun = False
    for place, oldest in enumerate(back):
        before, row = history.seen, history.next
        history.seen = before + 1
        row[symbol] = row.get(symbol, 0) + 1
        if begun:
            return
        longer = history.older.get(oldest)
        if longer is None:
            if place > 0 and before < WORTH_MIN:
                return
            longer = history.older[oldest] = History()
            begun = place > 0
        history = longer
    history.seen += 1
    add_to(history.next, symbol)


REMEMBERED_MAX: Final = 65_536
"""Steps whose chances are remembered, over all jobs: some 30 MB. What agents do again and again fits in."""


TIMES: Final = SEPARATOR
"""Before a symbol: how often it came next. No symbol begins so: names hold no control characters."""


Known = tuple[float, int, Cells, tuple[str, ...]]
"""Of a step: its chance by the broad cohorts; its cell, and those of the way there, in the table of a narrow
one; the symbols that the next step has before it."""


class Steps:
    """What the broad cohorts of some agents say of steps, as far as it is remembered, and where it stands."""

    __slots__ = ("known", "numbering")

    def __init__(self, narrowest: History) -> None:
        """`narrowest` of these cohorts: its history of no symbols."""
        self.known: dict[tuple[str, ...], Known] = {}
        """By step: a symbol and those before it, newest last."""
        self.numbering: Numbering | None = numbering_of(narrowest)

    def forget(self) -> None:
        """Make room."""
        self.known.clear()
        if self.numbering is not None:
            self.numbering.forget()


DISTINCT: Final = ""
TOTAL: Final = TIMES


class Pace:
    """Bits of one cohort's pauses and repeats."""

    __slots__ = ("first", "gaps", "never", "repeats")

    def __init__(self, paced: CohortCounts) -> None:
        sessions = paced.sessions + 1
        timed = [op_class for op_class in OpClass if op_class in paced.gaps]
        self.gaps = {op_class: _smoothed_bits(paced.gaps[op_class]) for op_class in timed}
        """By members of the enum, not by texts: a member is then found in half the time."""
        self.repeats = {
            symbol: [log2(sessions / (reached + 1)) for reached in row]
            for symbol, row in paced.repeats.items()
        }
        self.first = {symbol: row[:REPEATS_EXACT] for symbol, row in self.repeats.items()}
        """The bits of so many repeats; more are looked up by bucket."""
        self.never = log2(sessions)

    def gap_bits(self, op_class: OpClass, gap_ms: int) -> float:
        """Surprise of the pause before an operation of this class; 0 for a class never timed."""
        row = self.gaps.get(op_class)
        return row[bisect_right(GAPS_MS, gap_ms)] if row is not None else 0.0

    def repeat_bits(self, symbol: str, times: int) -> float:
        """Surprise of a session in which `symbol` comes at least so often."""
        row = self.repeats.get(symbol, ())
        place = (times if times <= REPEATS_EXACT else repeat_bucket(times)) - 1
        return row[place] if place < len(row) else self.never


class Shared:
    """What the expectations of one model have in common: kept once, it stays in the processor's cache."""

    def __init__(self, cohorts: Mapping[str, CohortCounts]) -> None:
        self.cohorts = cohorts
        self.everybody = cohorts.get(EVERYBODY, CohortCounts())
        split = ((symbol, *symbol.rpartition("|")) for symbol in self.everybody.after.next)
        self._symbols = {(operation, kind): symbol for symbol, operation, _, kind in split}
        """By operation and kind of target: each as one object, so that a session need not keep its own."""
        self.times = {symbol: TIMES + symbol for symbol in self.everybody.after.next}
        self._steps: dict[tuple[str, ...], Steps] = {}
        """By cohorts. Forgotten as a whole when full."""
        self._count = 0
        self._paces: dict[str, Pace] = {}

    def symbol(self, operation: str, target_kind: str) -> str:
        """What operations of a kind are called in a sequence."""
        known = self._symbols.get((operation, target_kind))
        return known if known is not None else symbol_of(operation, target_kind)

    def steps(self, keys: tuple[str, ...]) -> Steps:
        """What these cohorts, broad to narrow, say of steps."""
        steps = self._steps.get(keys)
        if steps is None:
            narrowest = self.cohorts[keys[-1]] if keys else self.everybody
            steps = self._steps[keys] = Steps(narrowest.after)
        return steps

    def remember(self) -> None:
        """One step more is remembered."""
        if self._count >= REMEMBERED_MAX:
            self._count = 0
            for each in self._steps.values():
                each.forget()
        self._count += 1

    def pace(self, keys: Sequence[str]) -> Pace:
        """Of the narrowest of these cohorts that was seen enough; else of the broadest."""
        seen = [key for key in keys if self.cohorts[key].sessions >= SESSIONS_MIN]
        key = seen[-1] if seen else keys[0] if keys else EVERYBODY
        pace = self._paces.get(key)
        if pace is None:
            pace = self._paces[key] = Pace(self.cohorts.get(key, self.everybody))
        return pace


class SequenceModel:
    """Bits of surprise of one cohort's sequences: a walk down each cohort's histories.

    What the broad cohorts say of a step is remembered, since it is the same for all their members; the walk
    down the narrowest is made each time: to remember it for every agent would cost more than it is.
    """

    __slots__ = ("_broad", "_everybody", "_narrow", "_shared", "_steps", "_times", "known", "table")

    def __init__(self, shared: Shared, keys: tuple[str, ...]) -> None:
        """`keys` are the cohorts, broad to narrow."""
        own = [shared.cohorts[key].after for key in keys]
        self._everybody = shared.everybody.after
        self._broad = own[:-1] or own
        self._times = shared.times
        self._shared = shared
        self._steps = shared.steps(keys[:-1] or keys)
        self.known = self._steps.known
        """What is remembered of steps: `worked_out` says the others."""
        numbering, narrowest = self._steps.numbering, own[-1] if len(own) > 1 else None
        self.table: Table | None = None
        """The narrowest cohort's, where it has one."""
        self._narrow: dict[str, Any] | None = None
        if narrowest is not None and numbering is not None and numbering.holds(narrowest):
            self.table = Table(narrowest, numbering)
        elif narrowest is not None:
            self._narrow = _packed(narrowest)

    def bits(self, step: tuple[str, ...]) -> float:
        """Surprise of the last symbol after those before it, newest last, at most `ORDER` of them."""
        chance, wanted, way, _ = self.known.get(step) or self.worked_out(step)
        if self.table is not None:
            chance = self.table.chance(step, wanted, way, chance)
        else:
            chance = self.narrowed(step, chance)
        return 0.0 - log2(chance)  # of 1 not -0

    def narrowed(self, step: tuple[str, ...], chance: float) -> float:
        """What the narrowest cohort makes of the chance that the broad ones give, where it has no table."""
        return chance if self._narrow is None else self._narrowly(self._narrow, step, chance)

    def worked_out(self, step: tuple[str, ...]) -> Known:
        """A step that is not remembered, and is from now on."""
        before, symbol = step[:-1], step[-1]
        wanted = 0
        way: Cells = ()
        numbering = self._steps.numbering
        if numbering is not None:
            wanted, way = numbering.place(symbol), numbering.way(before)
        self._shared.remember()
        after = step if len(step) <= ORDER else step[1:]
        found = self.known[step] = self._broadly(before, symbol), wanted, way, after
        return found

    def _narrowly(self, node: dict[str, Any], step: tuple[str, ...], chance: float) -> float:
        """`_walked` down packed histories."""
        symbol = step[-1]
        times, place, length = self._times.get(symbol) or TIMES + symbol, 1, len(step)
        while True:
            distinct: int = node[DISTINCT]
            if distinct:
                seen: int = node.get(times, 0)
                total: int = node[TOTAL]
                chance = (seen + distinct * chance) / total
            place += 1
            before = step[-place] if place <= length else START
            longer = node.get(before)
            if type(longer) is not dict:
                if type(longer) is not History:
                    return chance
                longer = node[before] = _packed(longer)
            node = longer

    def _broadly(self, symbols: Sequence[str], symbol: str) -> float:
        """The chance of a step by everybody, then by all cohorts but the narrowest."""
        everybody = self._everybody
        distinct = len(everybody.next)
        if not distinct:
            return 1.0
        chance = everybody.next.get(symbol, 0) + distinct / (distinct + 1)
        chance /= everybody.seen + distinct
        for root in self._broad:
            chance = _walked(root, symbols, symbol, chance)
        return chance


def _packed(history: History) -> dict[str, Any]:
    """A history as one dictionary, for those that are walked down each time: half as much memory to visit.

    Longer ones stand in it by their oldest symbol, and are packed when they are first walked to.
    """
    node: dict[str, Any] = {DISTINCT: len(history.next), TOTAL: history.seen + len(history.next)}
    node |= {name: longer for name, longer in history.older.items() if not name.startswith(TIMES)}
    node |= {TIMES + name: times for name, times in history.next.items()}
    return node


def _walked(history: History | None, symbols: Sequence[str], symbol: str, chance: float) -> float:
    """The chance, interpolated from no history to the longest that one cohort has seen."""
    place, length = 0, len(symbols)
    while history is not None:
        row = history.next
        if row:
            distinct = len(row)
            chance = (row.get(symbol, 0) + distinct * chance) / (history.seen + distinct)
        place += 1
        history = history.older.get(symbols[-place] if place <= length else START)
    return chance


def _smoothed_bits(row: list[int]) -> list[float]:
    """One pseudo-count a bucket (Laplace): a pause never seen is odd, not impossible."""
    total = sum(row) + len(row)
    return [-log2((n + 1) / total) for n in row]
