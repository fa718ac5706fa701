"""A cohort's histories in one list: what is walked down at each event lies close together.

Row by row: a cell a symbol says how often it came next, another one where the row of the history lies that is
longer by it. Dictionaries, one a history, are walked in twice the time: each is a place in memory of its own.
"""

from collections.abc import Iterator
from typing import Any, Final

from models.baselines.counts import ORDER, START, History

SYMBOLS_MAX: Final = 24
"""A cohort of more symbols has most cells empty: its histories stay dictionaries."""

UNSEEN: Final = 2
"""Cell of whatever is no symbol of the cohort: it never came next."""

NONE: Final = 0
"""In place of a longer history that was never seen; the first row is longer than none."""

NOT_LAID: Final = -1
"""In place of one that was not asked for: it is read, and laid out, when it is first walked to."""

ENDS: Final = -2
"""In place of the first that none is longer than; less by one for each after it. Such a history, half of all,
needs no row: the walk ends there."""

_PLACES: Final = tuple(range(65_536))
_COUNTS: Final = tuple(map(float, range(4_096)))
"""One object for each small number: those of 500 cohorts would be in no cache."""


class Table:
    """One cohort. A row: how many symbols came next; all counts and those, summed; then the cells.

    Counts are floats, as chances are. Where nothing came next both numbers are 1: a chance stays as it is.
    """

    __slots__ = ("_counts", "_ends", "_laid", "_longer", "_rows", "_width")

    def __init__(self, history: History) -> None:
        """`history` is the one of no symbols: all that ever came next, came next after it."""
        symbols = (*history.next, START)
        self._counts = {symbol: UNSEEN + 1 + place for place, symbol in enumerate(symbols)}
        """Cell of how often a symbol came next."""
        self._longer = {symbol: cell + len(symbols) for symbol, cell in self._counts.items()}
        """Cell of where the row is that is longer by a symbol."""
        self._width = UNSEEN + 1 + 2 * len(symbols)
        self._rows: list[Any] = []
        self._laid: list[History] = []
        """Row by row."""
        self._ends: list[History] = []
        self._lay_out(history)

    def chance(self, step: tuple[str, ...], chance: float) -> float:
        """Of the last symbol after those before it, where `chance` is what broader cohorts say."""
        rows, longer, row = self._rows, self._longer, 0
        back = reversed(step)
        wanted = self._counts.get(next(back), UNSEEN)
        before = START
        try:
            for before in back:
                chance = (rows[row + wanted] + rows[row] * chance) / rows[row + 1]
                below: int = rows[row + longer[before]]
                if below <= NONE:
                    if below == NOT_LAID:
                        below = self._lay_longer(row, before)
                    if below <= NONE:
                        return self._last(below, step[-1], chance)
                row = below
        except KeyError:  # it never came next: it fails each time
            return self._beyond(self._laid[row // self._width], before, back, step[-1], chance)
        chance = (rows[row + wanted] + rows[row] * chance) / rows[row + 1]
        return chance if len(step) > ORDER else self._from_start(row, wanted, step[-1], chance)

    def _from_start(self, row: int, wanted: int, symbol: str, chance: float) -> float:
        """The rest of the way: before a session's first operation is its start, again and again."""
        rows, cell = self._rows, self._longer[START]
        while True:
            below: int = rows[row + cell]
            if below <= NONE:
                if below == NOT_LAID:
                    below = self._lay_longer(row, START)
                if below <= NONE:
                    return self._last(below, symbol, chance)
            row = below
            chance = (rows[row + wanted] + rows[row] * chance) / rows[row + 1]

    def _last(self, end: int, symbol: str, chance: float) -> float:
        """The last step of the way, if there is one."""
        return chance if end == NONE else _interpolated(self._ends[ENDS - end], symbol, chance)

    @staticmethod
    def _beyond(history: History, before: str, back: Iterator[str], symbol: str, chance: float) -> float:
        """The rest of the way, where no row leads."""
        longer = history.older.get(before)
        while longer is not None:
            chance = _interpolated(longer, symbol, chance)
            longer = longer.older.get(next(back, START))
        return chance

    def _lay_longer(self, row: int, symbol: str) -> int:
        """Lay out the history that is longer than a row's by a symbol, if there is one and it needs a row."""
        history = self._laid[row // self._width].older.get(symbol)
        if history is None:
            below = NONE
        elif history.older:
            below = self._lay_out(history)
        else:
            below = ENDS - len(self._ends)
            self._ends.append(history)
        self._rows[row + self._longer[symbol]] = below
        return below

    def _lay_out(self, history: History) -> int:
        """Where its row is."""
        symbols, distinct, place = len(self._counts), len(history.next), len(self._rows)
        row: list[Any] = [_COUNTS[0]] * (UNSEEN + 1 + symbols) + [NOT_LAID] * symbols
        row[0] = _count(distinct or 1)
        row[1] = _count(history.seen + distinct if distinct else 1)
        for symbol, times in history.next.items():
            row[self._counts.get(symbol, UNSEEN)] = _count(times)
        row[UNSEEN] = _COUNTS[0]
        self._rows += row
        self._laid.append(history)
        return _PLACES[place] if place < len(_PLACES) else place


def table_of(history: History) -> Table | None:
    """A table of a history of no symbols and of all longer ones, if they fit into one well."""
    return Table(history) if len(history.next) < SYMBOLS_MAX else None


def _interpolated(history: History, symbol: str, chance: float) -> float:
    """The chance of a symbol after a history, where `chance` is what shorter ones say."""
    distinct = len(history.next)
    if not distinct:
        return chance
    return (history.next.get(symbol, 0) + distinct * chance) / (history.seen + distinct)


def _count(number: int) -> float:
    return _COUNTS[number] if number < len(_COUNTS) else float(number)
