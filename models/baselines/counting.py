"""Counts what a session did, for every cohort that it belongs to."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from models.baselines.cohorts import EVERYBODY
from models.baselines.counts import END, ORDER, CohortCounts, add_to, repeat_bucket, symbol_of, without
from models.baselines.origins import OriginTally, add_origins, leaves
from models.baselines.sequences import count_gap, count_known, count_next
from models.baselines.surprise import remember
from models.event import Operation, Outcome

Run = Sequence[Operation]
"""The operations of one session, in order of time."""

Cohorts = dict[str, CohortCounts]


def count_runs(sessions: Iterable[tuple[Sequence[str], Run]]) -> Cohorts:
    """Everybody and the cohorts of sessions, each told by its cohorts' keys and what it did."""
    cohorts: Cohorts = {EVERYBODY: CohortCounts()}
    origins: OriginTally = Counter()
    for keys, run in sessions:
        everybody, *own = (cohorts.setdefault(key, CohortCounts()) for key in (EVERYBODY, *keys))
        for symbols, symbol in _steps(run):
            _count_everybody(everybody, symbol)
            for cohort in own:
                count_next(cohort.after, symbols, symbol)
        _count_rest(everybody, own, run)
        _count_origins(origins, tuple(keys), run)
    add_origins(cohorts, origins)
    return cohorts


def left_without(total: Cohorts, sessions: Iterable[tuple[Sequence[str], Run]]) -> Cohorts:
    """What `total` had counted if these sessions, which it has, had never been."""
    held: Cohorts = {EVERYBODY: CohortCounts()}
    origins: OriginTally = Counter()
    for keys, run in sessions:
        everybody, *own = (held.setdefault(key, CohortCounts()) for key in (EVERYBODY, *keys))
        pairs = [(total[key].after, cohort.after) for key, cohort in zip(keys, own, strict=True)]
        for symbols, symbol in _steps(run):
            _count_everybody(everybody, symbol)
            for whole, part in pairs:
                count_known(whole, part, symbols, symbol)
        _count_rest(everybody, own, run)
        _count_origins(origins, tuple(keys), run)
    add_origins(held, origins)
    return total | {key: without(total[key], counts) for key, counts in held.items()}


def _count_everybody(everybody: CohortCounts, symbol: str) -> None:
    """Without history: what one agent does after a step says nothing of another."""
    everybody.after.seen += 1
    add_to(everybody.after.next, symbol)


def _count_origins(origins: OriginTally, keys: tuple[str, ...], run: Run) -> None:
    results: dict[str, str] = {}
    for event in run:
        if event.provenance and event.outcome is not Outcome.ERROR:
            for argument, leaf in leaves(event, results):
                origins[keys, event.operation, argument, leaf] += 1
        remember(results, event)


def _steps(run: Run) -> Iterator[tuple[list[str], str]]:
    """Every operation that did not fail, and the end, each with the symbols before it."""
    symbols: list[str] = []
    for event in run:
        symbol = symbol_of(event.operation, event.target_kind)
        if event.outcome is not Outcome.ERROR:
            yield symbols, symbol
        symbols.append(symbol)
        del symbols[:-ORDER]
    yield symbols, END


def _count_rest(everybody: CohortCounts, own: Sequence[CohortCounts], run: Run) -> None:
    """Pauses and repeats."""
    repeats: Counter[str] = Counter()
    before_ms: int | None = None
    for event in run:
        if event.outcome is not Outcome.ERROR:
            if before_ms is not None:
                count_gap(own, event.op_class, event.at_ms - before_ms)
            repeats[symbol_of(event.operation, event.target_kind)] += 1
        before_ms = event.at_ms
    for cohort in (everybody, *own):
        cohort.sessions += 1
        for symbol, times in repeats.items():
            _count_repeats(cohort, symbol, repeat_bucket(times))


def _count_repeats(cohort: CohortCounts, symbol: str, bucket: int) -> None:
    reached = cohort.repeats.setdefault(symbol, [])
    reached.extend([0] * (bucket - len(reached)))
    for place in range(bucket):
        reached[place] += 1
