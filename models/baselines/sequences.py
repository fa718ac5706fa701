"""How surprising the next operation is, given up to five before it, in bits.

A variable-order Markov model: interpolated Witten-Bell from order 0 to `ORDER` over the broader cohort, then
again over the narrower one, so that a history seen too seldom falls back on a shorter one, and a job seen too
seldom on its agent. The pause before it is scored beside it, P(gap | op class), Laplace.
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import log2

from models.baselines.counts import GAPS_MS, ORDER, CohortCounts, add_to, histories, repeat_bucket
from models.baselines.smoothing import Row, bits

MEMORY = 0.7
"""Share of the old average that stays at each event: peaks of a few odd events in a row stand out."""


def averaged(average: float, surprise: float) -> float:
    """The session's decayed average after one more event."""
    return MEMORY * average + (1.0 - MEMORY) * surprise


def count_symbol(
    everybody: CohortCounts, own: Sequence[CohortCounts], symbols: list[str], symbol: str
) -> None:
    """Count what came after `symbols`.

    A history of two symbols or more is begun when the one shorter by its oldest had been seen twice before:
    what it could tell until then, the shorter one tells. So memory grows with what repeats.
    """
    add_to(everybody.after.setdefault("", {}), symbol)
    keys = histories(symbols)
    for cohort in own:
        after = cohort.after
        worth = True
        for length, key in enumerate(keys):
            row = after.get(key)
            if row is None:
                if not worth:
                    break
                after[key] = {symbol: 1}
                worth = length == 0
            else:
                worth = length == 0 or len(row) > 1 or next(iter(row.values())) > 1
                row[symbol] = row.get(symbol, 0) + 1


def count_known(
    total: Sequence[CohortCounts], own: Sequence[CohortCounts], symbols: list[str], symbol: str
) -> None:
    """Count in `own` what `total` counts as well: what is held out of it."""
    keys = histories(symbols)
    for whole, cohort in zip(total, own, strict=True):
        for key in keys:
            if symbol not in whole.after.get(key, {}):
                break
            add_to(cohort.after.setdefault(key, {}), symbol)


def count_gap(own: Sequence[CohortCounts], op_class: str, gap_ms: int) -> None:
    """Count a pause."""
    for cohort in own:
        row = cohort.gaps.setdefault(op_class, [0] * (len(GAPS_MS) + 1))
        row[bisect_right(GAPS_MS, gap_ms)] += 1


class SequenceModel:
    """Bits of surprise of one cohort's sequences; what was seen before is one look-up."""

    def __init__(self, everybody: CohortCounts, own: Sequence[CohortCounts], paced: CohortCounts) -> None:
        self._unigram = everybody.after.get("", {})
        self._own = own
        self._usual: dict[tuple[str, ...], float] = {}
        """Bits of what the narrowest cohort has done: as large as what it did, and no larger."""
        self._gap_bits = {op_class: _smoothed_bits(row) for op_class, row in paced.gaps.items()}
        self._paced = paced

    def bits(self, symbols: Sequence[str], symbol: str) -> float:
        """Surprise of `symbol` after `symbols`, oldest first."""
        key = (*symbols[-ORDER:], symbol)
        known = self._usual.get(key)
        return self._interpolated(key) if known is None else known

    def gap_bits(self, op_class: str, gap_ms: int) -> float:
        """Surprise of the pause before an operation of this class; 0 for a class never timed."""
        row = self._gap_bits.get(op_class)
        return row[bisect_right(GAPS_MS, gap_ms)] if row is not None else 0.0

    def repeat_bits(self, symbol: str, times: int) -> float:
        """Surprise of a session in which `symbol` comes at least so often."""
        reached = self._paced.repeats.get(symbol, ())
        place = repeat_bucket(times) - 1
        sessions = reached[place] if place < len(reached) else 0
        return log2((self._paced.sessions + 1) / (sessions + 1))

    def _interpolated(self, key: tuple[str, ...]) -> float:
        *symbols, symbol = key
        keys = histories(symbols)
        rows: list[Row] = [self._unigram]
        for cohort in self._own:
            rows.extend(cohort.after.get(history, {}) for history in keys)
        found = bits(rows, symbol)
        if symbol in rows[-1]:
            self._usual[key] = found
        return found


def _smoothed_bits(row: list[int]) -> list[float]:
    """One pseudo-count a bucket (Laplace): a pause never seen is odd, not impossible."""
    total = sum(row) + len(row)
    return [-log2((n + 1) / total) for n in row]
