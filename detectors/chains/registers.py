"""Follows a declared chain in event time, with a bounded number of registers; nothing is searched twice.

For every set of steps that may be done, the match that *began last* is kept: it has the most of its window
left. Matches that later steps tell apart are kept apart. A counted step keeps the newest of each different
thing, and with it the match that stood when it came: so a flood of other steps displaces nothing. A late
operation is slipped into the newest ones, and these are folded again from the registers of before them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

from detectors.chains.absences import drop, ended_by
from detectors.chains.binding import bound
from detectors.chains.counting import Counter, copied, evidence_of
from detectors.chains.shape import Move, Shape
from models.session import Counted, Hit, Partial, Registers, Track

TAIL_MAX: Final = 12
"""Operations of one chain that can still be reordered."""

KEPT_MAX: Final = 16
"""Matches of one set of steps that are told apart; the one that began first gives way."""

LATE_MS = 300_000
"""So much later than its time an operation may come and still find what it belongs to."""


class Machine:
    """One chain. Holds nothing but what was declared: the registers are passed in."""

    def __init__(self, shape: Shape, late_ms: int = LATE_MS) -> None:
        self.shape = shape
        self._stages = shape.stages
        self._within_ms = shape.within_ms
        self._over_ms = shape.within_ms + late_ms
        self._whole = shape.whole
        self._keys = shape.keys
        self._moves: dict[int, tuple[Move, ...]] = {}
        """By which steps an operation may be: at most as many as the shape has sets of conditions."""
        self._counters = {
            step: Counter(shape, step) for step, stage in enumerate(self._stages) if stage.counts
        }
        self._counted = sum(1 << step for step in self._counters)
        self._loose = {step: 1 << step for step, counter in self._counters.items() if counter.is_loose}
        self._first_moves = {move.step: move for move in shape.moves if not move.done}
        self._first = sum(1 << step for step in self._first_moves)
        """Steps that need nothing done before them."""
        self._timed = shape.timed
        self._runs = 0 if shape.timed else self._alike()

    def _alike(self) -> int:
        """Steps of which a run tells no more than its ends: uncounted, bound to nothing, and not the last."""
        telling = {move.step for move in self.shape.moves if move.then == self._whole}
        telling |= {of for of, _ in self._keys}
        return sum(
            1 << step
            for step, stage in enumerate(self._stages)
            if not stage.counts and step not in telling and not stage.same and not stage.differs
        )

    def follow(self, track: Track, hit: Hit) -> list[Partial]:
        """Fold one operation in; the matches that it completes. A late one may complete several."""
        tail, at_ms = track.tail, hit.step.at_ms
        if at_ms - track.newest_ms > self._over_ms and tail:
            tail.clear()  # all of it is over
            track.head, track.base = Registers(), Registers()
        if tail and at_ms < tail[-1].step.at_ms:
            found = self._slip_in(track, hit)
        else:
            track.newest_ms = at_ms
            match = self._advance(track.head, hit)
            found = [match] if match is not None else []
            tail.append(hit)
        if len(tail) > TAIL_MAX:
            if self._is_run(tail):
                del tail[1]
            else:
                self._advance(track.base, tail.pop(0))
        return found

    def _is_run(self, tail: list[Hit]) -> bool:
        """Whether the oldest are a run of one step: of what leaves the tail, it is kept by its first."""
        first, second, third = tail[:3]
        fills = first.fills
        if fills & (fills - 1) or not fills & self._runs or not fills == second.fills == third.fills:
            return False
        if first.forbids or second.forbids or third.forbids:
            return False
        return third.step.at_ms - first.step.at_ms <= self._within_ms

    def _slip_in(self, track: Track, late: Hit) -> list[Partial]:
        """Fold the tail again with the late operation in its place; matches count if it is part of them."""
        tail = track.tail
        tail.insert(bisect_right(tail, late.step.at_ms, key=_at_ms), late)
        track.head = copied(track.base)
        return self.among(tail, late, track.head)

    def among(self, hits: list[Hit], one: Hit, registers: Registers) -> list[Partial]:
        """Fold these in, which are in order of time; the matches that `one` of them is part of."""
        found: list[Partial] = []
        for hit in hits:
            match = self._advance(registers, hit)
            if match is not None and self.is_part(one, match):
                found.append(match)
        return found

    def is_part(self, late: Hit, match: Partial) -> bool:
        """Whether a match has it as a step; of a counted step, whether it was done meanwhile."""
        if late in match.hits:
            return True
        return bool(late.fills & self._counted) and match.start_ms <= late.step.at_ms <= match.at_ms

    def _advance(self, registers: Registers, hit: Hit) -> Partial | None:
        """Improve the registers; the match that this completes, of several the one that began last."""
        if not hit.forbids:
            if not registers.partials and not hit.fills & self._first:
                return None  # nothing is done that it could go on from
            return self._move(
                registers, registers, hit, self._moves.get(hit.fills) or self._moves_of(hit.fills)
            )
        before = copied(registers) if hit.fills else registers
        drop(registers, self.shape, hit.forbids, hit)
        best = self._move(registers, registers, hit, self._moves_of(hit.fills))
        for move in self._moves_of(hit.fills):
            ended = ended_by(self.shape, move.then, hit.forbids)
            if ended:  # it is not between the steps if it is the last of them
                seen = copied(before)
                drop(seen, self.shape, hit.forbids & ~ended, hit)
                best = self._better(best, self._move(seen, registers, hit, (move,)))
        return best

    def _move(
        self, registers: Registers, into: Registers, hit: Hit, moves: tuple[Move, ...]
    ) -> Partial | None:
        """Do what can be done from these registers; what it leads to is kept in `into`."""
        if self._loose:
            for step, bit in self._loose.items():
                if hit.fills & bit:
                    self._counters[step].take(registers, self._first_moves[step], hit, [])
        best: Partial | None = None
        for move in moves:
            if move.step in self._counters:
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
                    self._keep(into.partials.setdefault(move.then, []), partial)
                else:
                    best = self._better(best, partial)
        return best

    @staticmethod
    def _better(one: Partial | None, other: Partial | None) -> Partial | None:
        """The one that began later."""
        if one is None or other is None:
            return one or other
        return other if other.start_ms > one.start_ms else one

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
        """Take a counted step's operation in; the matches that have enough of them."""
        counter = self._counters[move.step]
        if counter.is_loose:
            yield from self._around(registers, move, hit, counter)
            return
        fitting: list[Partial] = []
        if move.done:
            kept = registers.partials.get(move.done, ())
            fitting = [known for known in kept if self._fits(known, move.step, hit)]
            if not fitting:
                return
        for things in counter.take(registers, move, hit, fitting):
            counted = counter.enough(things)
            if counted and (match := self._gone_on(move, hit, counted[0].before, counted)):
                yield match

    def _around(self, registers: Registers, move: Move, hit: Hit, counter: Counter) -> Iterator[Partial]:
        """The matches with the counted step around, before or behind what else was done."""
        things = counter.of_group(registers, self._first_moves[move.step].number, hit)
        if not move.done:
            counted = counter.enough(things)
            if counted and (match := self._gone_on(move, hit, None, counted)):
                yield match
            return
        for beside in registers.partials.get(move.done, ()):
            counted = counter.enough(things, beside) if self._fits(beside, move.step, hit) else []
            start_ms = min(beside.start_ms, counted[0].at_ms) if counted else 0
            if counted and hit.step.at_ms - start_ms <= self._within_ms:
                yield self._grown(beside, move.step, hit, start_ms, (*beside.counted, *evidence_of(counted)))

    def _gone_on(
        self, move: Move, hit: Hit, before: Partial | None, counted: list[Counted]
    ) -> Partial | None:
        """The match with the counted step behind what was done before the first of its operations."""
        stage, at_ms = self._stages[move.step], hit.step.at_ms
        start_ms = counted[0].at_ms if before is None else before.start_ms
        since_ms = start_ms if before is None or not stage.after else self._last_ms(before, move.step)
        if at_ms - start_ms > self._within_ms:
            return None
        if stage.within_ms is not None and at_ms - since_ms > stage.within_ms:
            return None
        known = before.counted if before is not None else ()
        return self._grown(before, move.step, hit, start_ms, (*known, *evidence_of(counted)))

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


def _at_ms(hit: Hit) -> int:
    return hit.step.at_ms
