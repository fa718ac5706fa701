"""How surprising the next operation is, in bits, given the one before it.

Interpolated Witten-Bell smoothing (Witten and Bell 1991): P(x|h) = (c(h,x) + d(h)·P(x)) / (c(h) + d(h)),
where c counts and d is the number of distinct successors of h; the unigram backs off the same way to a
uniform distribution over the symbols seen plus one for all others. The time gap is scored beside it:
P(gap | op class).
"""

from bisect import bisect_right
from collections.abc import Iterable
from math import log2
from typing import Annotated

from msgspec import Meta, Struct

GAPS_MS = (100, 1_000, 10_000, 60_000, 600_000)
"""Upper edges of the time-gap buckets; what is longer falls into one more."""

MEMORY = 0.7
"""Share of the old average that stays at each event: peaks of a few odd events in a row stand out."""

START = "<start>"


def symbol_of(operation: str, target_kind: str) -> str:
    """What the model sees of an operation."""
    return f"{operation}|{target_kind}"


def gap_bucket(gap_ms: int) -> int:
    """Index of the time gap; a negative gap (late event) counts as none."""
    return bisect_right(GAPS_MS, gap_ms)


class TransitionCounts(Struct, kw_only=True):
    """What was counted; the part of the artifact that surprise is computed from."""

    pairs: dict[str, Annotated[dict[str, Annotated[int, Meta(ge=1)]], Meta(min_length=1)]]
    gaps: dict[str, list[Annotated[int, Meta(ge=0)]]]
    """Op class: how often each gap bucket came before it."""


def count_transitions(runs: Iterable[Iterable[tuple[str, str, int]]]) -> TransitionCounts:
    """Count sessions, each a sequence of (symbol, op class, time in ms)."""
    pairs: dict[str, dict[str, int]] = {}
    gaps: dict[str, list[int]] = {}
    for run in runs:
        previous, previous_ms = START, -1
        for symbol, op_class, at_ms in run:
            after = pairs.setdefault(previous, {})
            after[symbol] = after.get(symbol, 0) + 1
            if previous_ms >= 0:
                gaps.setdefault(op_class, [0] * (len(GAPS_MS) + 1))[gap_bucket(at_ms - previous_ms)] += 1
            previous, previous_ms = symbol, at_ms
    return TransitionCounts(pairs=pairs, gaps=gaps)


class TransitionModel:
    """Bits of surprise, with every logarithm taken beforehand: scoring is two or three look-ups."""

    def __init__(self, counts: TransitionCounts) -> None:
        totals: dict[str, int] = {}
        for after in counts.pairs.values():
            for symbol, n in after.items():
                totals[symbol] = totals.get(symbol, 0) + n
        seen, kinds = sum(totals.values()), len(totals)
        uniform = 1.0 / (kinds + 1)
        unigram = {symbol: (n + kinds * uniform) / (seen + kinds) for symbol, n in totals.items()}
        novel = kinds * uniform / (seen + kinds) if seen else 1.0
        self._unigram_bits = {symbol: -log2(p) for symbol, p in unigram.items()}
        self._novel_bits = -log2(novel)
        self._pair_bits: dict[str, dict[str, float]] = {}
        self._backoff_bits: dict[str, float] = {}
        for before, after in counts.pairs.items():
            total, distinct = sum(after.values()), len(after)
            self._backoff_bits[before] = -log2(distinct / (total + distinct))
            self._pair_bits[before] = {
                symbol: -log2((n + distinct * unigram[symbol]) / (total + distinct))
                for symbol, n in after.items()
            }
        self._gap_bits = {op_class: _smoothed_bits(row) for op_class, row in counts.gaps.items()}

    def bits(self, before: str, symbol: str) -> float:
        """Surprise of `symbol` after `before`, in bits."""
        after = self._pair_bits.get(before)
        if after is None:
            return self._unigram_bits.get(symbol, self._novel_bits)
        known = after.get(symbol)
        if known is not None:
            return known
        return self._backoff_bits[before] + self._unigram_bits.get(symbol, self._novel_bits)

    def surprise(self, before: str, symbol: str, op_class: str, gap_ms: int) -> float:
        """Both at once, in bits: what the hot path asks."""
        after = self._pair_bits.get(before)
        if after is None or (bits := after.get(symbol)) is None:
            bits = self.bits(before, symbol)
        row = self._gap_bits.get(op_class)
        return bits + row[bisect_right(GAPS_MS, gap_ms)] if row is not None else bits

    def gap_bits(self, op_class: str, gap_ms: int) -> float:
        """Surprise of the pause before an operation of this class, in bits; 0 for a class never timed."""
        row = self._gap_bits.get(op_class)
        return row[bisect_right(GAPS_MS, gap_ms)] if row is not None else 0.0


def averaged(average: float, bits: float) -> float:
    """The session's decayed average after one more event."""
    return MEMORY * average + (1.0 - MEMORY) * bits


def _smoothed_bits(row: list[int]) -> list[float]:
    """One pseudo-count a bucket (Laplace): a pause never seen is odd, not impossible."""
    total = sum(row) + len(row)
    return [-log2((n + 1) / total) for n in row]
