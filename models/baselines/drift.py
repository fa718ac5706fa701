"""Whether the world is still the one that was learned from: told by whole sessions as they end.

Three things of each session are compared with what the baseline expects: the p-value of its running maximum,
its pace, and whether its combined p-value came down to the budget, by whichever score (`joint.py`); what the
policy has switched off is no part of it. Expected
is what held for the sessions of that cohort and role, so that more of one kind of agent is no drift. How far
apart: the population stability index, the sum over classes of (found - expected) · ln(found / expected) in
shares (Siddiqi, Credit Risk Scorecards, 2006): below 0.1 stable, above 0.25 retrain.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Collection, Sequence
from itertools import pairwise
from math import log

from models.baselines.baseline import Baseline
from models.baselines.calibration import Peaks, allowed_of
from models.baselines.joint import Limits
from models.baselines.paces import CLASSES, pace_class
from models.session import Session

P_EDGES = (0.01, 0.02, 0.05, 0.1, 0.2, 1.0)
"""Classes of p-values: where a promise is made, in the tail."""

WINDOW = 1_000
"""Sessions that are looked at: the last ones."""

WINDOW_MIN = 200
"""Fewer say nothing: of so many, chance alone gives an index of about 0.025."""

TOLD_BY = (
    ("resemblance", "resembles_hijack"),
    ("shape", "unusual_shape"),
    ("pace", "unusual_velocity"),
    ("haste", "unusual_approval"),
)
"""Scores whose running maximum a session does not keep, and who tells of it once it is beyond its limit."""

LIMITED_BY = ("unusual_transition", "unusual_provenance")
"""Who holds surprise against its limit."""

FOLLOWED_BY = (*LIMITED_BY, "unusual_ending")
"""Who measures surprise: with none of them on no session keeps a maximum."""

EVERYBODY_ON = frozenset({*FOLLOWED_BY, *(name for _, name in TOLD_BY)})

SMOOTHED = 0.5
"""Added to every class, so that one which nobody is in has a logarithm."""


class Window:
    """The classes of the last sessions beside what was expected of them."""

    def __init__(self, classes: int) -> None:
        self._last: deque[tuple[int, Sequence[float]]] = deque()
        self._found = [0] * classes
        self._expected = [0.0] * classes

    def add(self, found: int, expected: Sequence[float]) -> None:
        """One session: its class, and the share of each class where it came from; they add up to 1."""
        self._last.append((found, expected))
        self._count(found, expected, 1)
        if len(self._last) > WINDOW:
            self._count(*self._last.popleft(), -1)

    @property
    def sessions(self) -> int:
        """How many are looked at."""
        return len(self._last)

    def stability_index(self) -> float | None:
        """None for not enough seen."""
        if self.sessions < WINDOW_MIN:
            return None
        whole = self.sessions + SMOOTHED * len(self._found)
        index = 0.0
        for found, expected in zip(self._found, self._expected, strict=True):
            share, due = (found + SMOOTHED) / whole, (max(expected, 0.0) + SMOOTHED) / whole
            index += (share - due) * log(share / due)
        return index

    def excess(self, place: int) -> float | None:
        """Of one class: its share less the expected one; None for not enough seen."""
        if self.sessions < WINDOW_MIN:
            return None
        return (self._found[place] - self._expected[place]) / self.sessions

    def _count(self, found: int, expected: Sequence[float], times: int) -> None:
        self._found[found] += times
        for place, share in enumerate(expected):
            self._expected[place] += times * share


class Drift:
    """Watches one baseline. Sessions that it did not see enough of are passed over."""

    def __init__(self, baseline: Baseline, share: float, on: Collection[str] = EVERYBODY_ON) -> None:
        """`share`: of honest sessions that the limit lets alarm; `on`: the detectors that are asked."""
        self._model = baseline.surprise
        self._limited = not set(LIMITED_BY).isdisjoint(on)
        self.begun = "" if not set(FOLLOWED_BY).isdisjoint(on) else f"-{baseline.version}"
        """What a session has for its model from its beginning, where nobody measures its surprise: else one
        that another baseline judged first could not be told apart. No baseline is called so."""
        self._version = self.begun or baseline.version
        self._scores = {score for score, name in TOLD_BY if name in on} | (
            {"score"} if self._limited else set()
        )
        self._paces = baseline.pace
        self._share = share
        self._surprise = Window(len(P_EDGES))
        self._pace = Window(CLASSES)
        self._exceeded = Window(2)
        self._together = Window(2)

    def ended(self, session: Session) -> None:
        """A session is over; one that this baseline did not measure from its beginning is passed over."""
        if session.model != self._version or session.unmeasured or not session.events:
            return
        expectation = self._model.expectation(session.agent, session.agent_role)
        joint = expectation.joint(self._share)
        if joint is not None and self._limited:
            backing = joint.alone("score")
            p_value = backing.p_value(session.peak)
            self._surprise.add(bisect_left(P_EDGES, p_value), p_shares(backing))
            every = backing.sessions + backing.beyond
            promised = allowed_of(self._share, every) / (every + 1)
            self._exceeded.add(int(p_value <= self._share), (1.0 - promised, promised))
        if joint is not None and self._scores:
            due = joint.due(self._share, self._scores)
            limits = only(expectation.limits(self._share), self._scores)
            self._together.add(int(is_beyond(session, limits)), (1.0 - due, due))
        pace = self._paces.of(session.agent, session.agent_role)
        found = pace_class(session.events, session.last_ms - session.started_ms)
        if pace is not None and pace.shares and found is not None:
            self._pace.add(found, pace.shares)

    @property
    def sessions(self) -> int:
        """How many it looks at."""
        return self._together.sessions if self._scores else self._pace.sessions

    def surprise_index(self) -> float | None:
        """Population stability of p-values; None for not enough seen."""
        return self._surprise.stability_index()

    def pace_index(self) -> float | None:
        """Population stability of sessions' pace; None for not enough seen."""
        return self._pace.stability_index()

    def calibration_error(self) -> float | None:
        """Share of sessions whose surprise is over its limit, less the promised share; None as above."""
        return self._exceeded.excess(1)

    def joint_error(self) -> float | None:
        """The same of sessions with any score over its limit: all of them keep one promise together."""
        return self._together.excess(1)


