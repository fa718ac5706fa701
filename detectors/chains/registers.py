"""Follows a declared chain in event time, with a bounded number of registers; nothing is searched twice.

For every set of steps that may be done, the match that *began last* is kept: it has the most of its window
left. Matches that later steps tell apart are kept apart. A counted step keeps the newest of each different
thing, and with it the match that stood when it came: so a flood of other steps displaces nothing. A late
operation is slipped into the newest ones, and these are folded again from the registers of before them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice

from detectors.chains.fields import alike
from detectors.chains.shape import Absence, Bond, Move, Shape
from models.finding import EVIDENCE_MAX
from models.session import Counted, Hit, Partial, Registers, Track

TAIL_MAX = 12
"""Operations of one chain that can still be reordered."""

KEPT_MAX = 16
"""Matches of one set of steps that are told apart; the one that began first gives way."""

RUN_KEPT = 2


class Machine:
    """One chain. Holds nothing but what was declared: the registers are passed in."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._stages = shape.stages
        self._within_ms = shape.within_ms
        self._whole = shape.whole
        self._keys = shape.keys
        self._moves: dict[int, tuple[Move, ...]] = {}
        """By which steps an operation may be: at most as many as the shape has sets of conditions."""
        self._many = frozenset(step for step, stage in enumerate(self._stages) if stage.count > 1)
        self._counted = sum(1 << step for step in self._many)
        self._timed = shape.timed
        self._runs = 0 if shape.timed else self._alike()

    def _alike(self) -> int:
        """Steps of which a run tells no more than its ends: uncounted, bound to nothing, and not the last."""
        telling = {move.step for move in self.shape.moves if move.then == self._whole}
        telling |= {of for of, _ in self._keys}
        return sum(
            1 << step
            for step, stage in enumerate(self._stages)
            if stage.count == 1 and step not in telling and not stage.same and not stage.differs
        )

    def follow(self, track: Track, hit: Hit) -> list[Partial]:
        """Fold one operation in; the matches that it completes. A late one may complete several."""
        tail, at_ms = track.tail, hit.step.at_ms
        if at_ms - track.newest_ms > self._within_ms and tail:
            tail.clear()  # all of it is over
            track.head, track.base = Registers(), Registers()
        if tail and at_ms < tail[-1].step.at_ms:
            found = self._slip_in(track, hit)
        else:
            track.newest_ms = at_ms
            match = self._advance(track.head, hit)
            found = [match] if match is not None else []
            if self._goes_on(tail, hit):
                tail[-1] = hit
            else:
                tail.append(hit)
        if len(tail) > TAIL_MAX:
            self._advance(track.base, tail.pop(0))
        return found

    def _goes_on(self, tail: list[Hit], hit: Hit) -> bool:
        """Whether it only goes on with a run of its like: a run is kept as its first and its newest."""
        if len(tail) < RUN_KEPT or hit.forbids or hit.fills & (hit.fills - 1) or not hit.fills & self._runs:
            return False
        newest, before = tail[-1], tail[-RUN_KEPT]
        if newest.forbids or before.forbids:
            return False
        return newest.fills == hit.fills == before.fills

    def _slip_in(self, track: Track, late: Hit) -> list[Partial]:
        """Fold the tail again with the late operation in its place; matches count if it is part of them."""
        tail, base = track.tail, track.base
        tail.insert(bisect_right(tail, late.step.at_ms, key=_at_ms), late)
        track.head = Registers(
            {done: kept.copy() for done, kept in base.partials.items()},
            {move: counting.copy() for move, counting in base.counted.items()},
        )
        found: list[Partial] = []
        for hit in tail:
            match = self._advance(track.head, hit)
            if match is not None and self._is_part(late, match):
                found.append(match)
        return found

    def _is_part(self, late: Hit, match: Partial) -> bool:
        if late in match.hits:
            return True
        return bool(late.fills & self._counted) and match.start_ms <= late.step.at_ms <= match.at_ms

    def _advance(self, registers: Registers, hit: Hit) -> Partial | None:
        """Improve the registers; the match that this completes, of several the one that began last."""
        if hit.forbids:
            self._drop(registers, hit)
        best: Partial | None = None
        for move in self._moves.get(hit.fills) or self._moves_of(hit.fills):
            if move.step in self._many:
                reached: Iterable[Partial] = self._count(registers, move, hit)
            elif not move.done:
                reached = (self._grown(None, move.step, hit, hit.step.at_ms, ()),)
            else:
                kept = registers.partials.get(move.done)
                if not kept:
                    continue
                reached = self._reach(kept, move, hit)
            for partial in reached:
                if move.then != self._whole:
                    self._keep(registers.partials.setdefault(move.then, []), partial)
                elif best is None or partial.start_ms > best.start_ms:
                    best = partial
        return best

    def _drop(self, registers: Registers, hit: Hit) -> None:
        """Drop what must not have seen it."""
        for number, absence in enumerate(self.shape.absences):
            if hit.forbids >> number & 1:
                _forbid(registers, absence, self.shape.moves, hit)

    def _moves_of(self, fills: int) -> tuple[Move, ...]:
        moves = self._moves.get(fills)
        if moves is None:
            moves = tuple(move for move in self.shape.moves if fills >> move.step & 1)
            self._moves[fills] = moves
        return moves

    def _reach(self, kept: list[Partial], move: Move, hit: Hit) -> list[Partial]:
        """What becomes of the matches before the step."""
        return [
            self._grown(before, move.step, hit, before.start_ms, before.counted)
            for before in kept
            if self._fits(before, move.step, hit)
        ]

    def _fits(self, before: Partial, step: int, hit: Hit) -> bool:
        """Whether the operation may be that step of the match."""
        at_ms, stage = hit.step.at_ms, self._stages[step]
        if at_ms < before.at_ms or at_ms - before.start_ms > self._within_ms:
            return False
        if (
            stage.within_ms is not None
            and stage.after
            and at_ms - self._last_ms(before, step) > stage.within_ms
        ):
            return False
        if (
            hit.act
            and not self.shape.shared
            and any(known is not None and known.act == hit.act for known in before.hits)
        ):
            return False  # another witness of the same act
        return bound(before, stage.same, stage.differs, hit)

    def _last_ms(self, before: Partial, step: int) -> int:
        """When the newest of the steps was done that must be done before."""
        needed = self._stages[step].after
        return max(
            known.step.at_ms for place, known in enumerate(before.hits) if known and needed >> place & 1
        )

    def _grown(
        self, before: Partial | None, step: int, hit: Hit, start_ms: int, counted: tuple[str, ...]
    ) -> Partial:
        hits: list[Hit | None] = [None] * len(self._stages) if before is None else list(before.hits)
        hits[step] = hit
        key: tuple[str, ...] = ()
        if self._keys:
            key = tuple(
                ["" if (known := hits[of]) is None else known.values[slot] for of, slot in self._keys]
            )
        return Partial(start_ms, hit.step.at_ms, tuple(hits), key, counted)

    def _count(self, registers: Registers, move: Move, hit: Hit) -> Iterator[Partial]:
        """Take a counted step's operation in; the match that has enough of them."""
        stage, at_ms = self._stages[move.step], hit.step.at_ms
        before: Partial | None = None
        if move.done:
            fitting = [known for known in registers.partials.get(move.done, ())
                       if self._fits(known, move.step, hit)]  # fmt: skip
            if not fitting:
                return
            before = max(fitting, key=lambda known: known.start_ms)
        kept = registers.counted.setdefault(move.number, {})
        for value in values_of(hit, stage.distinct):
            _renew(kept, value, Counted(at_ms, hit.step.event_id, before), stage.count)
        if len(kept) < stage.count:
            return
        first = next(iter(kept.values()))
        start_ms = first.at_ms if first.before is None else first.before.start_ms
        since_ms = (
            start_ms if first.before is None or not stage.after else self._last_ms(first.before, move.step)
        )
        span_ms = at_ms - since_ms
        if at_ms - start_ms > self._within_ms or (stage.within_ms is not None and span_ms > stage.within_ms):
            return
        known = first.before.counted if first.before is not None else ()
        newest = [each.event_id for each in islice(reversed(kept.values()), EVIDENCE_MAX)]
        yield self._grown(first.before, move.step, hit, start_ms, (*known, *reversed(newest)))

    def _keep(self, kept: list[Partial], news: Partial) -> None:
        """Of matches that nothing tells apart, the one that is better in every respect."""
        if self._timed:
            for place, known in enumerate(kept):
                if known.key != news.key:
                    continue
                if self._as_good(news, known):
                    kept[place] = news
                    return
                if self._as_good(known, news):
                    return
        else:  # of two such, one is as good as the other in every respect
            keys = [known.key for known in kept]
            if news.key in keys:
                place = keys.index(news.key)
                if news.start_ms >= kept[place].start_ms:
                    kept[place] = news
                return
        kept.append(news)
        if len(kept) > KEPT_MAX:
            starts_ms = [known.start_ms for known in kept]
            del kept[starts_ms.index(min(starts_ms))]

    def _as_good(self, one: Partial, other: Partial) -> bool:
        """It began no earlier and, since steps have windows of their own, none of its steps came earlier."""
        return one.start_ms >= other.start_ms and all(
            mine is None or his is None or mine.step.at_ms >= his.step.at_ms
            for mine, his in zip(one.hits, other.hits, strict=True)
        )


