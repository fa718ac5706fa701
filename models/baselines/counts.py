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
