"""Recorded sessions, scored by a baseline: how surprising each is, and whether that is an alarm."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from models.baselines.baseline import Baseline
from models.baselines.joint import Limits
from models.baselines.rates import count
from models.baselines.shape import mark_of, take_in, vector_of
from models.baselines.surprise import Expectation, score_of
from models.baselines.wording import why
from models.cloudevent import read_line
from models.errors import UnreadableEventError
from models.event import OpClass, Operation
from models.session import ACTS_MAX, RECENT_IDS_MAX, Session, remembered
from stream.recordings.recorded import Refused
from stream.runs.recorded_run import RecordedRun

DIGITS = 6

TOLD = ("score", "resemblance", "shape", "pace")
"""Scores that operations tell of."""


class Rise(Struct, frozen=True):
    """An event that brought one of a session's scores to a new height."""

    place: int
    """0-based, among the session's operations."""
    by: str
    """Which score, by its name in `SCORES`."""
    height: float
    event: str
    """Its id."""
    why: str
    """In words."""


class Scored(Struct):
    """A session as far as it was read."""

    session: Session
    expectation: Expectation
    limits: Limits
    """Above any, it is an alarm; without one of the score it is "not enough seen"."""
    workflow: str
    baseline: Baseline
    peaks: dict[str, float]
    """By score, the running maxima."""
    events: int = 0
    first_alarm: int | None = None
    alarm_by: str = ""
    """The score that alarmed first."""
    rises: list[Rise] | None = None
    """Every new height, if anybody wants to know."""

    def add(self, event: Operation) -> None:
        """Fold one operation in; what a second witness tells of is told already."""
        if event.act and not remembered(self.session.acts, event.act, ACTS_MAX):
            self.events += 1
            return
        if not self.events:
            self.session.started_ms = event.at_ms
        self.session.events += 1
        self.expectation.follow(self.session, event)
        self._reach("score", score_of(self.session, event), event)
        if self.baseline.resemblance is not None:
            found = self.baseline.resemblance.likeness(event, self.session.results)
            self._reach("resemblance", found.score, event)
        if event.op_class is not OpClass.UNCLASSIFIED:
            self._reach("pace", self._pace(event), event)
            self._reach("shape", self._oddness(event), event)
        self.events += 1

    def _reach(self, name: str, height: float, event: Operation) -> None:
        if height <= self.peaks[name]:
            return
        self.peaks[name] = height
        if self.rises is not None:
            told = why(self.session, event) if name == "score" else f"{name} {height:.1f}"
            self.rises.append(Rise(self.events, name, height, event.id, told))
        if self.first_alarm is None and exceeds(self.limits, name, height):
            self.first_alarm, self.alarm_by = self.events, name

    def _pace(self, event: Operation) -> float:
        cell = count(self.session.rates, event.op_class, event.at_ms)
        pace = self.baseline.pace.of(event.agent, event.agent_role)
        return pace.times(event.op_class, cell[1:]) if pace is not None else 0.0

    def _oddness(self, event: Operation) -> float:
        """Looked at when the session's class of risk changes."""
        mark, shapes, session = mark_of(event), self.baseline.shape, self.session
        if mark is None or shapes is None or not take_in(session.shape, mark, event):
            return 0.0
        return shapes.oddness(
            self.expectation.keys, vector_of(session.shape, session.started_ms, event.at_ms)
        )

    @property
    def score(self) -> float:
        """The running maximum of its surprise, in bits."""
        return self.peaks["score"]

    @property
    def with_end(self) -> float:
        """The score, the session's end included."""
        return max(self.score, self.expectation.ended(self.session)) if self.events else 0.0


def exceeds(limits: Limits, name: str, height: float) -> bool:
    """Whether one of the scores is an alarm; where surprise has no limit, nothing is."""
    limit: float | None = getattr(limits, name)
    return limits.score is not None and limit is not None and height > limit


class Scorer:
    """One baseline and one promise: at most `share` of honest sessions raise an alarm, by any score.

    Scores of operations: how fast approvals come is told by no operation, and is not looked at.
    """

    def __init__(self, baseline: Baseline, share: float) -> None:
        self._baseline = baseline
        self._model = baseline.surprise
        self._share = share
        self.unread: Counter[str] = Counter()
        """Lines that could not be read, by reason."""

    def refuse(self, line: Refused | UnreadableEventError) -> None:
        """One that could not be read."""
        self.unread[line.reason] += 1

    def runs(self, runs: Iterable[RecordedRun]) -> Iterator[dict[str, Any]]:
        """A row per session, in their order."""
        for run in runs:
            yield self._row(self.run(run))

    def run(self, run: RecordedRun, rises: list[Rise] | None = None) -> Scored:
        """A whole session; its new heights are appended to `rises`."""
        if not run.operations:
            return self._begin(run.session, "", "", run.session)
        first = run.operations[0]
        scored = self._begin(run.session, first.agent, first.agent_role, first.workflow)
        scored.rises = rises
        for event in run.operations:
            scored.add(event)
        return scored

    def lines(self, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        """A row per session of our own events, once all are read; lines that are no operation say nothing."""
        sessions: dict[tuple[str, str], Scored] = {}
        for line in lines:
            try:
                event = read_line(line) if line else None
            except UnreadableEventError as error:
                self.refuse(error)
                continue
            if not isinstance(event, Operation):
                continue
            key = (event.workflow, event.session)
            scored = sessions.get(key)
            if scored is None:
                scored = self._begin(event.session, event.agent, event.agent_role, event.workflow)
                sessions[key] = scored
            if _is_new(scored.session.recent_ids, event):
                scored.add(event)
        for scored in sessions.values():
            yield self._row(scored)

    @property
    def share(self) -> float:
        """What was promised."""
        return self._share

    def p_value(self, scored: Scored) -> float | None:
        """Chance of an honest session to go as far in any score; None is "not enough seen"."""
        return scored.expectation.p_value(scored.peaks, self._share)

    def _begin(self, session: str, agent: str, role: str, workflow: str) -> Scored:
        expectation = self._model.expectation(agent, role)
        limits, peaks = expectation.limits(self._share), dict.fromkeys(TOLD, 0.0)
        return Scored(Session(id=session), expectation, limits, workflow, self._baseline, peaks)

    def _row(self, scored: Scored) -> dict[str, Any]:
        with_end, limit = scored.with_end, scored.limits.score
        end_limit = scored.expectation.end_limit(self._share)
        p_value = self.p_value(scored)
        return {
            "session": scored.session.id,
            "workflow": scored.workflow,
            "events": scored.events,
            "score": round(scored.score, DIGITS),
            "score_with_end": round(with_end, DIGITS),
            "alarm": None if limit is None else scored.first_alarm is not None,
            "alarm_with_end": None if end_limit is None else with_end > end_limit,
            "first_alarm_index": scored.first_alarm,
            "alarm_by": scored.alarm_by or None,
            "limit": limit if limit is None else round(limit, DIGITS),
            "p_value": p_value if p_value is None else round(p_value, DIGITS),
        }


def _is_new(recent: dict[str, int | str], event: Operation) -> bool:
    """Whether it is no repeat of a recent event, as the judge sees it."""
    key = f"{event.source}\0{event.id}"
    if key in recent:
        return False
    recent[key] = event.at_ms
    if len(recent) > RECENT_IDS_MAX:
        del recent[next(iter(recent))]
    return True
