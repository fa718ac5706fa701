"""What was counted of a cohort's sessions; the part of the artifact that surprise is computed from."""

from collections.abc import Mapping, MutableMapping
from math import log2
from typing import Annotated

from msgspec import Meta, Struct, field

from models.baselines.calibration import Calibration
from models.baselines.joint import Together

START = "<start>"
END = "<end>"
ORDER = 5
"""Symbols of history, at most. Interpolation forgets what it saw too seldom: held-out likelihood still rose
at 5 on long sessions and did not fall on short ones (`docs/baselines.md`)."""

GAPS_MS = (100, 1_000, 10_000, 60_000, 600_000)
"""Upper edges of the time-gap buckets; what is longer falls into one more."""

Count = Annotated[int, Meta(ge=1)]
Row = dict[str, Count]


def symbol_of(operation: str, target_kind: str) -> str:
    """What the sequence model sees of an operation."""
    return f"{operation}|{target_kind}"


REPEATS_EXACT = 16


def repeat_bucket(times: int) -> int:
    """Bucket of a number of repeats: exact up to 16, then eight to the octave."""
    return times if times <= REPEATS_EXACT else REPEATS_EXACT + int(8 * log2(times / REPEATS_EXACT))


class History(Struct, array_like=True, gc=False):
    """What came after one history, and the histories that are longer by one older symbol."""

    seen: int = 0
    """How often it was seen: the sum of `next`."""
    next: Row = field(default_factory=dict)
    """Symbol that came next: how often."""
    older: "MutableMapping[str, History]" = field(default_factory=dict)
    """Symbol before this history: the longer one. Of a file, read when it is walked to."""


class ArgumentCounts(Struct, array_like=True, gc=False):
    """Where the values of one argument came from."""

    origins: Row = field(default_factory=dict)
    """`tool`, or `other` for all the rest."""
    sources: Row = field(default_factory=dict)
    """Of `tool`: operation whose result held the value."""
    fields: dict[str, Row] = field(default_factory=dict)
    """Source operation: field of its result."""
    shapes: dict[str, Row] = field(default_factory=dict)
    """Source operation and field: `=` the whole field, `in` a part of it, `text`, `token`."""


class CohortCounts(Struct, weakref=True):
    """What the sessions of one cohort did."""

    sessions: int = 0
    after: History = field(default_factory=History)
    """What came after no history at all; longer ones hang below it."""
    arguments: MutableMapping[str, dict[str, ArgumentCounts]] = field(default_factory=dict)
    """Operation: argument: its origins. Of a file, read when an operation is asked for."""
    gaps: dict[str, list[int]] = field(default_factory=dict)
    """Op class: how often each gap bucket came before it."""
    repeats: dict[str, list[int]] = field(default_factory=dict)
    """Symbol: per bucket of repeats (from 1), in how many sessions it came at least so often."""


class SurpriseCounts(Struct, kw_only=True):
    """What is learned of sequences and origins; in the file: `surprise_file.PackedSurprise`."""

    sessions: dict[str, int]
    """Cohort: sessions that taught."""
    cohorts: Mapping[str, CohortCounts]
    together: Together
    """What held-out sessions reached, by every score that is calibrated together with surprise."""
    score_with_end: Calibration


def add_to(row: Row, symbol: str, times: int = 1) -> None:
    """Count."""
    row[symbol] = row.get(symbol, 0) + times


def without(total: CohortCounts, held_out: CohortCounts) -> CohortCounts:
    """What is left of `total` without what `held_out` counted. Rows that stay as they are, are shared."""
    arguments = dict(total.arguments)
    for operation, held in held_out.arguments.items():
        known = arguments[operation]
        arguments[operation] = known | {
            name: _argument_without(known[name], counts) for name, counts in held.items()
        }
    return CohortCounts(
        sessions=total.sessions - held_out.sessions,
        after=_history_without(total.after, held_out.after),
        arguments=arguments,
        gaps=_lists_without(total.gaps, held_out.gaps),
        repeats=_lists_without(total.repeats, held_out.repeats),
    )


def _history_without(total: History, held_out: History) -> History:
    left = _row_without(total.next, held_out.next)
    older = {name: _history_without(total.older[name], history) for name, history in held_out.older.items()}
    return History(sum(left.values()), left, {**total.older, **older})


def _argument_without(total: ArgumentCounts, held_out: ArgumentCounts) -> ArgumentCounts:
    return ArgumentCounts(
        _row_without(total.origins, held_out.origins),
        _row_without(total.sources, held_out.sources),
        _rows_without(total.fields, held_out.fields),
        _rows_without(total.shapes, held_out.shapes),
    )


def _rows_without(total: dict[str, Row], held_out: dict[str, Row]) -> dict[str, Row]:
    return total | {key: _row_without(total[key], row) for key, row in held_out.items()}


def _row_without(total: Row, held_out: Row) -> Row:
    left = ((symbol, times - held_out.get(symbol, 0)) for symbol, times in total.items())
    return {symbol: times for symbol, times in left if times > 0}


def _lists_without(total: dict[str, list[int]], held_out: dict[str, list[int]]) -> dict[str, list[int]]:
    return total | {
        key: [n - numbers[k] if k < len(numbers) else n for k, n in enumerate(total[key])]
        for key, numbers in held_out.items()
    }
