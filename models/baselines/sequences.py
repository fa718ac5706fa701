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
)

MEMORY: Final = 0.7
"""Share of the old average that stays at each event: peaks of a few odd events in a row stand out."""


WORTH_MIN = 2
"""A history that came so often is worth being told apart by what was before it."""


def averaged(average: float, surprise: float) -> float:
    """The session's decayed average after one more event."""
    return MEMORY * average + (1.0 - MEMORY) * surprise


def count_next(history: History, symbols: Sequence[str], symbol: str) -> None:
    """Count what came after `symbols`, newest last.

    A history of two symbols or more is begun when the one shorter by its oldest had been seen twice before:
    what it could tell until then, the shorter one tells. So memory grows with what repeats.
    """
    worth = True
    for place in range(ORDER + 1):
        before, history.seen = history.seen, history.seen + 1
        add_to(history.next, symbol)
        if not worth or place == ORDER:
            return
        oldest = symbols[-1 - place] if place < len(symbols) else START
        longer = history.older.get(oldest)
        if longer is None:
            if place > 0 and before < WORTH_MIN:
                return
            longer = history.older[oldest] = History()
            worth = place == 0
        history = longer


def count_known(total: History, held: History, symbols: Sequence[str], symbol: str) -> None:
    """Count in `held` what `total` counts as well: what is held out of it."""
    for place in range(ORDER + 1):
        if symbol not in total.next:
            return
        held.seen += 1
        add_to(held.next, symbol)
        if place == ORDER:
            return
        oldest = symbols[-1 - place] if place < len(symbols) else START
        longer = total.older.get(oldest)
        if longer is None:
            return
        total, held = longer, held.older.setdefault(oldest, History())


def count_gap(cohort: CohortCounts, op_class: str, gap_ms: int) -> None:
    """Count a pause."""
    row = cohort.gaps.get(op_class)
    if row is None:
        row = cohort.gaps[op_class] = [0] * (len(GAPS_MS) + 1)
    row[bisect_right(GAPS_MS, gap_ms)] += 1


REMEMBERED_MAX: Final = 65_536
"""Steps whose chances are remembered, over all jobs: some 20 MB. What agents do again and again fits in."""


TIMES: Final = SEPARATOR
"""Before a symbol: how often it came next. No symbol begins so: names hold no control characters."""
DISTINCT: Final = ""
TOTAL: Final = TIMES


class Pace:
    """Bits of one cohort's pauses and repeats."""

    __slots__ = ("gaps", "never", "repeats")

    def __init__(self, paced: CohortCounts) -> None:
        sessions = paced.sessions + 1
        self.gaps = {op_class: _smoothed_bits(row) for op_class, row in paced.gaps.items()}
        self.repeats = {
            symbol: [log2(sessions / (reached + 1)) for reached in row]
            for symbol, row in paced.repeats.items()
        }
        self.never = log2(sessions)

    def gap_bits(self, op_class: str, gap_ms: int) -> float:
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
        self.symbols = {symbol: symbol for symbol in self.everybody.after.next}
        """Symbols that are known, each as one object, so that a session need not keep one of its own."""
        self.times = {symbol: TIMES + symbol for symbol in self.symbols}
        self.chances: dict[tuple[int | str, ...], float] = {}
        """Number of some cohorts and the symbols of a step: its chance. Forgotten as a whole when full."""
        self._numbers: dict[tuple[str, ...], int] = {}
        self._paces: dict[str, Pace] = {}

    def number(self, keys: tuple[str, ...]) -> int:
        """A number for these cohorts."""
        return self._numbers.setdefault(keys, len(self._numbers))

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

    __slots__ = ("_broad", "_chances", "_everybody", "_narrow", "_number", "_times")

    def __init__(self, shared: Shared, keys: tuple[str, ...]) -> None:
        """`keys` are the cohorts, broad to narrow."""
        own = [shared.cohorts[key].after for key in keys]
        self._everybody = shared.everybody.after
        self._broad = own[:-1] or own
        self._narrow = _packed(own[-1]) if len(own) > 1 else None
        self._times = shared.times
        self._chances = shared.chances
        self._number = shared.number(keys[:-1] or keys)

    def bits(self, symbols: list[str], symbol: str) -> float:
        """Surprise of `symbol` after `symbols`, newest last, at most `ORDER` of them."""
        step: tuple[int | str, ...] = (self._number, *symbols, symbol)
        chance = self._chances.get(step)
        if chance is None:
            if len(self._chances) >= REMEMBERED_MAX:
                self._chances.clear()
            chance = self._chances[step] = self._broadly(symbols, symbol)
        node = self._narrow
        if node is None:
            return 0.0 - log2(chance)  # of 1 not -0
        times, place, length = self._times.get(symbol) or TIMES + symbol, 0, len(symbols)
        while True:  # as `_walked`
            distinct: int = node[DISTINCT]
            if distinct:
                seen: int = node.get(times, 0)
                total: int = node[TOTAL]
                chance = (seen + distinct * chance) / total
            place += 1
            before = symbols[-place] if place <= length else START
            longer = node.get(before)
            if type(longer) is not dict:
                if type(longer) is not History:
                    return 0.0 - log2(chance)
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
