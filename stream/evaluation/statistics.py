"""Curves, shares and their intervals, by scikit-learn and scipy; nothing is drawn at random."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from stream.evaluation.evaluation import AtRate, Bin, Curves, Delays, Interval
from stream.evaluation.sessions import Session
from stream.evaluation.truth import Kind

POINTS_MAX = 300
"""Of a curve, as it is drawn."""
BINS = (0.01, 0.02, 0.05, 0.1, 0.2, 1.0)
"""Above 0.2 baselines keep no peaks to tell p-values apart."""
EMPTY_SHARE = 1e-4
"""Stands for the share of an empty bin, whose logarithm there is none of."""


def interval(outcomes: Iterable[bool | None]) -> Interval:
    """The share of True among what is True or False."""
    told = [outcome for outcome in outcomes if outcome is not None]
    return interval_of(sum(told), len(told))


def interval_of(count: int, of: int) -> Interval:
    """The same, counted already."""
    if not of:
        return Interval(0, 0, None, 0.0, 1.0)
    found = binomtest(count, of).proportion_ci(0.95, "exact")
    return Interval(count, of, count / of, float(found.low), float(found.high))


def curves(
    benign: Sequence[float], malicious: Sequence[float], resisted: Sequence[float], rates: Sequence[float]
) -> Curves:
    """How well scores tell the first from the second."""
    if not benign or not malicious:
        return Curves(None, None, [], [], [])
    truth = np.repeat([0, 1], [len(benign), len(malicious)])
    scores = np.array([*benign, *malicious])
    false_alarms, recalls, _ = roc_curve(truth, scores, drop_intermediate=True)
    precisions, found, _ = precision_recall_curve(truth, scores, drop_intermediate=True)
    return Curves(
        float(roc_auc_score(truth, scores)),
        float(average_precision_score(truth, scores)),
        [_at_rate(rate, benign, malicious, resisted) for rate in rates],
        thinned(false_alarms, recalls),
        thinned(found, precisions),
    )


def _at_rate(
    rate: float, benign: Sequence[float], malicious: Sequence[float], resisted: Sequence[float]
) -> AtRate:
    """The lowest threshold that at most `rate` of the benign sessions exceed."""
    threshold = float(np.sort(benign)[::-1][int(rate * len(benign) + 1e-9)])
    return AtRate(
        rate,
        threshold,
        interval(score > threshold for score in malicious),
        interval(score > threshold for score in resisted),
    )


def thinned(across: Sequence[float], up: Sequence[float]) -> list[tuple[float, float]]:
    """A curve in few enough points to be drawn, its ends among them."""
    places = np.unique(np.linspace(0, len(across) - 1, min(POINTS_MAX, len(across))).round().astype(int))
    return [(float(across[place]), float(up[place])) for place in places]


def delays(sessions: Iterable[Session], share: float) -> Delays:
    """How long malicious sessions went on before they raised an alarm."""
    before = missed = 0
    waited: list[int] = []
    for session in sessions:
        truth = session.truth
        if truth is None or truth.kind is not Kind.MALICIOUS or truth.first_bad is None:
            continue
        rise = session.alarm_rise(share)
        if rise is None:
            missed += 1
        elif rise.place < truth.first_bad:
            before += 1
        else:
            waited.append(rise.place - truth.first_bad)
    return Delays(
        before + missed + len(waited),
        before,
        missed,
        float(median(waited)) if waited else None,
        float(np.quantile(waited, 0.9, method="inverted_cdf")) if waited else None,
        sorted(Counter(waited).items()),
    )


def bins(p_values: Sequence[float]) -> list[Bin]:
    """How p-values are spread, and how they would be if nothing had changed."""
    found: list[Bin] = []
    for low, high in zip((0.0, *BINS), BINS, strict=False):
        count = sum(low < p_value <= high for p_value in p_values)
        found.append(Bin(high, count, count / len(p_values) if p_values else None, high - low))
    return found


def stability_index(spread: Sequence[Bin]) -> float | None:
    """Population stability index: the sum of (found - expected) · ln(found / expected)."""
    total = 0.0
    for each in spread:
        if each.share is None:
            return None
        share = max(each.share, EMPTY_SHARE)
        total += (share - each.expected) * float(np.log(share / each.expected))
    return total
