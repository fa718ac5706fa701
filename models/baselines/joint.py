"""Several scores of a session, one promise: the chance that an honest session exceeds any of their limits.

Scores of one session depend on each other, and nobody knows how. So they are ranked apart and calibrated
together (min-p, Westfall and Young 1993): of the same held-out honest sessions every score has its ranks, the
highest first; ranks are given to the scores in turn, and with each turn the limits of all fall. A session is
as odd as its earliest turn. `turns` holds, for each number k, how many turns may be taken so that of n
held-out sessions and one more, whatever it is, at most k exceed a limit: by symmetry the one to come is among
them with a chance of at most k / (n + 1) (split conformal, whatever the dependence). k turns may always be
taken (Bonferroni: each adds one session at most); where scores name the same sessions, more. See
`docs/baselines.md`.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.baselines.calibration import HIGHEST_MAX, Peaks, allowed_of, rounded_up
from models.baselines.haste import haste_bits
from models.baselines.shape_model import ODD_MIN

HASTE_MS_MAX = 60_000
"""Whoever took longer to answer thought about it, however long others take."""

FLOORS = {
    "score": 0.0,
    "resemblance": 0.0,
    "shape": ODD_MIN,
    "pace": 1.0,
    "haste": haste_bits(HASTE_MS_MAX),
}
"""By score, in the order of turns: what is not above it is never odd. Bits of surprise; bits of odds that it
is hijacked; oddness of the shape; pace in times its limit; bits of the fastest approval."""

SCORES = tuple(FLOORS)

NEVER = 1 << 32
"""The rank of what is not odd at all."""


class Limits(NamedTuple):
    """By score: above it, a session is odd; None is "not enough seen"."""

    score: float | None = None
    resemblance: float | None = None
    shape: float | None = None
    pace: float | None = None
    haste: float | None = None


NO_LIMITS = Limits()


class Joint(Struct, array_like=True, weakref=True):
    """What whole held-out honest sessions of one cohort reached, by score; each session counts in all."""

    sessions: int
    highest: dict[str, list[float]]
    """Of each score that was seen: the largest peaks above its floor, ascending."""
    turns: list[int]
    """For k = 1, 2, …: turns after which, the next session included, at most k exceed a limit."""
    beyond: int = 0
    """More of them, honest for all that is known, that exceeded a live limit and so did not teach."""

    def allowed(self, share: float) -> int:
        """How many of all these sessions and the next one may exceed a limit."""
        return allowed_of(share, self.sessions + self.beyond)

    def limits(self, share: float) -> Limits:
        """What at most `share` of honest sessions exceed in any score.

        Those that did not teach count first. Should they spend the whole share, one session more may exceed a
        limit: no limit is higher than what a session reached that taught, so nobody lifts one by being odd.
        """
        return Limits(**{name: self._at(name, rank) for name, rank in self._ranks(share).items()})

    def due(self, share: float, scores: Collection[str]) -> float:
        """The share of honest sessions that may exceed a limit of these scores: ranks add up at most."""
        every, allowed = self.sessions + self.beyond + 1, self.allowed(share)
        ranks = self._ranks(share)
        if ranks.keys() <= set(scores):
            return allowed / every
        theirs = sum(rank for name, rank in ranks.items() if name in scores)
        return min(allowed, theirs + self.beyond) / every if theirs else 0.0

    def beside(self, share: float) -> Limits:
        """What at most `share` exceed in any score but surprise, whatever the dependence: ranks add up."""
        names, allowed = self._beside(), self.allowed(share) - self.beyond
        ranks = {name: (allowed + len(names) - 1 - place) // len(names) for place, name in enumerate(names)}
        return Limits(**{name: self._at(name, rank) for name, rank in ranks.items() if rank})

    def p_value_beside(self, peaks: Mapping[str, float]) -> float:
        """The smallest share at which `beside` would have one of these peaks beyond a limit."""
        return (self._earliest(self._beside(), peaks) + self.beyond) / (self.sessions + self.beyond + 1)

    def lends(self, share: float) -> bool:
        """Whether `beside` has a limit for each; by how many sessions there are, not by what they did."""
        return 0 < len(self._beside()) <= self.allowed(share) - self.beyond

    def p_value(self, peaks: Mapping[str, float]) -> float:
        """Chance of an honest session to go as far in any score; conservative below what was kept."""
        k = bisect_left(self.turns, self._earliest(self._scores(), peaks)) + 1
        if k > len(self.turns):
            return 1.0
        return (k + self.beyond) / (self.sessions + self.beyond + 1)

    def alone(self, name: str) -> Peaks:
        """The peaks of one score."""
        return Peaks(self.sessions, self.highest.get(name, []), self.beyond)

    def _ranks(self, share: float) -> dict[str, int]:
        """How many of the highest peaks of each score may be exceeded, itself included; none for no limit."""
        allowed = self.allowed(share)
        if allowed < 1 or not self.turns:
            return {}
        allowed = min(max(1, allowed - self.beyond), len(self.turns))
        turns, scores = self.turns[allowed - 1], self._scores()
        ranks = {name: (turns + len(scores) - 1 - place) // len(scores) for place, name in enumerate(scores)}
        return {name: rank for name, rank in ranks.items() if rank}

    def _earliest(self, names: Sequence[str], peaks: Mapping[str, float]) -> int:
        """The first turn after which one of the peaks is beyond a limit, where these scores take turns.

        `NEVER` where the cohort never had such a score, and others lend a limit for it.
        """
        told = [
            (self._rank(name, peaks[name]) - 1) * len(names) + place + 1
            for place, name in enumerate(names)
            if name in peaks
        ]
        return min([*told, NEVER])

    def _scores(self) -> list[str]:
        return [name for name in SCORES if name in self.highest]

    def _beside(self) -> list[str]:
        return [name for name in self._scores() if name != "score"]

    def _at(self, name: str, rank: int) -> float:
        highest = self.highest[name]
        if rank <= len(highest):
            return highest[-rank]
        return FLOORS[name] if len(highest) < HIGHEST_MAX else highest[0]

    def _rank(self, name: str, peak: float) -> int:
        """Its place among the held-out sessions and itself, ties against it."""
        highest = self.highest[name]
        if peak <= FLOORS[name] or (len(highest) == HIGHEST_MAX and peak <= highest[0]):
            return NEVER
        return len(highest) - bisect_left(highest, peak) + 1


class Together(Struct):
    """Joint peaks by cohort, broad to narrow as in `cohorts.levels`; the key `""` is everybody's."""

    known: Mapping[str, Joint]
    """Of sessions whose agent variant, or stretch of time, was held out, while their job was not."""
    new: Mapping[str, Joint]
    """Of sessions whose whole job was held out."""


