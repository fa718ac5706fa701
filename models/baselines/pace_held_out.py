"""How far above their limits held-out sessions come, by the paces of all other folds.

A session's pace is the largest of its peaks, in times the limit at the tail `CALIBRATED_TAIL` (at least
`COUNT_MIN`) of whoever speaks for it, as in judging; the same sessions in the same folds as for surprise.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.baselines.cohorts import EVERYBODY, SESSIONS_MIN
from models.baselines.pace import CALIBRATED_TAIL, COUNT_MIN, is_new, known_keys
from models.baselines.pace_learning import Fit, Floats, Prior, Seen, cohorts_of, limits_of
from models.baselines.surprise_learning import FOLDS, HeldOut

Mask = NDArray[np.bool_]


def reach_pace(held_out: HeldOut, peaks: Floats) -> None:
    """Fills in what the sessions that were held out reached.

    `peaks` are those of `held_out.placed`, of shape (sessions, classes, horizons).
    """
    sessions = [(placed.agent, placed.role) for placed in held_out.placed]
    cohorts = cohorts_of(sessions)
    for found, fold_of in ((held_out.known, "group"), (held_out.new, "job")):
        asked = {id(placed): reached for placed, reached in found}
        folds = np.array([getattr(placed, fold_of) for placed in held_out.placed])
        for fold in range(FOLDS):
            inside = [int(place) for place in np.flatnonzero(folds == fold)]
            judged = [place for place in inside if id(held_out.placed[place]) in asked]
            if not judged:
                continue
            rest = Rest(sessions, cohorts, peaks, folds != fold)
            for place in judged:
                asked[id(held_out.placed[place])].pace = rest.reached(*sessions[place], peaks[place])


class Rest:
    """The paces that the sessions of all other folds teach, as far as they are asked for."""

    def __init__(
        self, sessions: Sequence[tuple[str, str]], cohorts: dict[str, Seen], peaks: Floats, rest: Mask
    ) -> None:
        """`rest`: which of the sessions teach."""
        self._all, self._cohorts, self._peaks, self._rest = sessions, cohorts, peaks, rest
        self._rows = {key: _of(seen.places, rest) for key, seen in cohorts.items()}
        self._sessions = {key: len(rows) for key, rows in self._rows.items() if len(rows)}
        self._fits: dict[str, Fit] = {}
        self._limits: dict[str, Floats] = {}
        self._highest: dict[str, Floats] = {}

    def reached(self, agent: str, role: str, peaks: Floats) -> float:
        """Of a session with these peaks, of shape (classes, horizons), in times its limit.

        0 for one whose pace is not enough seen.
        """
        known = known_keys(self._sessions, agent, role)
        if not any(self._sessions[key] >= SESSIONS_MIN for key in known):
            return 0.0
        keys = [known[0], EVERYBODY] if is_new(self._sessions, role) else known[:1]
        highest = np.max([self._seen_by(key) for key in keys], axis=0)
        if not (peaks > np.maximum(highest, COUNT_MIN)).any():  # a limit is not below what was seen
            return 0.0
        limits = np.max([self._limit(key) for key in keys], axis=0)
        return float((peaks / np.maximum(limits, COUNT_MIN)).max())

    @cached_property
    def _prior(self) -> Prior:
        taught = [each for each, teaches in zip(self._all, self._rest, strict=True) if teaches]
        return Prior(taught, self._peaks[self._rest])

    def _seen_by(self, key: str) -> Floats:
        if key not in self._highest:
            self._highest[key] = self._peaks[self._rows[key]].max(axis=0)
        return self._highest[key]

    def _fit(self, key: str) -> Fit:
        if key == EVERYBODY:
            return self._prior.everybody
        if key not in self._fits:
            towards = self._fit(self._cohorts[key].parent)
            self._fits[key] = self._prior.drawn(self._peaks[self._rows[key]], towards)
        return self._fits[key]

    def _limit(self, key: str) -> Floats:
        if key not in self._limits:
            limits = limits_of([self._fit(key)], self._seen_by(key)[None], (CALIBRATED_TAIL,))
            self._limits[key] = limits[0, 0]
        return self._limits[key]


def _of(places: Sequence[int], rest: Mask) -> NDArray[np.int64]:
    every = np.array(places, dtype=np.int64)
    return every[rest[every]]
