"""How fast the sessions of an agent in a role are: what they stay below, how soon they change what they read.

Each cohort's limits are drawn towards those of the broader one by how few of its sessions were seen
(`pace_learning.py`): the narrowest cohort that was seen at all speaks for a session, and there is no cliff.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from models.baselines.cohorts import EVERYBODY, SESSIONS_MIN, ByCohort, pair_key, role_key, told_keys
from models.baselines.paces import CLASSES, shares
from models.baselines.rates import HORIZONS_MS
from models.event import OpClass

Natural = Annotated[int, Meta(ge=0)]

TAILS = (1e-3, 1e-4, 1e-5, 1e-6)
"""Chances of an honest peak for which limits are stored, largest first."""

CALIBRATED_TAIL = 1e-4
"""The tail beside whose limits sessions are told: a pace of 1.0 is just at one of them."""

COUNT_MIN = 5.0
"""Fewer operations are never fast, whatever was learned."""

TIMED = tuple(op_class for op_class in OpClass if op_class is not OpClass.UNCLASSIFIED)
"""Classes of which operations are counted."""

NEEDED = frozenset(map(str, TIMED))

PerHorizon = Annotated[list[float], Meta(min_length=len(HORIZONS_MS), max_length=len(HORIZONS_MS))]
RateLimits = dict[str, Annotated[list[PerHorizon], Meta(min_length=len(TAILS), max_length=len(TAILS))]]
"""Op class: per tail of `TAILS`, per horizon, the count that an honest session stays below."""

Limits = dict[str, tuple[float, ...]]
"""Op class: the count per horizon that an honest session stays below."""


class CohortPace(Struct, kw_only=True, weakref=True):
    """The pace of one cohort, as in the file."""

    sessions: Natural
    events: Natural
    rate_limits: RateLimits
    pause_floor_ms: int | None = None
    """The shortest pauses from a read to a change that honest sessions make (1 % quantile), if enough."""
    paces: list[Natural] = []
    """Sessions by class of pace (`paces.py`)."""


class Pace(Struct, frozen=True, weakref=True):
    """What is expected of the sessions of an agent in a role."""

    rate_limits: RateLimits
    pause_floor_ms: int | None
    """Of the job, if it was timed."""
    shares: tuple[float, ...]
    """Of sessions by class of pace, in the narrowest cohort that was seen enough."""

    def limits(self, tail: float) -> Limits:
        """By op class and horizon, for the largest stored chance that is not above `tail`."""
        level = level_of(tail)
        return {op_class: tuple(rows[level]) for op_class, rows in self.rate_limits.items()}

    def times(self, op_class: str, counts: Sequence[float]) -> float:
        """How many times the limits at `CALIBRATED_TAIL` these counts are, one a horizon, at most."""
        limits = self.rate_limits[op_class][level_of(CALIBRATED_TAIL)]
        return max(count / max(limit, COUNT_MIN) for count, limit in zip(counts, limits, strict=True))


def level_of(tail: float) -> int:
    """Which row of limits keeps the promise of a `tail`."""
    ascending = [-level for level in TAILS]
    return min(bisect_left(ascending, -tail), len(TAILS) - 1)


class PaceModel(ByCohort[Pace | None]):
    """All paces. None is "not enough seen": of neither the agent nor the role."""

    def __init__(self, cohorts: Mapping[str, CohortPace], sessions: Mapping[str, int] | None = None) -> None:
        """`sessions`: of each cohort, where they are not read yet."""
        seen = sessions if sessions is not None else {key: told.sessions for key, told in cohorts.items()}
        super().__init__(seen)
        self.cohorts = cohorts

    @property
    def seen_enough(self) -> int:
        """How many cohorts can say what is fast."""
        return sum(sessions >= SESSIONS_MIN for sessions in self._seen.values())

    def make(self, agent: str, role: str) -> Pace | None:
        """See `ByCohort.make`."""
        known = [key for key in known_keys(self._seen, agent, role) if key in self.cohorts]
        counted = next((key for key in known if self._seen[key] >= SESSIONS_MIN), None)
        if counted is None:
            return None
        limits = self.cohorts[known[0]].rate_limits
        if is_new(self._seen, role):
            limits = _larger(limits, self.cohorts[EVERYBODY].rate_limits)
        return Pace(limits, self._floor_ms(agent, role), shares(self.cohorts[counted].paces))

    def _floor_ms(self, agent: str, role: str) -> int | None:
        """Of the job alone: that an agent is fast in one role absolves it in no other, nor without one."""
        keys = (pair_key(agent, role), role_key(role)) if role else (pair_key(agent, ""),)
        floors = (self.cohorts[key].pause_floor_ms for key in keys if key in self.cohorts)
        return next((floor for floor in floors if floor is not None), None)


def known_keys(sessions: Mapping[str, int], agent: str, role: str) -> list[str]:
    """The cohorts of a session that were seen, narrow to broad: the first speaks for it."""
    told = told_keys(agent, role)
    known = sorted((key for key in told if key in sessions), key=lambda key: sessions[key])
    pair = pair_key(agent, role)
    return [pair, *known] if len(known) == len(told) and pair in sessions else known


def is_new(sessions: Mapping[str, int], role: str) -> bool:
    """Of a job never seen, what everybody does counts, too."""
    return bool(role) and role_key(role) not in sessions


def _larger(one: RateLimits, other: RateLimits) -> RateLimits:
    """Of a job never seen: it may be as fast as its agent has been, or as jobs are."""
    return {
        op_class: [list(map(max, row, other[op_class][level])) for level, row in enumerate(rows)]
        for op_class, rows in one.items()
    }


def fault(cohort: CohortPace) -> str:
    """What the types cannot say about the shapes inside; empty for nothing."""
    if missing := NEEDED - cohort.rate_limits.keys():
        return f"no rate_limits of {', '.join(sorted(missing))}"
    if len(cohort.paces) not in (0, CLASSES):
        return f"{len(cohort.paces)} paces, not {CLASSES}"
    return ""
