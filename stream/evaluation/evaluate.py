"""Recorded sessions against a baseline, and against the live one: all numbers, without a clock or chance."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import mean, median

from msgspec import Struct, field
from msgspec.structs import replace

from detectors.policy import Policy
from models.baselines.baseline import Baseline
from models.baselines.cohorts import EVERYBODY, agent_key, role_key
from models.errors import UnreadableEventError
from models.event import Operation
from models.registry import EMPTY, Registry
from stream.evaluation.comparison import compared
from stream.evaluation.evaluation import (
    AtBudget,
    Cohort,
    Counts,
    Curves,
    Drift,
    Evaluation,
    Example,
    Examples,
    Promise,
)
from stream.evaluation.sessions import Judge, Session, runs_of
from stream.evaluation.statistics import bins, curves, delays, interval, interval_of, stability_index
from stream.evaluation.truth import Kind, Labels, labels_of
from stream.learning.scenarios import resolved_runs
from stream.recordings.files import Lines
from stream.recordings.recorded import Refused
from stream.runs.known import EVENTS, RUNS, recorded_runs
from stream.runs.recorded_run import RecordedRun
from stream.terminal.progress import SILENT, Bar

FORMAT = "chainbrake-evaluation/1"
RATES = (0.01, 0.05)
PROMISES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
EXAMPLES_MAX = 10
ROLES_MAX = 50


class Inputs(Struct, frozen=True):
    """What is evaluated."""

    files: list[str]
    source: str = EVENTS
    labels: Path | None = None
    """Beside what the recordings say of themselves."""
    registry: Registry = EMPTY
    unread: Counter[str] = field(default_factory=Counter)
    """Filled in: lines that could not be read, by reason."""

    def refuse(self, line: Refused | UnreadableEventError) -> None:
        """One that could not be read."""
        self.unread[line.reason] += 1


def evaluate(
    inputs: Inputs, baseline: Baseline, policy: Policy, live: Baseline | None = None, bar: Bar = SILENT
) -> Evaluation:
    """All figures of the recordings. Raises `InputError` for what cannot be read."""
    labels = labels_of(inputs.source, inputs.files, inputs.labels)
    budget = policy.wrong_stops_per_1000_sessions / 1000
    return evaluated(_runs(inputs, labels, bar), baseline, budget, labels, inputs.source, live)


def _runs(inputs: Inputs, labels: Labels, bar: Bar) -> Iterator[RecordedRun]:
    if inputs.source == EVENTS:
        return runs_of(Lines(inputs.files, bar=bar), labels.add_disposition, inputs.refuse)
    if inputs.source in RUNS:
        return recorded_runs(inputs.source, inputs.files, bar)
    return resolved_runs(inputs.source, inputs.files, inputs.registry, bar, inputs.refuse)


def evaluated(
    runs: Iterable[RecordedRun],
    baseline: Baseline,
    budget: float,
    labels: Labels,
    source: str = EVENTS,
    live: Baseline | None = None,
) -> Evaluation:
    """All figures of these sessions, each judged as it comes."""
    shares = sorted({*PROMISES, *RATES, budget})
    judge = Judge(baseline, budget, shares)
    other = Judge(live, budget, shares) if live is not None else None
    sessions: list[Session] = []
    others: list[Session] = []
    seen, empty = Seen(baseline), 0
    for run in runs:
        if not run.operations:
            empty += 1
            continue
        truth = labels.of(run)
        sessions.append(judge.judged(run, truth))
        if other is not None:
            others.append(other.judged(run, truth))
        seen.add(run.operations)
    rates = sorted({*RATES, budget})
    streaming = _curves(sessions, lambda session: session.score, rates)
    budgets = [_at_budget(sessions, share) for share in rates]
    honest = presumed(sessions, labels)
    benign = honest if labels.by_analysts else of_kind(sessions, Kind.BENIGN)
    found = Evaluation(
        format=FORMAT,
        baseline=baseline.version,
        source=source,
        budget=budget,
        counts=_counts(sessions, empty),
        streaming=streaming,
        with_end=_curves(sessions, lambda session: session.with_end, rates),
        macro=_macro(sessions, rates),
        budgets=budgets,
        calibration=[_promise(benign, share) for share in shares],
        agents=_cohorts(sessions, budget, lambda session: session.agent),
        roles=_cohorts(sessions, budget, lambda session: session.role)[:ROLES_MAX],
        examples=_examples(sessions, budget),
        drift=seen.drift(honest, baseline),
    )
    if live is None:
        return found
    theirs = _curves(others, lambda session: session.score, rates)
    at_theirs = [_at_budget(others, share) for share in rates]
    pairs = list(zip(sessions, others, strict=True))
    comparison = compared(baseline, live, (streaming, theirs), (budgets, at_theirs), pairs, budget)
    return replace(found, comparison=comparison)


def of_kind(sessions: Iterable[Session], kind: Kind) -> list[Session]:
    """Those that were of a kind."""
    return [session for session in sessions if session.kind is kind]


def presumed(sessions: Iterable[Session], labels: Labels) -> list[Session]:
    """Honest for all that is known: benign ones, and those that nobody said a word about.

    Not the latter where the recordings tell of themselves what they are: then it is another thing.
    """
    every = {Kind.BENIGN} if labels.complete else {Kind.BENIGN, None}
    return [session for session in sessions if session.kind in every]


def _counts(sessions: Sequence[Session], empty: int) -> Counts:
    kinds = {kind.value: len(of_kind(sessions, kind)) for kind in Kind}
    return Counts(
        sessions=len(sessions),
        events=sum(session.events for session in sessions),
        unknown=len(sessions) - sum(kinds.values()),
        empty=empty,
        **kinds,
    )


def _curves(sessions: Sequence[Session], of: Callable[[Session], float], rates: Sequence[float]) -> Curves:
    told = {kind: list(map(of, of_kind(sessions, kind))) for kind in Kind}
    return curves(told[Kind.BENIGN], told[Kind.MALICIOUS], told[Kind.RESISTED], rates)


def _macro(sessions: Sequence[Session], rates: Sequence[float]) -> dict[str, float | None]:
    """Each agent by itself, with thresholds of its own, then the mean."""
    each = [_curves(told, lambda session: session.score, rates) for told in grouped(sessions).values()]
    told = [found for found in each if found.auc is not None]
    figures: dict[str, list[float | None]] = {"auc": [found.auc for found in told]}
    for place, rate in enumerate(rates):
        figures[f"recall_at_{rate:g}"] = [found.at_rates[place].recall.share for found in told]
        figures[f"resisted_at_{rate:g}"] = [found.at_rates[place].resisted.share for found in told]
    known = {name: [value for value in values if value is not None] for name, values in figures.items()}
    return {name: mean(values) if values else None for name, values in known.items()}


def grouped(
    sessions: Iterable[Session], by: Callable[[Session], str] = lambda session: session.agent
) -> dict[str, list[Session]]:
    """Sessions by a name."""
    groups: dict[str, list[Session]] = defaultdict(list)
    for session in sessions:
        groups[by(session)].append(session)
    return groups


def _at_budget(sessions: Sequence[Session], share: float) -> AtBudget:
    benign, malicious = of_kind(sessions, Kind.BENIGN), of_kind(sessions, Kind.MALICIOUS)
    return AtBudget(
        budget=share,
        false_alarms=interval(session.alarm(share) for session in benign),
        false_alarms_with_end=interval(session.alarm_with_end(share) for session in benign),
        recall=interval(session.alarm(share) for session in malicious),
        recall_with_end=interval(session.alarm_with_end(share) for session in malicious),
        resisted=interval(session.alarm(share) for session in of_kind(sessions, Kind.RESISTED)),
        alarms=interval(session.alarm(share) for session in sessions),
        not_enough_seen=sum(session.alarm(share) is None for session in sessions),
        delays=delays(sessions, share),
    )


def _promise(benign: Sequence[Session], share: float) -> Promise:
    achieved = interval(session.alarm(share) for session in benign)
    return Promise(share, achieved, achieved.low <= share if achieved.of else None)


def _cohorts(sessions: Sequence[Session], budget: float, by: Callable[[Session], str]) -> list[Cohort]:
    """Those with most sessions first."""
    found = []
    for name, told in sorted(grouped(sessions, by).items(), key=lambda each: (-len(each[1]), each[0])):
        benign, malicious = of_kind(told, Kind.BENIGN), of_kind(told, Kind.MALICIOUS)
        found.append(
            Cohort(
                name,
                len(told),
                len(malicious),
                _curves(told, lambda session: session.score, ()).auc,
                interval(session.alarm(budget) for session in benign),
                interval(session.alarm(budget) for session in malicious),
                sum(session.alarm(budget) is None for session in told),
                median(session.score for session in told),
            )
        )
    return found


def _examples(sessions: Sequence[Session], budget: float) -> Examples:
    """The loudest false alarms, the quietest misses."""

    def some(kind: Kind, *, alarm: bool | None, loudest: bool) -> list[Example]:
        told = [session for session in of_kind(sessions, kind) if session.alarm(budget) is alarm]
        told.sort(key=lambda session: (-session.score if loudest else session.score, session.name))
        return [example(session, budget) for session in told[:EXAMPLES_MAX]]

    return Examples(
        some(Kind.BENIGN, alarm=True, loudest=True),
        some(Kind.MALICIOUS, alarm=False, loudest=False),
        some(Kind.RESISTED, alarm=True, loudest=True),
        some(Kind.MALICIOUS, alarm=None, loudest=False),
    )


def example(session: Session, budget: float) -> Example:
    """A session with the event that alarmed, else the one that scored highest."""
    told = [rise for rise in session.rises if rise.by == "score"]
    rise = session.alarm_rise(budget) or (told[-1] if told else None)
    return Example(
        session=session.name,
        workflow=session.workflow,
        agent=session.agent,
        role=session.role,
        score=session.score,
        limit=session.limits[budget].score,
        p_value=session.p_value,
        events=session.events,
        at=rise.place if rise is not None else None,
        event=rise.event if rise is not None else "",
        why=rise.why if rise is not None else "nothing in it was surprising at all",
        first_bad=session.truth.first_bad if session.truth is not None else None,
    )


class Seen:
    """What the sessions hold that training may never have met."""

    def __init__(self, baseline: Baseline) -> None:
        counts = baseline.surprise.counts
        self._known = counts.sessions
        everybody = counts.cohorts[EVERYBODY]  # has what any cohort has
        self._operations = {symbol.partition("|")[0] for symbol in everybody.after.next}
        self._all = self._new = 0
        self._from_ms: int | None = None
        self._to_ms: int | None = None

    def add(self, operations: Sequence[Operation]) -> None:
        """One session's."""
        self._all += len(operations)
        self._new += sum(event.operation not in self._operations for event in operations)
        first = min(event.at_ms for event in operations)
        last = max(event.at_ms for event in operations)
        self._from_ms = first if self._from_ms is None else min(self._from_ms, first)
        self._to_ms = last if self._to_ms is None else max(self._to_ms, last)

    def drift(self, sessions: Sequence[Session], baseline: Baseline) -> Drift:
        """These sessions, and all operations, against what was learned."""
        spread = bins([session.p_value for session in sessions if session.p_value is not None])
        return Drift(
            sessions=len(sessions),
            trained_from_ms=baseline.header.from_ms,
            trained_to_ms=baseline.header.to_ms,
            from_ms=self._from_ms,
            to_ms=self._to_ms,
            p_values=spread,
            stability_index=stability_index(spread),
            agents_never_seen=sum(agent_key(session.agent) not in self._known for session in sessions),
            roles_never_seen=sum(
                bool(session.role) and role_key(session.role) not in self._known for session in sessions
            ),
            operations_never_seen=interval_of(self._new, self._all),
        )
