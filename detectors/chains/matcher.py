"""Follows a chain in one workflow, in event time, with a fixed number of registers.

Register k holds the best match of the steps up to k: of all of them the one that began last, since it has
most of the window left. A new event can only improve registers, so a flood of other steps never displaces
a match. A late event is slipped into the newest steps and these are folded again, from the registers of
before them: the answer is that of the right order, as far back as the tail reaches.
"""

from bisect import bisect_right

from detectors.chains.declared import Chain
from models.event import OpClass, Outcome
from models.session import ChainProgress, Register, Step

TAIL_MAX = 12
"""Steps of one chain that can still be reordered."""

TARGETS_MAX = 16


class Matcher:
    """One chain, compiled: which registers an op class may improve."""

    def __init__(self, chain: Chain, within_ms: int) -> None:
        self.chain = chain
        self.within_ms = within_ms
        self._last = len(chain.steps) - 1
        self._bound = chain.steps[chain.bound_step]
        self._steps_of: dict[OpClass, tuple[int, ...]] = {
            op_class: tuple(k for k in range(self._last, -1, -1) if op_class in chain.steps[k])
            for op_class in OpClass
        }

    def begin(self) -> ChainProgress:
        """Nothing matched yet."""
        empty: list[Register | None] = [None] * self._last
        return ChainProgress(head=empty, base=empty.copy())

    def follow(self, progress: ChainProgress, step: Step) -> tuple[Step, ...] | None:
        """Fold one step in; the whole match if that completes one, decisive step last."""
        if step.op_class in self._bound and step.target and step.outcome is Outcome.OK:
            self._note_target(progress, step)
        tail = progress.tail
        if not tail or step.at_ms >= tail[-1].at_ms:
            match = self._advance(progress.head, step)
            tail.append(step)
        else:
            match = self._slip_in(progress, step)
        if len(tail) > TAIL_MAX:
            self._advance(progress.base, tail.pop(0))
        return match

    def _slip_in(self, progress: ChainProgress, late: Step) -> tuple[Step, ...] | None:
        """Fold the tail again with the late step in its place; a match counts if that step is in it."""
        tail = progress.tail
        tail.insert(bisect_right(tail, late.at_ms, key=_at_ms), late)
        progress.head = progress.base.copy()
        found: tuple[Step, ...] | None = None
        for step in tail:
            match = self._advance(progress.head, step)
            if match is not None and late in match:
                found = match
        return found

    def _advance(self, registers: list[Register | None], step: Step) -> tuple[Step, ...] | None:
        """Improve the registers; from the last to the first, so that no step counts twice."""
        for k in self._steps_of[step.op_class]:
            if k == 0:
                if step.outcome is Outcome.OK:
                    first = registers[0]
                    if first is None or step.at_ms >= first.start_ms:
                        registers[0] = Register(step.at_ms, step.at_ms, (step,))
                continue
            before = registers[k - 1]
            if before is None or step.at_ms < before.at_ms or step.at_ms - before.start_ms > self.within_ms:
                continue
            if k == self._last:
                return (*before.steps, step)
            now = registers[k]
            if step.outcome is Outcome.OK and (now is None or before.start_ms > now.start_ms):
                registers[k] = Register(before.start_ms, step.at_ms, (*before.steps, step))
        return None

    @staticmethod
    def _note_target(progress: ChainProgress, step: Step) -> None:
        targets = progress.targets
        key = f"{step.target_kind}\x00{step.target}"
        targets.pop(key, None)
        targets[key] = step.at_ms
        if len(targets) > TARGETS_MAX:
            del targets[next(iter(targets))]


def _at_ms(step: Step) -> int:
    return step.at_ms