def only(limits: Limits, scores: Collection[str]) -> Limits:
    """The limits of these scores."""
    return Limits(**{score: limit for score, limit in limits._asdict().items() if score in scores})


def is_beyond(session: Session, limits: Limits) -> bool:
    """Whether any calibrated score of a session came to exceed its limit: then so did all of them together.

    A stop that was lifted takes alarms back, and not that they were told of.
    """
    if limits.score is not None and session.peak > limits.score:
        return True
    told = session.alarms.keys() | {name for names in session.answered.values() for name in names}
    return any(getattr(limits, score) is not None and name in told for score, name in TOLD_BY)


def p_shares(peaks: Peaks) -> tuple[float, ...]:
    """Of each class of p-values, if nothing changed: as the sessions behind them themselves fall into them.

    Sessions that do just the same have one p-value, so that shares need not be those of the edges.
    """
    every = peaks.sessions + peaks.beyond
    below = [0, *(_reaching(peaks, edge) for edge in P_EDGES[:-1]), every]
    return tuple((after - before) / every for before, after in pairwise(below))


def _reaching(peaks: Peaks, edge: float) -> int:
    """How many of them have a p-value of at most `edge`; those beyond a live limit before all others."""
    highest, beyond = peaks.highest, peaks.beyond
    most = allowed_of(edge, peaks.sessions + beyond) - beyond - 1
    if most < 0:
        return 0
    if most >= len(highest):
        return beyond + len(highest)
    return beyond + len(highest) - bisect_right(highest, highest[-most - 1]) if most else beyond
