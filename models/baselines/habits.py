"""Learns the habits of sequences and origins, and what whole held-out sessions reach under them.

Every session is counted once, into one of `FOLDS` x `FOLDS` cells: by its group (the variant of the agent
that ran it, or else its stretch of time) and by its job. A model without some groups, or without some jobs,
is the sum of the other cells; its held-out sessions calibrate the limits (cross-conformal, Vovk 2015).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from msgspec import Struct

from models.baselines.calibration import Calibration, Peaks, peaks_of
from models.baselines.cohorts import EVERYBODY, SESSIONS_MIN, agent_key, job_key, levels, tally
from models.baselines.counts import END, CohortCounts, merged, repeat_bucket, symbol_of
from models.baselines.origins import count_origins, count_other, leaves
from models.baselines.sequences import count_gap, count_symbol
from models.baselines.surprise import Habits, SurpriseCounts, SurpriseModel, remember, score_of, sequence_of
from models.event import Operation, Outcome
from models.session import Session

FOLDS = 5

JOBS_MIN = 10
"""With fewer jobs, nobody can say what an honest session of an unseen one looks like."""

CALIBRATED_MAX = 20_000
"""Sessions whose peaks are taken, spread evenly over all: more would not move a limit."""

Run = Sequence[Operation]
Cohorts = dict[str, CohortCounts]


class Recorded(Struct):
    """An honest session, and where it is held out."""

    run: Run
    agent: str
    role: str
    group: int
    job: int


class Reached(Struct):
    """The running maxima of a session, in bits."""

    score: float = 0.0
    score_with_end: float = 0.0
    sequence: float = 0.0


def learn_habits(runs: Sequence[Run], groups: Sequence[str] | None = None) -> SurpriseCounts:
    """Habits of honest runs in order of time; `groups` names the variant of the agent of each, if told."""
    recorded = _recorded(runs, groups)
    seen = tally((session.agent, session.role) for session in recorded)
    cells: dict[tuple[int, int], Cohorts] = {}
    for session in recorded:
        cell = cells.setdefault((session.group, session.job), {})
        _count(cell, levels(seen, session.agent, session.role), session.run)
    counts = SurpriseCounts(
        sessions=dict(seen),
        cohorts=_sum(cells.values()),
        score=Calibration({}, {}),
        score_with_end=Calibration({}, {}),
        sequence=Calibration({}, {}),
    )
    sample = recorded[:: -(-len(recorded) // CALIBRATED_MAX)] if recorded else []
    known = [_reached(cells, seen, sample, held_out, by_job=False) for held_out in range(FOLDS)]
    new = [_reached(cells, seen, _of_many_jobs(sample), held_out, by_job=True) for held_out in range(FOLDS)]
    for name in Reached.__struct_fields__:
        calibration: Calibration = getattr(counts, name)
        calibration.known = _peaks(known, name, by_job=False)
        calibration.new = _peaks(new, name, by_job=True)
    return counts


def _recorded(runs: Sequence[Run], groups: Sequence[str] | None) -> list[Recorded]:
    """Whole groups and whole jobs share a fold; without groups, so do neighbours in time."""
    names = sorted(set(groups)) if groups is not None else []
    stems = [_stem(name, names) for name in names]
    fold = {name: sorted(set(stems)).index(stem) % FOLDS for name, stem in zip(names, stems, strict=True)}
    jobs: dict[str, dict[str, int]] = defaultdict(dict)
    recorded = []
    for place, run in enumerate(runs):
        agent, role = run[0].agent, run[0].agent_role
        theirs = jobs[agent]
        job = theirs.setdefault(job_key(agent, role), len(theirs))
        group = fold[groups[place]] if groups is not None else place * FOLDS // len(runs)
        recorded.append(Recorded(run, agent, role, group, job % FOLDS))
    return recorded


def _stem(name: str, names: Sequence[str]) -> str:
    """A variant is held out with what it is a variant of: `m-filtered` with `m`."""
    return next((other for other in names if name == other or name.startswith(f"{other}-")), name)


def _count(cell: Cohorts, keys: Sequence[str], run: Run) -> None:
    everybody = cell.setdefault(EVERYBODY, CohortCounts())
    own = [cell.setdefault(key, CohortCounts()) for key in keys]
    symbols: list[str] = []
    results: dict[str, str] = {}
    repeats: Counter[str] = Counter()
    before_ms = -1
    for event in run:
        symbol = symbol_of(event.operation, event.target_kind)
        if event.outcome is not Outcome.ERROR:
            for argument, leaf in leaves(event, results):
                if leaf is None:
                    count_other(everybody, own, event, argument)
                else:
                    count_origins(everybody, own, event, leaf)
            count_symbol(everybody, own, symbols, symbol)
            if symbols:
                count_gap(own, event.op_class, event.at_ms - before_ms)
            repeats[symbol] += 1
        symbols.append(symbol)
        del symbols[:-8]
        before_ms = event.at_ms
        remember(results, event)
    count_symbol(everybody, own, symbols, END)
    for cohort in (everybody, *own):
        cohort.sessions += 1
        for symbol, times in repeats.items():
            _count_repeats(cohort, symbol, repeat_bucket(times))


def _count_repeats(cohort: CohortCounts, symbol: str, bucket: int) -> None:
    reached = cohort.repeats.setdefault(symbol, [])
    reached.extend([0] * (bucket - len(reached)))
    for place in range(bucket):
        reached[place] += 1


def _sum(cells: Iterable[Cohorts]) -> Cohorts:
    parts: dict[str, list[CohortCounts]] = defaultdict(list)
    for cell in cells:
        for key, counts in cell.items():
            parts[key].append(counts)
    return {key: merged(theirs) for key, theirs in parts.items()}


def _of_many_jobs(sample: Sequence[Recorded]) -> list[Recorded]:
    jobs: dict[str, set[str]] = defaultdict(set)
    for session in sample:
        jobs[session.agent].add(job_key(session.agent, session.role))
    return [session for session in sample if len(jobs[session.agent]) >= JOBS_MIN]


def _reached(
    cells: dict[tuple[int, int], Cohorts],
    seen: Counter[str],
    sample: Sequence[Recorded],
    held_out: int,
    *,
    by_job: bool,
) -> list[tuple[Recorded, Reached]]:
    """The peaks of the sessions of one fold, under the habits of all the others."""
    theirs = [session for session in sample if (session.job if by_job else session.group) == held_out]
    if not theirs:
        return []
    cohorts = _sum(cell for (group, job), cell in cells.items() if (job if by_job else group) != held_out)
    nothing = Calibration({}, {})
    model = SurpriseModel(
        SurpriseCounts(
            sessions=dict(seen), cohorts=cohorts, score=nothing, score_with_end=nothing, sequence=nothing
        )
    )
    return [(session, reached(model.habits(session.agent, session.role), session.run)) for session in theirs]


def reached(habits: Habits, run: Run) -> Reached:
    """The running maxima of a run."""
    session = Session(id="")
    peak = Reached()
    for event in run:
        habits.fold(session, event)
        peak.score = max(peak.score, score_of(session, event))
        peak.sequence = max(peak.sequence, sequence_of(session, event))
    peak.score_with_end = max(peak.score, habits.ended(session))
    return peak


def _peaks(
    folds: Iterable[Iterable[tuple[Recorded, Reached]]], name: str, *, by_job: bool
) -> dict[str, Peaks]:
    """Per cohort with enough sessions, and pooled; of unseen jobs, per agent."""
    values: dict[str, list[float]] = defaultdict(list)
    for fold in folds:
        for session, peak in fold:
            agent = agent_key(session.agent)
            keys = {EVERYBODY, agent} if by_job else {EVERYBODY, agent, job_key(session.agent, session.role)}
            for key in keys:
                values[key].append(getattr(peak, name))
    return {
        key: peaks_of(theirs)
        for key, theirs in values.items()
        if len(theirs) >= SESSIONS_MIN or key == EVERYBODY
    }