def bound(before: Partial, same: tuple[Bond, ...], differs: tuple[Bond, ...], hit: Hit) -> bool:
    """Whether the operation's values are to the match's as declared; what is not said is never so."""
    for bond in same:
        known = before.hits[bond.step]
        if known is None or not alike(hit.values[bond.slot], known.values[bond.of]):
            return False
    for bond in differs:
        known = before.hits[bond.step]
        mine, his = hit.values[bond.slot], known.values[bond.of] if known is not None else ""
        if not mine or not his or alike(mine, his):
            return False
    return True


def values_of(hit: Hit, distinct: int | None) -> list[str]:
    """The things to count: acts, or values that differ; a call that touched many is as many."""
    if distinct is None:
        return [hit.act or f"{hit.step.source}\0{hit.step.event_id}"]
    value = hit.values[distinct]
    if hit.weight > 1:
        return [f"{value}\0{hit.step.event_id}\0{k}" for k in range(hit.weight)]
    return [value] if value else []


def _renew(kept: dict[str, Counted], value: str, news: Counted, count: int) -> None:
    """Of each thing the newest, in order of time, and no more than are needed."""
    known = kept.get(value)
    if known is not None:
        if known.at_ms > news.at_ms:
            return
        del kept[value]
    is_late = bool(kept) and next(reversed(kept.values())).at_ms > news.at_ms
    kept[value] = news
    if is_late:  # later than the tail reaches
        in_order = sorted(kept.items(), key=lambda item: item[1].at_ms)
        kept.clear()
        kept.update(in_order)
    if len(kept) > count:
        del kept[next(iter(kept))]


def _forbid(registers: Registers, absence: Absence, moves: tuple[Move, ...], hit: Hit) -> None:
    """Drop the matches between whose steps it happened."""
    at_ms = hit.step.at_ms
    for done, kept in registers.partials.items():
        if _between(absence, done):
            kept[:] = [
                known
                for known in kept
                if known.at_ms > at_ms or not bound(known, absence.same, absence.differs, hit)
            ]
    for number, counting in registers.counted.items():
        if _between(absence, moves[number].done):
            for value in [value for value, known in counting.items() if known.at_ms <= at_ms]:
                del counting[value]


def _between(absence: Absence, done: int) -> bool:
    return done & absence.after == absence.after and not done & absence.before


def _at_ms(hit: Hit) -> int:
    return hit.step.at_ms
