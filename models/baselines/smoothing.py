"""Interpolated Witten-Bell smoothing: what was never seen is surprising, and never impossible.

P(x | row) = (c(x) + d · P(x | coarser row)) / (c + d), where c counts the row and d is the number of distinct
symbols in it (Witten and Bell 1991). The coarsest row backs off to a uniform distribution over the symbols
seen in it plus one for all others.
"""

from collections.abc import Iterable, Mapping
from math import log2

Row = Mapping[str, int]
"""Symbol: how often it was seen in one context."""


def probability(rows: Iterable[Row], symbol: str) -> float:
    """P(symbol), the rows' contexts from coarse to fine; 1 where no row has seen anything."""
    chance = -1.0
    for row in rows:
        if not row:
            continue
        distinct = len(row)
        if chance < 0.0:
            chance = 1.0 / (distinct + 1)
        chance = (row.get(symbol, 0) + distinct * chance) / (sum(row.values()) + distinct)
    return chance if chance >= 0.0 else 1.0


def bits(rows: Iterable[Row], symbol: str) -> float:
    """Surprise in bits."""
    return -log2(probability(rows, symbol))
