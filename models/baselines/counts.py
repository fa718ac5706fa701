"""What was counted of a cohort's sessions; the part of the artifact that surprise is computed from."""

from collections.abc import Iterable
from math import log2
from typing import Annotated

from msgspec import Meta, Struct, field

from models.baselines.cohorts import SEPARATOR

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


def histories(symbols: list[str]) -> list[str]:
    """Keys of the contexts that end in the newest of `symbols`, from none of them to `ORDER` of them."""
    padded = [START] * (ORDER - len(symbols)) + symbols[-ORDER:]
    keys, key = [""], ""
    for symbol in reversed(padded):
        key = f"{symbol}{SEPARATOR}{key}"
        keys.append(key)
    return keys


REPEATS_EXACT = 16


def repeat_bucket(times: int) -> int:
    """Bucket of a number of repeats: exact up to 16, then eight to the octave."""
    return times if times <= REPEATS_EXACT else REPEATS_EXACT + int(8 * log2(times / REPEATS_EXACT))


class ArgumentCounts(Struct, array_like=True):
    """Where the values of one argument came from."""

    origins: Row = field(default_factory=dict)
    """`tool`, or `other` for all the rest."""
    sources: Row = field(default_factory=dict)
    """Of `tool`: operation whose result held the value."""
    fields: dict[str, Row] = field(default_factory=dict)
    """Source operation: field of its result."""
    shapes: dict[str, Row] = field(default_factory=dict)
    """Source operation and field: `=` the whole field, `in` a part of it, `text`, `token`."""


class CohortCounts(Struct, array_like=True):
    """What the sessions of one cohort did."""

    sessions: int = 0
    after: dict[str, Row] = field(default_factory=dict)
    """History (newest last, each symbol followed by U+001F): next symbol: how often."""
    arguments: dict[str, dict[str, ArgumentCounts]] = field(default_factory=dict)
    """Operation: argument: its origins."""
    gaps: dict[str, list[int]] = field(default_factory=dict)
    """Op class: how often each gap bucket came before it."""
    repeats: dict[str, list[int]] = field(default_factory=dict)
    """Symbol: per bucket of repeats (from 1), in how many sessions it came at least so often."""


def add_to(row: Row, symbol: str, times: int = 1) -> None:
    """Count."""
    row[symbol] = row.get(symbol, 0) + times


def merged(parts: Iterable[CohortCounts]) -> CohortCounts:
    """The sum of what was counted apart."""
    total = CohortCounts()
    for part in parts:
        total.sessions += part.sessions
        _add_rows(total.after, part.after)
        for operation, arguments in part.arguments.items():
            known = total.arguments.setdefault(operation, {})
            for name, counts in arguments.items():
                _add_argument(known.setdefault(name, ArgumentCounts()), counts)
        for sums, lists in ((total.gaps, part.gaps), (total.repeats, part.repeats)):
            for name, numbers in lists.items():
                sums[name] = _added(sums.get(name, []), numbers)
    return total


def _add_argument(known: ArgumentCounts, counts: ArgumentCounts) -> None:
    for row, more in ((known.origins, counts.origins), (known.sources, counts.sources)):
        for symbol, times in more.items():
            add_to(row, symbol, times)
    _add_rows(known.fields, counts.fields)
    _add_rows(known.shapes, counts.shapes)


def _add_rows(rows: dict[str, Row], more: dict[str, Row]) -> None:
    for key, row in more.items():
        known = rows.get(key)
        if known is None:
            rows[key] = dict(row)
            continue
        for symbol, times in row.items():
            known[symbol] = known.get(symbol, 0) + times


def _added(one: list[int], other: list[int]) -> list[int]:
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    return [n + (shorter[k] if k < len(shorter) else 0) for k, n in enumerate(longer)]
