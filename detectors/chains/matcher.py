"""Follows a chain in one workflow, in event time, with a fixed number of registers.

Register k holds the best match of the steps up to k: of all of them the one that began last, since it has
most of the window left. A new event can only improve registers, so a flood of other steps never displaces
a match. A late event is slipped into the newest steps and these are folded again, from the registers of
before them: the answer is that of the right order, as far back as the tail reaches.
"""

from bisect import bisect_right
from typing import Final, NamedTuple

from detectors.chains.declared import Chain
from models.event import OK, Grade, OpClass
from models.session import ChainProgress, Register, Step

TAIL_MAX: Final = 12
"""Steps of one chain that can still be reordered."""

Matches = tuple[tuple[Step, ...], ...]

RUN_KEPT: Final = 2
TARGETS_MAX: Final = 16

# Bound once: on Python 3.11 an enum's attribute costs 50 ns at every look.
INFERRED: Final = Grade.INFERRED


class Part(NamedTuple):
    """What an op class is to a chain."""

    steps: tuple[int, ...]
    """The steps it can be, last to first."""
    bound: bool
    """Whether its targets are those that the decisive step is compared with."""
    decisive: bool
    first: bool
    alike: bool
    """Of one step only that is not the decisive one: a run of them tells no more than its ends."""


class Matcher:
    """One chain, compiled: what each op class is to it."""

    def __init__(self, chain: Chain, within_ms: int) -> None:
        self.chain = chain
        self.within_ms = within_ms
        self._last = len(chain.steps) - 1
        self._parts = {op_class: _part(chain, op_class) for op_class in OpClass}

    def begin(self) -> ChainProgress:
        """Nothing matched yet."""
        empty: list[Register | None] = [None] * self._last
        return ChainProgress(head=empty, base=empty.copy())

    def follow(self, progress: ChainProgress, step: Step) -> Matches:
        """Fold one step in; the matches that this completes, each whole, decisive step last.

        A late step may complete several: one for every change that came after it.
        """
        part = self._parts[step.op_class]
        if step.outcome is OK:
            if part.bound and step.target:
                self._note_target(progress, step)
        elif not part.decisive:
            return ()  # nothing was learned by a read that failed
        tail = progress.tail
        if part.alike and len(tail) >= RUN_KEPT and self._goes_on(progress, step, first=part.first):
            return ()
        matches: Matches = ()
        if not tail or step.at_ms >= tail[-1].at_ms:
            match = self._advance(progress.head, step)
            if match is not None:
                matches = (match,)
            tail.append(step)
        else:
            matches = self._slip_in(progress, step)
        if len(tail) > TAIL_MAX:
            self._advance(progress.base, tail.pop(0))
        return matches

    @staticmethod
    def _goes_on(progress: ChainProgress, step: Step, *, first: bool) -> bool:
        """Whether the step only goes on with a run of its like: a run is kept as its first and its newest.

        Between the two nothing but their like came in, so no other register can change; and a late step of
        another class still finds one of them on either side.
        """
        tail, op_class = progress.tail, step.op_class
        newest = tail[-1]
        if newest.op_class is not op_class or tail[-2].op_class is not op_class:
            return False
        if step.at_ms < newest.at_ms:
            return False
        if step.grade is INFERRED:
            return True  # a guess does not take the place of better evidence
        tail[-1] = step
        if first:
            progress.head[0] = Register(step.at_ms, step.at_ms, (step,))
        return True

    def _slip_in(self, progress: ChainProgress, late: Step) -> Matches:
        """Fold the tail again with the late step in its place; matches count if that step is in them."""
        tail = progress.tail
        tail.insert(bisect_right(tail, late.at_ms, key=_at_ms), late)
        progress.head = progress.base.copy()
        found: list[tuple[Step, ...]] = []
        for step in tail:
            match = self._advance(progress.head, step)
            if match is not None and late in match:
                found.append(match)
        return tuple(found)

    def _advance(self, registers: list[Register | None], step: Step) -> tuple[Step, ...] | None:
        """Improve the registers; from the last to the first, so that no step counts twice."""
        for k in self._parts[step.op_class].steps:
            if k == 0:
                first = registers[0]
                if first is None or (step.at_ms >= first.start_ms and not self._weaker(step, first)):
                    registers[0] = Register(step.at_ms, step.at_ms, (step,))
                continue
            before = registers[k - 1]
            if before is None or step.at_ms < before.at_ms or step.at_ms - before.start_ms > self.within_ms:
                continue
            if k == self._last:
                return (*before.steps, step)
            now = registers[k]
            if now is None or (before.start_ms > now.start_ms and not self._weaker(step, now)):
                registers[k] = Register(before.start_ms, step.at_ms, (*before.steps, step))
        return None

    def _weaker(self, step: Step, known: Register) -> bool:
        """Whether a guess would take the place of a match that still has time."""
        return step.grade is INFERRED and step.at_ms - known.start_ms <= self.within_ms

    @staticmethod
    def _note_target(progress: ChainProgress, step: Step) -> None:
        targets = progress.targets
        key = f"{step.target_kind}\x00{step.target}"
        targets.pop(key, None)
        targets[key] = step.at_ms
        if len(targets) > TARGETS_MAX:
            del targets[next(iter(targets))]
            progress.targets_forgotten = True


def _part(chain: Chain, op_class: OpClass) -> Part:
    last = len(chain.steps) - 1
    steps = tuple(k for k in range(last, -1, -1) if op_class in chain.steps[k])
    return Part(
        steps=steps,
        bound=op_class in chain.steps[chain.bound_step],
        decisive=op_class in chain.steps[last],
        first=op_class in chain.steps[0],
        alike=len(steps) == 1 and steps[0] != last,
    )


def _at_ms(step: Step) -> int:
    return step.at_ms
