"""Counts what a session did, for each cohort that it belongs to: one cohort after the other.

So no more than a few stand in memory at once, and what is counted stays in the processor's cache.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from models.baselines.cohorts import EVERYBODY
from models.baselines.counts import END, ORDER, START, CohortCounts, Row, add_to, repeat_bucket, symbol_of
from models.baselines.origins import ANY, NAME, Leaf, Said, add_origins, leaves
from models.baselines.sequences import count_gap, count_next
from models.baselines.surprise import remember
from models.event import Operation, Outcome

Run = Sequence[Operation]
"""The operations of one session, in order of time."""

Step = tuple[tuple[str, ...], str]
"""The `ORDER` symbols before it, newest first, its session's start again and again before that; its own."""


class Member(Struct):
    """A session, and the cohorts that it belongs to."""

    run: Run
    keys: tuple[str, ...]
    """Broad to narrow."""
    symbols: Sequence[str]
    """Of its operations."""
    said: Sequence[Said]
    """Where the values of their arguments came from, one after the other."""
    said_at: Sequence[int]
    """Of these, by which of the operations that did not fail."""


Members = dict[str, list[Member]]


def members(sessions: Iterable[Member]) -> Members:
    """The sessions of everybody and of each cohort, in their order."""
    by_key: Members = {EVERYBODY: []}
    for session in sessions:
        for key in (EVERYBODY, *session.keys):
            by_key.setdefault(key, []).append(session)
    return by_key


def counted(key: str, sessions: Iterable[Member]) -> CohortCounts:
    """What the sessions of a cohort did."""
    cohort = CohortCounts()
    count_arguments(cohort, key, sessions)
    for session in sessions:
        if key == EVERYBODY:
            _count_everybody(cohort, session)
        else:
            for back, symbol in steps_of(session):
                count_next(cohort.after, back, symbol)
        count_rest(cohort, session, timed=key != EVERYBODY)
    return cohort


def count_arguments(cohort: CohortCounts, key: str, sessions: Iterable[Member]) -> None:
    """Where the values of their arguments came from."""
    tally: dict[Said, int] = {}
    for session in sessions:
        said = session.said
        if key == EVERYBODY:
            said = [(ANY, argument, leaf) for _, argument, leaf in said]
        elif session.keys[0] != key:  # who spoke of an operation is a habit of the broadest cohort
            said = [each for each in said if each[1] != NAME]
        for each in said:
            tally[each] = tally.get(each, 0) + 1
    add_origins(cohort, tally)


def _count_everybody(everybody: CohortCounts, member: Member) -> None:
    """Without history: what one agent does after a step says nothing of another."""
    for _, symbol in steps_of(member):
        everybody.after.seen += 1
        add_to(everybody.after.next, symbol)


class Common:
    """What sessions have in common, and is kept once: symbols, and what was said of arguments."""

    def __init__(self) -> None:
        self._symbols: dict[tuple[str, str], str] = {}
        self._leaves: dict[Leaf | None, Leaf | None] = {}
        self._said: dict[Said, Said] = {}

    def symbols(self, run: Run) -> list[str]:
        """Of each operation of a session."""
        told = []
        for event in run:
            kind = (event.operation, event.target_kind)
            symbol = self._symbols.get(kind)
            if symbol is None:
                symbol = self._symbols[kind] = symbol_of(*kind)
            told.append(symbol)
        return told

    def said(self, run: Run) -> tuple[Sequence[Said], Sequence[int]]:
        """Where the values of a session's arguments came from, and by which operation that did not fail."""
        if not any(event.provenance for event in run):
            return (), ()
        told, told_at, step = list[Said](), array("I"), 0
        same_leaf, same = self._leaves.setdefault, self._said.setdefault
        results: dict[str, str] = {}
        for event in run:
            if event.outcome is not Outcome.ERROR:
                for argument, leaf in leaves(event, results) if event.provenance else ():
                    said = (event.operation, argument, same_leaf(leaf, leaf))
                    told.append(same(said, said))
                    told_at.append(step)
                step += 1
            remember(results, event)
        return told, told_at


def steps_of(member: Member) -> Iterator[Step]:
    """Every operation that did not fail, and the end."""
    back = (START,) * ORDER
    for event, symbol in zip(member.run, member.symbols, strict=True):
        if event.outcome is not Outcome.ERROR:
            yield back, symbol
        back = (symbol, *back[:-1])
    yield back, END


def count_rest(cohort: CohortCounts, member: Member, *, timed: bool) -> None:
    """Count a session; its pauses, where they are told apart, and repeats."""
    repeats: Row = {}
    before_ms: int | None = None
    for event, symbol in zip(member.run, member.symbols, strict=True):
        if event.outcome is not Outcome.ERROR:
            if timed and before_ms is not None:
                count_gap(cohort, event.op_class, event.at_ms - before_ms)
            repeats[symbol] = repeats.get(symbol, 0) + 1
        before_ms = event.at_ms
    cohort.sessions += 1
    for symbol, times in repeats.items():
        _count_repeats(cohort, symbol, repeat_bucket(times))


def _count_repeats(cohort: CohortCounts, symbol: str, bucket: int) -> None:
    reached = cohort.repeats.setdefault(symbol, [])
    reached.extend([0] * (bucket - len(reached)))
    for place in range(bucket):
        reached[place] += 1
