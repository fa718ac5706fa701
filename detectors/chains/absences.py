"""What must not have happened in between: it ends the matches between whose steps it did."""

from detectors.chains.binding import bound
from detectors.chains.shape import Absence, Shape
from models.session import Hit, Registers


def drop(registers: Registers, shape: Shape, forbids: int, hit: Hit) -> None:
    """Drop what must not have seen it."""
    for number, absence in enumerate(shape.absences):
        if forbids >> number & 1:
            _drop_matches(registers, absence, hit)
            _drop_counted(registers, absence, shape, hit)


def ended_by(shape: Shape, then: int, forbids: int) -> int:
    """Of the absences, those that are over once these steps are done: what ends them may be their like."""
    whole = shape.whole
    return sum(
        1 << number
        for number, absence in enumerate(shape.absences)
        if forbids >> number & 1 and (then & absence.before if absence.before else then == whole)
    )


def _drop_matches(registers: Registers, absence: Absence, hit: Hit) -> None:
    at_ms = hit.step.at_ms
    for done, kept in registers.partials.items():
        if absence.spans(done):
            kept[:] = [
                known
                for known in kept
                if known.at_ms > at_ms or not bound(known, absence.same, absence.differs, hit)
            ]


def _drop_counted(registers: Registers, absence: Absence, shape: Shape, hit: Hit) -> None:
    for number in registers.counted.keys() | registers.grouped.keys():
        if not absence.spans(shape.moves[number].done):
            continue
        for things in (registers.counted.get(number, {}), *registers.grouped.get(number, {}).values()):
            for value, known in list(things.items()):
                before = known.before
                is_bound = before is None or bound(before, absence.same, absence.differs, hit)
                if known.at_ms <= hit.step.at_ms and is_bound:
                    del things[value]
