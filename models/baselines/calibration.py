"""From bits to a promise: how many honest sessions reach so much.

Split conformal (Papadopoulos et al. 2002) on whole sessions, by their running maximum: with n held-out honest
peaks, a new honest session's peak exceeds the k-th largest with a chance of at most k / (n + 1), whenever in
the session that happens. Per cohort where enough was seen to say so, pooled where not (Mondrian); apart for
jobs that were seen in training and jobs that were not. `docs/baselines.md` states what that assumes.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from math import ceil

from msgspec import Struct

HIGHEST_MAX = 1024
"""Peaks kept of a cohort: the largest. A limit lies among them unless more than that many may exceed it."""

PARTS = 1_000
"""Of a bit: peaks are rounded up to these, so that a session that does just the same does not exceed them."""


class Peaks(Struct, array_like=True, weakref=True):
    """What whole held-out honest sessions reached, in bits."""

    sessions: int
    highest: list[float]
    """The largest, ascending."""
    beyond: int = 0
    """More of them, honest for all that is known, that exceeded a live limit and so did not teach."""

    def limit(self, share: float) -> float | None:
        """What at most `share` of honest sessions exceed; None if too few were seen to promise that.

        Never more than what a session reached that taught, even if what was left out spends the whole share.
        """
        allowed = allowed_of(share, self.sessions + self.beyond)
        if allowed < 1 or not self.highest:
            return None
        return self.highest[-min(max(1, allowed - self.beyond), len(self.highest))]

    def p_value(self, peak: float) -> float:
        """Chance of an honest session to reach `peak`; conservative below the peaks that were kept."""
        reached = len(self.highest) - bisect_left(self.highest, peak)
        if reached == len(self.highest):
            reached = self.sessions
        return (reached + self.beyond + 1) / (self.sessions + self.beyond + 1)


def allowed_of(share: float, sessions: int) -> int:
    """How many of so many sessions and the next one may exceed a limit."""
    return int(share * (sessions + 1) + 1e-9)


def peaks_of(values: Sequence[float], beyond: int = 0) -> Peaks:
    """Of the sessions of a cohort."""
    return Peaks(len(values), [rounded_up(peak) for peak in sorted(values)[-HIGHEST_MAX:]], beyond)


def rounded_up(peak: float) -> float:
    """To a thousandth."""
    rounded = ceil(peak * PARTS) / PARTS
    return rounded if rounded >= peak else rounded + 1 / PARTS


class Calibration(Struct):
    """Peaks by cohort, broad to narrow as in `cohorts.levels`; the key `""` is everybody's."""

    known: Mapping[str, Peaks]
    """Of sessions whose agent variant, or stretch of time, was held out, while their job was not."""
    new: Mapping[str, Peaks]
    """Of sessions whose whole job was held out."""


def strictest(limits: Sequence[float | None]) -> float | None:
    """The limit that keeps all of these promises; None if one of them cannot be made."""
    found = [limit for limit in limits if limit is not None]
    return max(found) if found and len(found) == len(limits) else None


def limit_of(peaks: Mapping[str, Peaks], keys: Sequence[str], share: float) -> float | None:
    """That of the narrowest of these cohorts (broad to narrow) that can back a promise of `share`.

    It is not below what sessions of those reached that are too small to back it: see `joint.Backed`.
    """
    reached = 0.0
    for key in reversed(keys):
        found = peaks.get(key)
        if found is not None and found.highest:
            limit = found.limit(share)
            if limit is not None:
                return max(limit, reached)
            reached = max(reached, found.highest[-1])
    return None
