"""Counts what a session did, for each cohort that it belongs to: one cohort after the other.

So no more than a few stand in memory at once, and what is counted stays in the processor's cache.
"""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from msgspec import Struct

from models.baselines.cohorts import EVERYBODY
from models.baselines.counts import (
    END,
    GAPS_MS,
    ORDER,
    START,
    CohortCounts,
    History,
    repeat_bucket,
    symbol_of,
)
from models.baselines.origins import ANY, NAME, Leaf, Said, add_origins, leaves
from models.baselines.sequences import count_next
from models.baselines.surprise import remember
from models.event import ERROR, Operation

Run = Sequence[Operation]
"""The operations of one session, in order of time."""

FROM_START = (START,) * ORDER

Step = tuple[tuple[str, ...], str]
"""The `ORDER` symbols before it, newest first, its session's start again and again before that; its own."""


Bucketed = tuple[str, int]

NONE_FAILED: frozenset[int] = frozenset()


class Deeds(Struct):
    """What is counted of a session."""

    symbols: Sequence[str]
    """Of its operations."""
    failed: frozenset[int]
    """Places of those that failed."""
    pauses: Sequence[Bucketed]
    """Before each that did not fail: its class, and the bucket of the pause."""
    repeats: Sequence[Bucketed]
    """Symbol, and the bucket of how often it came without failing."""
    said: Sequence[Said]
    """Where the values of their arguments came from, one after the other."""
    said_at: Sequence[int]
    """Of these, by which of the operations that did not fail."""


class Member(Struct):
    """A session, and the cohorts that it belongs to."""

    run: Run
    keys: tuple[str, ...]
    """Broad to narrow."""
    deeds: Deeds


Members = dict[str, list[Member]]


def members(sessions: Iterable[Member]) -> Members:
    """The sessions of everybody and of each cohort, in their order."""
    by_key: Members = {EVERYBODY: []}
    for session in sessions:
        for key in (EVERYBODY, *session.keys):
            by_key.setdefault(key, []).append(session)
    return by_key


def counted(key: str, sessions: Sequence[Member]) -> CohortCounts:
    """What the sessions of a cohort did."""
    cohort = CohortCounts()
    count_arguments(cohort, key, sessions)
    if key == EVERYBODY:  # without history: what one agent does after a step says nothing of another
        came = Counter(symbol for session in sessions for _, symbol in steps_of(session.deeds))
        cohort.after = History(came.total(), dict(came))
    else:
        for session in sessions:
            for back, symbol in steps_of(session.deeds):
                count_next(cohort.after, back, symbol)
    count_rest(cohort, sessions, timed=key != EVERYBODY)
    return cohort


def count_arguments(cohort: CohortCounts, key: str, sessions: Iterable[Member]) -> None:
    """Where the values of their arguments came from."""
    told = (
        each.deeds.said if key in (EVERYBODY, *each.keys[:1]) else _unnamed(each.deeds.said)
        for each in sessions
    )
    tally = Counter(chain.from_iterable(told))
    if key == EVERYBODY:
        of_any: Counter[Said] = Counter()
        for (_, argument, leaf), times in tally.items():
            of_any[ANY, argument, leaf] += times
        tally = of_any
    add_origins(cohort, tally)


def _unnamed(every: Iterable[Said]) -> Iterable[Said]:
    """Who spoke of an operation is a habit of the broadest cohort."""
    return (said for said in every if said[1] != NAME)


class Common:
    """What sessions have in common, and is kept once: symbols, buckets, and what was said of arguments."""

    def __init__(self) -> None:
        self._symbols: dict[tuple[str, str], str] = {}
        self._buckets: dict[Bucketed, Bucketed] = {}
        self._leaves: dict[Leaf | None, Leaf | None] = {}
        self._said: dict[Said, Said] = {}

    def deeds_of(self, run: Run) -> Deeds:
        """Of one session, in order of time."""
        symbols = self._symbols_of(run)
        failed = [place for place, event in enumerate(run) if event.outcome is ERROR]
        places = frozenset(failed) if failed else NONE_FAILED
        said, said_at = self._said_of(run)
        return Deeds(symbols, places, self._pauses(run), self._repeats(symbols, places), said, said_at)

    def _symbols_of(self, run: Run) -> list[str]:
        """Of each operation of a session."""
        told = []
        for event in run:
            kind = (event.operation, event.target_kind)
            symbol = self._symbols.get(kind)
            if symbol is None:
                symbol = self._symbols[kind] = symbol_of(*kind)
            told.append(symbol)
        return told

    def _pauses(self, run: Run) -> Sequence[Bucketed]:
        told, same = list[Bucketed](), self._buckets.setdefault
        before_ms = run[0].at_ms
        for event in run[1:]:
            if event.outcome is not ERROR:
                pause = (event.op_class, bisect_right(GAPS_MS, event.at_ms - before_ms))
                told.append(same(pause, pause))
            before_ms = event.at_ms
        return tuple(told)

    def _repeats(self, symbols: Sequence[str], failed: frozenset[int]) -> Sequence[Bucketed]:
        same = self._buckets.setdefault
        done = [symbol for place, symbol in enumerate(symbols) if place not in failed] if failed else symbols
        found = ((symbol, repeat_bucket(times)) for symbol, times in Counter(done).items())
        return tuple([same(repeated, repeated) for repeated in found])

    def _said_of(self, run: Run) -> tuple[Sequence[Said], Sequence[int]]:
        """Where the values of a session's arguments came from, and by which operation that did not fail."""
        if not any(event.provenance for event in run):
            return (), ()
        told, told_at, step = list[Said](), array("I"), 0
        same_leaf, same = self._leaves.setdefault, self._said.setdefault
        results: dict[str, str] = {}
        for event in run:
            if event.outcome is not ERROR:
                for argument, leaf in leaves(event, results) if event.provenance else ():
                    said = (event.operation, argument, same_leaf(leaf, leaf))
                    told.append(same(said, said))
                    told_at.append(step)
                step += 1
            remember(results, event)
        return told, told_at


def steps_of(deeds: Deeds) -> Iterator[Step]:
    """Every operation that did not fail, and the end."""
    newest_first = (*reversed(deeds.symbols), *FROM_START)
    left = len(deeds.symbols)
    for place, symbol in enumerate(deeds.symbols):
        if place not in deeds.failed:
            yield newest_first[left - place : left - place + ORDER], symbol
    yield newest_first[:ORDER], END


def count_rest(cohort: CohortCounts, sessions: Sequence[Member], *, timed: bool) -> None:
    """Count sessions; their pauses, where they are told apart, and repeats."""
    cohort.sessions += len(sessions)
    if timed:
        pauses = Counter(chain.from_iterable(session.deeds.pauses for session in sessions))
        for (op_class, bucket), times in pauses.items():
            row = cohort.gaps.get(op_class)
            if row is None:
                row = cohort.gaps[op_class] = [0] * (len(GAPS_MS) + 1)
            row[bucket] += times
    repeats = Counter(chain.from_iterable(session.deeds.repeats for session in sessions))
    for (symbol, bucket), times in repeats.items():
        reached = cohort.repeats.setdefault(symbol, [])
        reached.extend([0] * (bucket - len(reached)))
        for place in range(bucket):
            reached[place] += times
