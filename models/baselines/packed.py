"""How counts stand in the file, as records: every name once, rows as flat lists of numbers."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from models.baselines.counts import GAPS_MS, ArgumentCounts, CohortCounts, History, Row

Natural = Annotated[int, Meta(ge=0)]
Flat = list[Natural]
"""A row: number of a name, how often, number of a name, how often, and so on."""


class Names(dict[str, int]):
    """The strings of a file, each told once and then by its number: `names[name]`, in the order they came."""

    def __missing__(self, name: str) -> int:
        """The next number."""
        place = self[name] = len(self)
        return place


class PackedHistory(Struct, array_like=True, gc=False):
    """What came after one history, and what is longer than it: each of those is read when it is walked to."""

    next: Flat
    older: dict[Natural, Raw] = {}


class PackedArgument(Struct, array_like=True, gc=False):
    """Where the values of one argument came from."""

    origins: Flat
    sources: Flat = []
    fields: dict[Natural, Flat] = {}
    shapes: dict[Natural, Flat] = {}


class PackedCohort(Struct, array_like=True, gc=False):
    """What the sessions of one cohort did."""

    sessions: Natural
    after: PackedHistory
    arguments: dict[Natural, Raw]
    """By operation: the `PackedArgument` of each of its arguments."""
    gaps: dict[str, Annotated[Flat, Meta(min_length=len(GAPS_MS) + 1, max_length=len(GAPS_MS) + 1)]]
    repeats: dict[Natural, Flat]


_encoder = msgspec.json.Encoder()
cohort_of = msgspec.json.Decoder(PackedCohort).decode
arguments_of = msgspec.json.Decoder(dict[Natural, PackedArgument]).decode
history_of = msgspec.json.Decoder(PackedHistory).decode


def pack(cohort: CohortCounts, names: Names) -> Raw:
    """A cohort as it stands in the file."""
    told = [
        cohort.sessions,
        _packed_history(cohort.after, names),
        {
            names[operation]: {names[name]: _packed_argument(counts, names) for name, counts in row.items()}
            for operation, row in cohort.arguments.items()
        },
        cohort.gaps,
        {names[symbol]: row for symbol, row in cohort.repeats.items()},
    ]
    return Raw(_encoder.encode(told))


def _flat(row: Row, names: Names) -> list[int]:
    if len(row) == 1:  # as most are
        ((symbol, times),) = row.items()
        return [names[symbol], times]
    told: list[int] = []
    for symbol, times in row.items():
        told += (names[symbol], times)
    return told


def _packed_history(history: History, names: Names) -> list[Any]:
    row = _flat(history.next, names)
    if not history.older:
        return [row]
    return [
        row,
        {names[name]: _packed_history(longer, names) for name, longer in history.older.items()},
    ]


def _packed_argument(counts: ArgumentCounts, names: Names) -> list[Any]:
    if not counts.sources:
        return [_flat(counts.origins, names)]
    fields, shapes = (
        {names[key]: _flat(row, names) for key, row in rows.items()}
        for rows in (counts.fields, counts.shapes)
    )
    return [_flat(counts.origins, names), _flat(counts.sources, names), fields, shapes]
