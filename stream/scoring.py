"""Recorded sessions, scored by a baseline: how surprising each is, and whether that is an alarm."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from models.baselines.baseline import Baseline
from models.baselines.surprise import Expectation, score_of
from models.cloudevent import read_line
from models.errors import UnreadableEventError
from models.event import Operation
from models.session import RECENT_IDS_MAX, Session
from stream.sources.recorded_run import RecordedRun

DIGITS = 6


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

    def add(self, event: Operation) -> None:
        """Fold one operation in."""
        self.expectation.fold(self.session, event)
        found = score_of(self.session, event)
        self.score = max(self.score, found)
        if self.limit is not None and found > self.limit and self.first_alarm is None:
            self.first_alarm = self.events
        self.events += 1


class Scorer:
    """One baseline and one promise: at most `share` of honest sessions raise an alarm."""

    def __init__(self, baseline: Baseline, share: float) -> None:
        self._model = baseline.surprise
        self._share = share

    def runs(self, runs: Iterable[RecordedRun]) -> Iterator[dict[str, Any]]:
        """A row per session, in their order."""
        for run in runs:
            if not run.operations:
                yield self._row(self._begin(run.session, "", "", run.session))
                continue
            first = run.operations[0]
            scored = self._begin(run.session, first.agent, first.agent_role, first.workflow)
            for event in run.operations:
                scored.add(event)
            yield self._row(scored)

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

    def _begin(self, session: str, agent: str, role: str, workflow: str) -> Scored:
        expectation = self._model.expectation(agent, role)
        limit = expectation.limit(self._model.counts.score, self._share)
        return Scored(Session(id=session), expectation, limit, workflow)

    def _row(self, scored: Scored) -> dict[str, Any]:
        counts, expectation = self._model.counts, scored.expectation
        with_end = max(scored.score, expectation.ended(scored.session)) if scored.events else 0.0
        end_limit = expectation.limit(counts.score_with_end, self._share)
        p_value = expectation.p_value(counts.score, scored.score, self._share)
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
