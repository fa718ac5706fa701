"""A chain as a machine sees it: which sets of steps may be done, and what leads from one to the next."""

from collections.abc import Iterator
from functools import cached_property

from msgspec import Struct

SETS_MAX = 64
"""Of steps that may be done; five steps in any order have 32."""


class Stage(Struct, frozen=True, kw_only=True):
    """One step."""

    after: int = 0
    """Steps that must be done before, one bit each."""
    within_ms: int | None = None
    """From the steps before it; of a counted first step, from its first operation."""
    count: int = 1
    distinct: int | None = None
    """Slot of the values that are to differ."""
    same: tuple["Bond", ...] = ()
    differs: tuple["Bond", ...] = ()

    @property
    def counts(self) -> bool:
        """Whether it wants several operations, or at least one that has a value."""
        return self.count > 1 or self.distinct is not None


class Bond(Struct, frozen=True):
    """A value of this operation, compared with one of an earlier step."""

    slot: int
    step: int
    of: int


class Absence(Struct, frozen=True, kw_only=True):
    """What must not happen while `after` is done and `before` is not."""

    after: int = 0
    before: int = 0
    same: tuple[Bond, ...] = ()
    differs: tuple[Bond, ...] = ()

    def spans(self, done: int) -> bool:
        """Whether it must not happen to a match with these steps done."""
        return done & self.after == self.after and not done & self.before


class Move(Struct, frozen=True):
    """`step` leads from the steps in `done` to those in `then`."""

    number: int
    done: int
    then: int
    step: int


class Shape(Struct, frozen=True, kw_only=True, dict=True):
    """One chain, compiled."""

    stages: tuple[Stage, ...]
    within_ms: int
    absences: tuple[Absence, ...] = ()
    shared: bool = False
    """Whether one operation may be several steps at once."""

    @property
    def whole(self) -> int:
        """All steps done."""
        return (1 << len(self.stages)) - 1

    @cached_property
    def sets(self) -> tuple[int, ...]:
        """Sets of steps that may be done, largest first."""
        found, open_ = {0}, [0]
        while open_ and len(found) <= SETS_MAX:
            done = open_.pop()
            for step in self.open_after(done):
                then = done | 1 << step
                if then not in found:
                    found.add(then)
                    open_.append(then)
        return tuple(sorted(found, key=lambda done: (-done.bit_count(), done)))

    def open_after(self, done: int) -> Iterator[int]:
        """Steps that may come next."""
        for step, stage in enumerate(self.stages):
            if not done >> step & 1 and stage.after & done == stage.after:
                yield step

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """From the largest set to the smallest, so that no operation is two steps of one match.

        The other way round where it may be: then one goes on with what it has just led to.
        """
        sets = reversed(self.sets) if self.shared else self.sets
        pairs = [(done, step) for done in sets for step in self.open_after(done)]
        return tuple(Move(k, done, done | 1 << step, step) for k, (done, step) in enumerate(pairs))

    @cached_property
    def keys(self) -> tuple[tuple[int, int], ...]:
        """Steps and slots that others are compared with."""
        bonds = [bond for stage in self.stages for bond in (*stage.same, *stage.differs)]
        bonds += [bond for absence in self.absences for bond in (*absence.same, *absence.differs)]
        return tuple(dict.fromkeys((bond.step, bond.of) for bond in bonds))

    @cached_property
    def loose(self) -> frozenset[int]:
        """Counted steps among whose operations others may come, since nothing orders them."""
        before = [self._before(step) for step in range(len(self.stages))]
        return frozenset(
            step
            for step, stage in enumerate(self.stages)
            if stage.counts
            and not stage.after
            and any(
                other != step and not before[step] >> other & 1 and not before[other] >> step & 1
                for other in range(len(self.stages))
            )
        )

    def _before(self, step: int) -> int:
        """All steps that must be done before it."""
        found = after = self.stages[step].after
        while after:
            other = after.bit_length() - 1
            after &= ~(1 << other)
            found |= self._before(other)
        return found

    @property
    def timed(self) -> bool:
        """Whether steps have windows of their own."""
        return any(stage.within_ms is not None for stage in self.stages)
