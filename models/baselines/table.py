"""A cohort's histories in one list: what is walked down at each event lies close together.

Row by row: a cell a symbol says how often it came next, the one after it which row is the history's that is
longer by it. Dictionaries, one a history, are walked in twice the time: each is a place in memory of
its own. Which cells are whose is the same for all parts of a broader cohort, so it is found out once for a
step of any of them (`Numbering`).
"""

from collections.abc import Sequence
from typing import Any, Final

from models.baselines.counts import ORDER, START, History

SYMBOLS_MAX: Final = 32
"""A cohort of more symbols has most cells empty: histories of its parts stay dictionaries."""

UNSEEN: Final = 2
"""Cell of whatever is no symbol of the cohort: it never came next."""

BEYOND: Final = 3
"""Cell of which row is longer by it: no row leads there, a history may (it fails each time)."""

FIRST: Final = 4

NOT_LAID: Final = True
"""In place of one that was not asked for: it is read, and laid out, when it is first walked to."""

End = tuple[int, float, float]
"""In place of a row: a history that none is longer than, and after which one symbol always came. Its cell,
how often it came, and one more. Many are such: the walk ends there."""

Cells = tuple[int, ...]

_COUNTS: Final = tuple(map(float, range(4_096)))
"""One object for each small number: those of 500 cohorts would be in no cache."""


class Numbering:
    """Which cells of a row are whose, for all parts of one cohort."""

    __slots__ = ("_known", "_places", "symbols", "width")

    def __init__(self, history: History) -> None:
        """`history` is the cohort's of no symbols: all that ever came next, came next after it."""
        self.symbols = tuple(dict.fromkeys((START, *history.next)))
        self._places = {symbol: FIRST + 2 * place for place, symbol in enumerate(self.symbols)}
        self.width = FIRST + 2 * len(self.symbols)
        self._known: dict[Cells, Cells] = {}

    def holds(self, history: History) -> bool:
        """Whether all symbols of a cohort have cells."""
        return history.next.keys() <= self._places.keys()

    def place(self, symbol: str) -> int:
        """Cell of how often a symbol came next."""
        return self._places.get(symbol, UNSEEN)

    def way(self, before: Sequence[str]) -> Cells:
        """Cells that lead from row to row, by what was before; before the first operation is its start."""
        places = self._places
        told = [places[symbol] + 1 if symbol in places else BEYOND for symbol in before[::-1]]
        if len(told) < ORDER:
            told += [places[START] + 1] * (ORDER - len(told))
        way = tuple(told[:ORDER])
        return self._known.setdefault(way, way)

    def forget(self) -> None:
        """The steps of which the ways are known are forgotten."""
        self._known.clear()


class Table:
    """One cohort. A row: how many symbols came next; all counts and those, summed; then the cells.

    Counts are floats, as chances are. Where nothing came next both numbers are 1: a chance stays as it is.
    """

    __slots__ = ("_laid", "_numbering", "_rows", "_width")

    def __init__(self, history: History, numbering: Numbering) -> None:
        """`history` is the one of no symbols, all of which have cells."""
        self._numbering = numbering
        self._width = numbering.width
        self._rows: list[Any] = []
        self._laid: list[History] = []
        """Row by row."""
        self._lay_out(history)

    def chance(self, step: tuple[str, ...], wanted: int, way: Cells, chance: float) -> float:
        """Of the last symbol after those before it, where `chance` is what broader cohorts say.

        `wanted` and `way` are its cell and theirs.
        """
        rows, width, row = self._rows, self._width, 0
        seen: float  # their types are said so that the compiled fold adds machine numbers
        distinct: float
        total: float
        number: int
        for cell in way:
            seen, distinct, total = rows[row + wanted], rows[row], rows[row + 1]
            chance = (seen + distinct * chance) / total
            below = rows[row + cell]
            if type(below) is not int:
                if below is NOT_LAID:
                    if cell == BEYOND:
                        return _beyond(self._laid[row // width], step, way.index(cell), chance)
                    below = self._lay_longer(row, cell)
                if below is None:
                    return chance
                if type(below) is tuple:
                    seen, total = below[1] if below[0] == wanted else 0.0, below[2]
                    return (seen + chance) / total
            number = below
            row = number * width
        seen, distinct, total = rows[row + wanted], rows[row], rows[row + 1]
        return (seen + distinct * chance) / total

    def _lay_longer(self, row: int, cell: int) -> int | End | None:
        """Lay out the history that is longer than a row's by a symbol, if there is one and it needs a row."""
        symbol = self._numbering.symbols[(cell - FIRST) // 2]
        history = self._laid[row // self._width].older.get(symbol)
        below: int | End | None = None
        if history is not None and len(history.next) == 1 and not history.older:
            (only, times), more = next(iter(history.next.items())), history.seen + 1
            below = (self._numbering.place(only), _count(times), _count(more))
        elif history is not None:
            below = self._lay_out(history)
        self._rows[row + cell] = below
        return below

    def _lay_out(self, history: History) -> int:
        """The number of its row: most are small, and of each small number Python has one object for all."""
        distinct = len(history.next)
        row: list[Any] = [_COUNTS[0], NOT_LAID if history.older else None] * (self._width // 2)
        row[0] = _count(distinct or 1)
        row[1] = _count(history.seen + distinct if distinct else 1)
        for symbol, times in history.next.items():
            row[self._numbering.place(symbol)] = _count(times)
        row[UNSEEN] = _COUNTS[0]
        self._rows += row
        self._laid.append(history)
        return len(self._laid) - 1


def numbering_of(history: History) -> Numbering | None:
    """Cells for a cohort and its parts, if rows of so many are worth it; `history` is that of no symbols."""
    return Numbering(history) if len(history.next) < SYMBOLS_MAX else None


def _beyond(history: History, step: tuple[str, ...], place: int, chance: float) -> float:
    """The rest of the way, where no row leads: on from the symbol that is `place` before the last but one."""
    longer = history.older.get(step[-2 - place])
    while longer is not None:
        chance = _interpolated(longer, step[-1], chance)
        place += 1
        longer = longer.older.get(step[-2 - place] if place + 2 <= len(step) else START)
    return chance


def _interpolated(history: History, symbol: str, chance: float) -> float:
    """The chance of a symbol after a history, where `chance` is what shorter ones say."""
    distinct = len(history.next)
    if not distinct:
        return chance
    return (history.next.get(symbol, 0) + distinct * chance) / (history.seen + distinct)


def _count(number: int) -> float:
    return _COUNTS[number] if number < len(_COUNTS) else float(number)
