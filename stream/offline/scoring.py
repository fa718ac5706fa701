"""Recorded sessions, scored by a baseline: how surprising each is, and whether that is an alarm."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from models.baselines.baseline import Baseline
from models.baselines.surprise import Expectation, score_of
from models.baselines.wording import why
from models.cloudevent import read_line
from models.errors import UnreadableEventError
from models.event import Operation
from models.session import ACTS_MAX, RECENT_IDS_MAX, Session, remembered
from stream.sources.recorded_run import RecordedRun

DIGITS = 6


class Rise(Struct, frozen=True):
    """An event that brought a session's score to a new height."""

    place: int
    """0-based, among the session's operations."""
    score: float
    event: str
    """Its id."""
    why: str
    """In words."""


class Scored(Struct):
    """A session as far as it was read."""

    session: Session
    expectation: Expectation
    limit: float | None
    """Above it, it is an alarm; None is "not enough seen"."""
    workflow: str
    events: int = 0
    score: float = 0.0
    first_alarm: int | None = None
    rises: list[Rise] | None = None
    """Every new height, if anybody wants to know."""

    def add(self, event: Operation) -> None:
        """Fold one operation in; what a second witness tells of is told already."""
        if event.act and not remembered(self.session.acts, event.act, ACTS_MAX):
            self.events += 1
            return
        self.expectation.fold(self.session, event)
        found = score_of(self.session, event)
        if found > self.score:
            self.score = found
            if self.rises is not None:
                self.rises.append(Rise(self.events, found, event.id, why(self.session, event)))
        if self.limit is not None and found > self.limit and self.first_alarm is None:
            self.first_alarm = self.events
        self.events += 1

    @property
    def with_end(self) -> float:
        """The score, the session's end included."""
        return max(self.score, self.expectation.ended(self.session)) if self.events else 0.0


class Scorer:
    """One baseline and one promise: at most `share` of honest sessions raise an alarm."""

    def __init__(self, baseline: Baseline, share: float) -> None:
        self._model = baseline.surprise
        self._share = share

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
            except UnreadableEventError:
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

    def limit(self, expectation: Expectation, share: float, *, with_end: bool = False) -> float | None:
        """What at most `share` of honest sessions like these exceed; None is "not enough seen"."""
        counts = self._model.counts
        return expectation.limit(counts.score_with_end if with_end else counts.score, share)

    def p_value(self, scored: Scored) -> float | None:
        """Chance of an honest session to score as high; None is "not enough seen"."""
        return scored.expectation.p_value(self._model.counts.score, scored.score, self._share)

    def _begin(self, session: str, agent: str, role: str, workflow: str) -> Scored:
        expectation = self._model.expectation(agent, role)
        limit = expectation.limit(self._model.counts.score, self._share)
        return Scored(Session(id=session), expectation, limit, workflow)

    def _row(self, scored: Scored) -> dict[str, Any]:
        counts, expectation = self._model.counts, scored.expectation
        with_end = scored.with_end
        end_limit = expectation.limit(counts.score_with_end, self._share)
        p_value = self.p_value(scored)
        return {
            "session": scored.session.id,
            "workflow": scored.workflow,
            "events": scored.events,
            "score": round(scored.score, DIGITS),
            "score_with_end": round(with_end, DIGITS),
            "alarm": None if scored.limit is None else scored.first_alarm is not None,
            "alarm_with_end": None if end_limit is None else with_end > end_limit,
            "first_alarm_index": scored.first_alarm,
            "limit": scored.limit if scored.limit is None else round(scored.limit, DIGITS),
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
