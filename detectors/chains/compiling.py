"""From a declaration without faults to what is hosted."""

from zlib import crc32

import msgspec

from detectors.chains.conditions import classes_of, is_fact, looks_of, matching, tests_of
from detectors.chains.declaration import (
    AbsenceDeclaration,
    Condition,
    Declaration,
    StepDeclaration,
    listed_texts,
    milliseconds,
)
from detectors.chains.faults import crosses, preceding
from detectors.chains.fields import FACT_KINDS, OPERATION, field_of, told_of
from detectors.chains.hosted import Hosted, Part
from detectors.chains.shape import Absence, Bond, Shape, Stage
from detectors.policy import ApprovalSettings
from models.event import GRADES, Grade


def compiled(chain: Declaration, approvals: ApprovalSettings) -> Hosted:
    """What to host; the declaration must have no faults."""
    slots = _slots(chain)
    read = field_of if all(part.kind == OPERATION for part in (*chain.steps, *chain.absent)) else told_of
    parts = [_part(step, 1 << place, approvals, is_step=True) for place, step in enumerate(chain.steps)]
    parts += [_part(each, 1 << place, approvals, is_step=False) for place, each in enumerate(chain.absent)]
    return Hosted(
        name=chain.name,
        title=chain.title,
        parts=tuple(parts),
        shape=_Shaping(chain, slots).shape(),
        compared=tuple(read(name) for name in slots),
        scope=None if chain.scope == "workflow" else read(chain.scope),
        followed=tuple(read(name) for name in listed_texts(chain.by)),
        grades=at_least(Grade(chain.grade)),
        confidence=chain.confidence,
        response=chain.response,
        tags=chain.tags,
        crosses=crosses(chain),
        digest=f"{crc32(msgspec.json.encode(chain)):08x}",
    )


def at_least(grade: Grade) -> frozenset[Grade]:
    """Grades that are no weaker."""
    return frozenset(GRADES[: GRADES.index(grade) + 1])


def _part(condition: Condition, bit: int, approvals: ApprovalSettings, *, is_step: bool) -> Part:
    if condition.kind != OPERATION:
        kind = FACT_KINDS[condition.kind]
        return Part(bit=bit, is_step=is_step, kind=kind, is_fact=is_fact(condition))
    return Part(
        bit=bit,
        is_step=is_step,
        classes=classes_of(condition),
        is_named=matching(condition.operation) if condition.operation else None,
        looks=looks_of(condition),
        tests=tests_of(condition, approvals),
        habit=condition.habit,
    )


def _slots(chain: Declaration) -> tuple[str, ...]:
    """Fields whose values the chain compares."""
    found: list[str] = []
    for part in (*chain.steps, *chain.absent):
        for mine, other in (*part.same.items(), *part.differs.items()):
            found += [mine, other.partition(".")[2]]
    found += [step.distinct for step in chain.steps if step.distinct is not None]
    return tuple(dict.fromkeys(found))


class _Shaping:
    """Names of steps and fields as numbers."""

    def __init__(self, chain: Declaration, slots: tuple[str, ...]) -> None:
        self._chain = chain
        self._slots = slots
        self._places = {step.id: place for place, step in enumerate(chain.steps)}

    def shape(self) -> Shape:
        chain = self._chain
        return Shape(
            stages=tuple(self._stage(place, step) for place, step in enumerate(chain.steps)),
            within_ms=milliseconds(chain.within),
            absences=tuple(self._absence(each) for each in chain.absent),
        )

    def _stage(self, place: int, step: StepDeclaration) -> Stage:
        return Stage(
            after=self._bits(*preceding(self._chain, place)),
            within_ms=milliseconds(step.within) if step.within is not None else None,
            count=step.count,
            distinct=self._slots.index(step.distinct) if step.distinct is not None else None,
            same=self._bonds(step.same),
            differs=self._bonds(step.differs),
        )

    def _absence(self, each: AbsenceDeclaration) -> Absence:
        return Absence(
            after=self._bits(*filter(None, (each.after,))),
            before=self._bits(*filter(None, (each.before,))),
            same=self._bonds(each.same),
            differs=self._bonds(each.differs),
        )

    def _bits(self, *ids: str) -> int:
        return sum(1 << self._places[name] for name in ids)

    def _bonds(self, pairs: dict[str, str]) -> tuple[Bond, ...]:
        split = [(mine, *other.split(".", 1)) for mine, other in pairs.items()]
        return tuple(
            Bond(self._slots.index(mine), self._places[step], self._slots.index(his))
            for mine, step, his in split
        )
