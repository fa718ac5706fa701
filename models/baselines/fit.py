"""How well a baseline expects honest sessions that it was not taught: the figures in its header."""

from collections.abc import Sequence
from math import ceil

from models.baselines.held_out import Reached
from models.baselines.surprise_learning import HeldOut

SCORES = ("score", "score_with_end", "shape", "pace", "resemblance")
RARE = 0.99
DIGITS = 4

Metrics = dict[str, dict[str, float]]


def metrics(held_out: HeldOut) -> Metrics:
    """Sessions, and of each score the median and the 99th percentile of what they reached.

    `known`: held out with their agent's variant or their stretch of time; `new`: held out with their whole
    job. A group without sessions is not there, nor, without labels, what labels tell. The percentile is the
    least value that so many do not exceed: of fewer than a hundred sessions, their highest.
    """
    groups = {"known": held_out.known, "new": held_out.new}
    return {name: _of([peak for _, peak in found]) for name, found in groups.items() if found}


def _of(reached: Sequence[Reached]) -> dict[str, float]:
    told: dict[str, float] = {"sessions": len(reached)}
    for score in SCORES:
        peaks = sorted(found for peak in reached if (found := getattr(peak, score)) is not None)
        if not peaks:
            continue
        told[f"{score}_median"] = round(peaks[ceil(0.5 * len(peaks)) - 1], DIGITS)
        told[f"{score}_p99"] = round(peaks[ceil(RARE * len(peaks)) - 1], DIGITS)
    return told
