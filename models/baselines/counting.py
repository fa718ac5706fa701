"""Counts what a session did, for each cohort that it belongs to: one cohort after the other.

So no more than a few stand in memory at once, and what is counted stays in the processor's cache.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from models.baselines.cohorts import EVERYBODY
from models.baselines.counts import END, ORDER, CohortCounts, Row, add_to, repeat_bucket, symbol_of, without
from models.baselines.origins import ANY, NAME, OriginTally, add_origins, leaves
from models.baselines.sequences import count_gap, count_known, count_next
from models.baselines.stored import Cohorts, Names, Unpacker, pack
from models.baselines.surprise import remember
from models.event import Operation, Outcome

Run = Sequence[Operation]
"""The operations of one session, in order of time."""

KEPT_MAX = 4
"""Cohorts that stand in memory while sessions are scored without themselves: those of one, and one more."""


class Member(Struct):
    """A session, and the cohorts that it belongs to."""

    run: Run
    keys: tuple[str, ...]
    """Broad to narrow."""


Members = dict[str, list[Member]]


def members(sessions: Iterable[Member]) -> Members:
    """The sessions of everybody and of each cohort, in their order."""
    by_key: Members = {EVERYBODY: []}
    for session in sessions:
        for key in (EVERYBODY, *session.keys):
            by_key.setdefault(key, []).append(session)
    return by_key


class Left(Mapping[str, CohortCounts]):
    """What a few sessions leave of the cohorts that counted them, as far as those sessions ask.

    A cohort is made when asked for; the last few are kept, so sessions that share theirs should ask in a row.
    """

    def __init__(self, total: Cohorts, held: Members) -> None:
        self._total = total
        self._unpacker = Unpacker(total.names)
        self._held = held
        self._kept: OrderedDict[str, CohortCounts] = OrderedDict()

    def __getitem__(self, key: str) -> CohortCounts:
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self._left(key)
            if len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return found

    def _left(self, key: str) -> CohortCounts:
        held = CohortCounts()
        _count_arguments(held, key, self._held[key])
        total = self._unpacker.part(self._total.packed[key], held.arguments)
        _count_sequences(held, key, self._held[key], total)
        return without(total, held)

    def __contains__(self, key: object) -> bool:
        """Without making it."""
        return key in self._total.packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._total.packed)

    def __len__(self) -> int:
        return len(self._total.packed)


def count_members(by_key: Members) -> Cohorts:
    """All cohorts, each packed as soon as it is counted: so they take a tenth of the memory."""
    names = Names()
    packed = {key: pack(counted(key, sessions), names) for key, sessions in by_key.items()}
    return Cohorts(packed, list(names))


def counted(key: str, sessions: Sequence[Member]) -> CohortCounts:
    """What the sessions of a cohort did."""
    cohort = CohortCounts()
    _count_arguments(cohort, key, sessions)
    _count_sequences(cohort, key, sessions, None)
    return cohort


def _count_arguments(cohort: CohortCounts, key: str, sessions: Iterable[Member]) -> None:
    origins: OriginTally = {}
    for session in sessions:
        _count_origins(origins, session.run, everybody=key == EVERYBODY, named=session.keys[:1] == (key,))
    add_origins(cohort, origins)


def _count_sequences(
    cohort: CohortCounts, key: str, sessions: Iterable[Member], total: CohortCounts | None
) -> None:
    """Steps, pauses and repeats; of sessions that `total` counted too, the histories that it has."""
    for session in sessions:
        run = session.run
        if key == EVERYBODY:
            _count_everybody(cohort, run)
        elif total is None:
            for symbols, symbol in _steps(run):
                count_next(cohort.after, symbols, symbol)
        else:
            for symbols, symbol in _steps(run):
                count_known(total.after, cohort.after, symbols, symbol)
        _count_rest(cohort, run, timed=key != EVERYBODY)


def _count_everybody(everybody: CohortCounts, run: Run) -> None:
    """Without history: what one agent does after a step says nothing of another."""
    for _, symbol in _steps(run):
        everybody.after.seen += 1
        add_to(everybody.after.next, symbol)


def _count_origins(origins: OriginTally, run: Run, *, everybody: bool, named: bool) -> None:
    """`named`: whether who spoke of an operation counts as well, as it does for the broadest cohort."""
    if not any(event.provenance for event in run):
        return
    results: dict[str, str] = {}
    for event in run:
        if event.provenance and event.outcome is not Outcome.ERROR:
            operation = ANY if everybody else event.operation
            for argument, leaf in leaves(event, results):
                if everybody or named or argument != NAME:
                    place = (operation, argument, leaf)
                    origins[place] = origins.get(place, 0) + 1
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


def _count_rest(cohort: CohortCounts, run: Run, *, timed: bool) -> None:
    """Pauses, where they are told apart, and repeats."""
    repeats: Row = {}
    before_ms: int | None = None
    for event in run:
        if event.outcome is not Outcome.ERROR:
            if timed and before_ms is not None:
                count_gap(cohort, event.op_class, event.at_ms - before_ms)
            add_to(repeats, symbol_of(event.operation, event.target_kind))
        before_ms = event.at_ms
    cohort.sessions += 1
    for symbol, times in repeats.items():
        _count_repeats(cohort, symbol, repeat_bucket(times))


def _count_repeats(cohort: CohortCounts, symbol: str, bucket: int) -> None:
    reached = cohort.repeats.setdefault(symbol, [])
    reached.extend([0] * (bucket - len(reached)))
    for place in range(bucket):
        reached[place] += 1
