"""Counts without those of a few sessions, put together as a whole."""

from collections.abc import Mapping, Sequence

from models.baselines.calibration import Calibration
from models.baselines.counting import Member, count_arguments, count_rest, members, steps_of
from models.baselines.counts import ArgumentCounts, CohortCounts, History, Row, SurpriseCounts, add_to
from models.baselines.held_out import Reached
from models.baselines.joint import Together
from models.baselines.sequences import Shared
from models.baselines.surprise import Expectation
from models.baselines.surprise_learning import Placed, reached


def reached_slowly(counts: SurpriseCounts, fold: Sequence[Placed]) -> list[Reached]:
    """What each session of a fold reaches by what all others taught, as a worker would fold it."""
    held = members(fold)
    left = SurpriseCounts(
        sessions=counts.sessions,
        cohorts={key: without(key, counts.cohorts[key], theirs) for key, theirs in held.items()},
        together=Together({}, {}),
        score_with_end=Calibration({}, {}),
    )
    shared = Shared(left.cohorts)
    return [reached(Expectation(left, each.agent, each.role, shared), each.run) for each in fold]


def without(key: str, total: CohortCounts, sessions: Sequence[Member]) -> CohortCounts:
    """What is left of a cohort."""
    held = CohortCounts()
    count_arguments(held, key, sessions)
    for session in sessions:
        for back, symbol in steps_of(session.deeds):
            _count_known(total.after, held.after, back if key else (), symbol)
    count_rest(held, sessions, timed=bool(key))
    return CohortCounts(
        sessions=total.sessions - held.sessions,
        after=_history(total.after, held.after),
        arguments={
            operation: {
                name: _argument(counts, held.arguments.get(operation, {}).get(name, ArgumentCounts()))
                for name, counts in row.items()
            }
            for operation, row in total.arguments.items()
        },
        gaps=_lists(total.gaps, held.gaps),
        repeats=_lists(total.repeats, held.repeats),
    )


def _count_known(total: History, held: History, back: Sequence[str], symbol: str) -> None:
    """Count in `held` what `total` counts as well."""
    for before in (*back, None):
        if symbol not in total.next:
            return
        add_to(held.next, symbol)
        longer = total.older.get(before) if before is not None else None
        if longer is None or before is None:
            return
        total, held = longer, held.older.setdefault(before, History())


def _history(total: History, held: History) -> History:
    left = _row(total.next, held.next)
    older = {name: _history(total.older[name], held.older.get(name, History())) for name in total.older}
    return History(sum(left.values()), left, {**older})


def _argument(total: ArgumentCounts, held: ArgumentCounts) -> ArgumentCounts:
    return ArgumentCounts(
        _row(total.origins, held.origins),
        _row(total.sources, held.sources),
        {key: _row(row, held.fields.get(key, {})) for key, row in total.fields.items()},
        {key: _row(row, held.shapes.get(key, {})) for key, row in total.shapes.items()},
    )


def _row(total: Row, held: Row) -> Row:
    left = ((symbol, times - held.get(symbol, 0)) for symbol, times in total.items())
    return {symbol: times for symbol, times in left if times > 0}


def _lists(total: Mapping[str, list[int]], held: Mapping[str, list[int]]) -> dict[str, list[int]]:
    return {
        key: [n - numbers[k] if k < len(numbers) else n for k, n in enumerate(total[key])]
        for key, numbers in ((key, held.get(key, [])) for key in total)
    }
