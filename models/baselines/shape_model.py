"""How unusual a session's shape is for its job: how far it is from what is usual there, told by a forest.

One forest for everybody, over distances and not over counts: what a busy job does is far from nothing, and
near to itself. What is usual is learned per job, agent and role, each drawn towards the broader one by how
much was seen. Limits are those of whole held-out sessions, as for surprise.
"""

from collections.abc import Sequence
from math import ceil, floor, sqrt
from typing import Final

import numpy as np

from models.baselines.cohorts import EVERYBODY
from models.baselines.forest import Whole
from models.baselines.forest_walk import Trees
from models.baselines.shape import FEATURES, Vector
from models.baselines.shape_counts import ShapeCounts, Usual

PRIOR_SESSIONS = 5.0
"""What is usual for the broader cohort weighs as much as so many sessions."""

SPREAD_MIN = 2.0
"""In quarters, half a doubling: what never varied is not odd by the least change."""

FAR: Final = 16
"""Distances are told in whole spreads, so that sessions of a kind are looked up, and no further than this."""

NEAR: Final = 2.0
"""Within so many spreads of usual in every feature, a shape is usual, and no forest is asked."""

ODD_MIN = 50.0
"""Oddness of the average point of any forest (Liu et al. 2008): below it nothing is odd."""

REMEMBERED_MAX: Final = 8_192
"""Distances whose oddness is remembered; forgotten as a whole when full."""


class Center:
    """What is usual for a session of some agent and role."""

    __slots__ = ("high", "low", "mean", "spread")

    def __init__(self, mean: Sequence[float], spread: Sequence[float]) -> None:
        self.mean = tuple(mean)
        """In quarters, as vectors are."""
        self.spread = tuple(spread)
        """In quarters, too."""
        told = list(zip(mean, spread, strict=True))
        self.low: Vector = tuple([ceil(middle - NEAR * one) for middle, one in told])
        self.high: Vector = tuple([floor(middle + NEAR * one) for middle, one in told])
        """What lies between these, in whole quarters, is near."""

    def is_near(self, vector: Vector) -> bool:
        """Whether every feature is as usual."""
        for low, value, high in zip(self.low, vector, self.high):  # noqa: B905, SIM110 - on the hot path
            if not low <= value <= high:
                return False
        return True

    def distances(self, vector: Vector) -> Vector:
        """How far each feature is from what is usual, in whole spreads."""
        found = []
        for value, mean, spread in zip(vector, self.mean, self.spread, strict=True):
            far = round((value - mean) / spread)
            found.append(far if -FAR < far < FAR else FAR if far > 0 else -FAR)
        return tuple(found)

    def far(self, vectors: Whole) -> Whole:
        """Which of many vectors, one a row, are not near: their places."""
        inside = (vectors >= np.array(self.low)) & (vectors <= np.array(self.high))
        return np.flatnonzero(~inside.all(axis=1))

    def distances_of(self, vectors: Whole) -> Whole:
        """The same of many vectors, one a row."""
        apart = (vectors - np.array(self.mean)) / np.array(self.spread)
        far: Whole = np.clip(np.round(apart), -FAR, FAR).astype(np.int64)
        return far


def center_of(cohorts: Sequence[Usual | None]) -> Center:
    """Of cohorts from broad to narrow, everybody first."""
    mean, variance = [0.0] * len(FEATURES), [0.0] * len(FEATURES)
    for place, usual in enumerate(cohorts):
        if usual is None:
            continue
        own = usual.sessions
        weight = own / (own + (PRIOR_SESSIONS if place else 0.0))
        mean = [old + weight * (new - old) for old, new in zip(mean, usual.mean, strict=True)]
        variance = [old + weight * (new - old) for old, new in zip(variance, usual.variance, strict=True)]
    spread = [max(SPREAD_MIN, sqrt(value)) for value in variance]
    return Center(mean, spread)


class ShapeModel:
    """What is learned, ready to be asked."""

    def __init__(self, counts: ShapeCounts) -> None:
        self.counts = counts
        self._centers: dict[tuple[str, ...], Center] = {}
        self._trees: Trees | None = None
        """Of the forest; None while no walk was asked for."""
        self._oddness: dict[Vector, float] = {}

    def center(self, keys: tuple[str, ...]) -> Center:
        """What is usual for these cohorts, broad to narrow; computed once."""
        known = self._centers.get(keys)
        if known is None:
            usual = self.counts.usual
            known = self._centers[keys] = center_of([usual.get(key) for key in (EVERYBODY, *keys)])
        return known

    def oddness(self, keys: tuple[str, ...], vector: Vector) -> float:
        """Of a shape in these cohorts, 0 to 100."""
        center = self.center(keys)
        return 0.0 if center.is_near(vector) else self.oddness_at(center.distances(vector))

    def oddness_at(self, distances: Vector) -> float:
        """Of a shape so far from what is usual; looked up where it was asked before."""
        known = self._oddness.get(distances)
        if known is None:
            if len(self._oddness) >= REMEMBERED_MAX:
                self._oddness.clear()
            if self._trees is None:
                self._trees = self.counts.forest.trees()
            known = self._oddness[distances] = self._trees.oddness(distances)
        return known