class Backed(NamedTuple):
    """Whose limits hold at one budget, and who lends the limits that they are too few to give.

    A small cohort cannot spend all of a budget, since k is a whole number: one session in 31 is 3.2 of 5 %.
    What rounding leaves is spent on the other scores, by the sessions of a broader cohort: the two shares add
    up to the budget at most, so the union of all limits keeps it.

    A cohort too small for a limit of its own is judged by those of a broader one, of which it is a small
    part: what is promised of the whole says little of it. So none of these limits is below what its own
    held-out sessions reached: of each score at most one session in n + 1 exceeds that.
    """

    joint: Joint
    share: float
    lender: Joint | None = None
    narrower: tuple[Joint, ...] = ()
    """Cohorts that are too small."""

    @property
    def spent(self) -> float:
        """The part of the budget that the cohort itself spends."""
        beyond = self.joint.beyond
        return max(self.joint.allowed(self.share), beyond + 1) / (self.joint.sessions + beyond + 1)

    def limits(self) -> Limits:
        """What at most that share of honest sessions exceed in any score."""
        own = self.joint.limits(self.share)
        if self.lender is not None:
            lent = self.lender.beside(self.share - self.spent)
            own = Limits(*(ours if ours is not None else its for ours, its in zip(own, lent, strict=True)))
        if not self.narrower:
            return own
        told = own._asdict().items()
        return Limits(*(None if limit is None else max(limit, self._reached(name)) for name, limit in told))

    def p_value(self, peaks: Mapping[str, float]) -> float:
        """Chance of an honest session to go as far in any score."""
        if not self.narrower:
            return self._p_value(peaks)
        odd = {name: peak for name, peak in peaks.items() if peak > self._reached(name)}
        if odd:
            return self._p_value(odd)
        return max(self._p_value(peaks), *(each.p_value(peaks) for each in self.narrower))

    def _reached(self, name: str) -> float:
        """What sessions of cohorts that are too small reached at most; below the floor nothing is kept."""
        reached = (each.highest[name][-1] for each in self.narrower if each.highest.get(name))
        return max(reached, default=FLOORS[name])

    def _p_value(self, peaks: Mapping[str, float]) -> float:
        own = self.joint.p_value(peaks)
        if self.lender is None:
            return own
        missing = (name for name, limit in self.joint.limits(self.share)._asdict().items() if limit is None)
        lent = {name: peaks[name] for name in missing if name in peaks}
        return min(own, self.spent + self.lender.p_value_beside(lent))


