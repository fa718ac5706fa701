"""Recorded sessions under one baseline: what each reached, where, and which promises that exceeds."""

from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from models.baselines.baseline import Baseline
from models.baselines.joint import Limits
from models.baselines.surprise import Expectation
from models.cloudevent import read_line
from models.errors import UnreadableEventError
from models.event import Disposition, Operation
from stream.evaluation.truth import Kind, Truth
from stream.offline.scoring import Rise, Scorer, exceeds
from stream.runs.recorded_run import RecordedRun


class Session(Struct, frozen=True):
    """One session as one baseline sees it."""

    name: str
    workflow: str
    agent: str
    role: str
    events: int
    score: float
    with_end: float
    rises: list[Rise]
    """Its new heights, in order."""
    limits: dict[float, Limits]
    """Share that was promised: the limits of all scores together."""
    end_limits: dict[float, float | None]
    p_value: float | None
    truth: Truth | None

    def alarm(self, share: float) -> bool | None:
        """Whether it exceeds the limit of a promise; None is "not enough seen"."""
        if self.limits[share].score is None:
            return None
        return self.alarm_rise(share) is not None

    def alarm_with_end(self, share: float) -> bool | None:
        """The same with its end."""
        limit = self.end_limits[share]
        return None if limit is None else self.with_end > limit

    def alarm_rise(self, share: float) -> Rise | None:
        """Where the alarm came; None for no alarm."""
        limits = self.limits[share]
        return next((rise for rise in self.rises if exceeds(limits, rise.by, rise.height)), None)

    @property
    def kind(self) -> Kind | None:
        """What it was; None for unknown."""
        return None if self.truth is None else self.truth.kind


class Judge:
    """One baseline, and the promises that are asked of it."""

    def __init__(self, baseline: Baseline, budget: float, shares: Iterable[float]) -> None:
        self._scorer = Scorer(baseline, budget)
        self._shares = tuple(shares)
        self._limits: dict[int, tuple[Expectation, dict[float, Limits], dict[float, float | None]]] = {}

    def judged(self, run: RecordedRun, truth: Truth | None) -> Session:
        """One session that has operations."""
        first, rises = run.operations[0], list[Rise]()
        scored = self._scorer.run(run, rises)
        limits, end_limits = self._of(scored.expectation)
        return Session(
            run.session,
            first.workflow,
            first.agent,
            first.agent_role,
            scored.events,
            scored.score,
            scored.with_end,
            rises,
            limits,
            end_limits,
            self._scorer.p_value(scored),
            truth,
        )

    def _of(self, expectation: Expectation) -> tuple[dict[float, Limits], dict[float, float | None]]:
        """The limits of a cohort, looked up once."""
        known = self._limits.get(id(expectation))
        if known is None:
            limits = {share: expectation.limits(share) for share in self._shares}
            ended = {share: expectation.end_limit(share) for share in self._shares}
            known = self._limits[id(expectation)] = (expectation, limits, ended)
        return known[1], known[2]


def runs_of(
    lines: Iterable[bytes],
    hear: Callable[[Disposition], None] = lambda _: None,
    refuse: Callable[[UnreadableEventError], None] = lambda _: None,
) -> Iterator[RecordedRun]:
    """The sessions of our own events, in the order in which they began; what comes twice counts once.

    `hear` is told what analysts said, and `refuse` of what cannot be read, all of it before the first session
    is given.
    """
    sessions: dict[tuple[str, str], dict[tuple[str, str], Operation]] = {}
    for line in lines:
        try:
            event = read_line(line) if line else None
        except UnreadableEventError as error:
            refuse(error)
            continue
        if isinstance(event, Operation):
            told = sessions.setdefault((event.workflow, event.session), {})
            told.setdefault((event.source, event.id), event)
        elif isinstance(event, Disposition):
            hear(event)
    for (_, session), told in sessions.items():
        yield RecordedRun(session, list(told.values()))