def speaking(joints: Mapping[str, Joint], keys: Sequence[str], share: float) -> Backed | None:
    """Whose limits hold: the narrowest of these cohorts (broad to narrow) with enough held-out sessions.

    Chosen by how many there are, never by what they did: else the choice itself would spend of the budget. So
    is who lends: the narrowest of the broader ones that has a rank for each score.
    """
    found = [joints[key] for key in reversed(keys) if key in joints]
    for place, joint in enumerate(found):
        if joint.allowed(share) >= 1:
            own = Backed(joint, share, narrower=tuple(found[:place]))
            left = share - own.spent
            return own._replace(lender=next((each for each in found[place + 1 :] if each.lends(left)), None))
    return None


def joint_of(peaks: Mapping[str, Sequence[float]], beyond: int = 0) -> Joint:
    """Of the sessions of a cohort: by score, in one order of sessions. At least one score, `SCORES` only."""
    rounded, highest = [], {}
    for name in SCORES:
        if name in peaks:
            floor = FLOORS[name]
            told = [rounded_up(peak) if peak > floor else 0.0 for peak in peaks[name]]
            highest[name] = sorted(peak for peak in told if peak > 0.0)[-HIGHEST_MAX:]
            rounded.append(told)
    return Joint(len(rounded[0]), highest, _turns(np.array(rounded)), beyond)


def _turns(peaks: NDArray[np.float64]) -> list[int]:
    """For each k the most turns that may be taken; peaks of shape (scores, sessions), 0 for never odd.

    After t turns score j has a_j ranks. A session to come exceeds the limit of j if fewer than a_j of the
    others reach as much, so it takes the place of those of rank a_j: they count no more, unless by another
    score. At most N(t) + 1 less those are beyond a limit then; the worst j counts.
    """
    scores, sessions = peaks.shape
    last = scores * min(sessions + 1, HIGHEST_MAX)
    turn = np.full(peaks.shape, last + 1, dtype=np.int64)
    for place, row in enumerate(peaks):
        odd = row > 0.0
        ranks = sessions - np.searchsorted(np.sort(row), row[odd], side="left")
        turn[place, odd] = np.minimum((ranks - 1) * scores + place + 1, last + 1)
    beyond = np.cumsum(np.bincount(turn.min(axis=0), minlength=last + 2))[: last + 1]
    most = np.zeros(last + 1, dtype=np.int64)
    for place, own in enumerate(turn):
        others = np.delete(turn, place, axis=0).min(axis=0) if scores > 1 else np.full(sessions, last + 1)
        until = np.minimum(np.minimum(own + scores, others), last + 1)
        leaves = until > own
        change = np.bincount(own[leaves], minlength=last + 2) - np.bincount(until[leaves], minlength=last + 2)
        asked = np.arange(last + 1) > place
        worst = np.where(asked, beyond + 1 - np.cumsum(change)[: last + 1], 0)
        most = np.maximum(most, worst)
    allowed = np.arange(1, min(sessions, HIGHEST_MAX) + 1)
    fitting = np.full(len(allowed) + 2, 0, dtype=np.int64)
    np.maximum.at(fitting, np.minimum(most[1:], len(allowed) + 1), np.arange(1, last + 1))
    found: list[int] = np.maximum.accumulate(fitting[1 : len(allowed) + 1]).tolist()
    return found
