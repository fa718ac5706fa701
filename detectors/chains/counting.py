"""Steps that want several operations: of each different thing the newest, and the match that it goes on with.

Things are counted apart for each set of values that `same` and `differs` compare: a hundred reads of other
people's secrets add nothing to the three of one owner's.
"""

from itertools import islice

from detectors.chains.fields import names
from detectors.chains.shape import Move, Shape, Stage
from models.finding import EVIDENCE_MAX
from models.session import Counted, Hit, Partial, Registers

GROUPS_MAX = 16
GROUPS_MIN = 4
THINGS_MAX = 256
"""A step that counts to many tells fewer sets of values apart, so that a workflow stays small."""

Things = dict[str, Counted]


def groups_max(stage: Stage) -> int:
    """How many sets of values are counted apart; the one that stood still longest gives way."""
    return min(GROUPS_MAX, max(GROUPS_MIN, THINGS_MAX // stage.count))


class Counter:
    """One counted step of a chain."""

    def __init__(self, shape: Shape, step: int) -> None:
        self._stage = shape.stages[step]
        self._own = tuple(slot for of, slot in shape.keys if of == step)
        """What other steps compare of it: its operations have to agree in that."""
        self._groups_max = groups_max(self._stage)
        self._told_apart = bool(shape.keys)
        self.is_loose = step in shape.loose
        """Whether steps that it is not ordered with may come among its operations."""
        self._kept = sum(stage.count for stage in shape.stages) if self.is_loose else self._stage.count

    def group_of(self, hit: Hit, before: Partial | None) -> str:
        """What is counted apart from all else; empty where nothing is compared."""
        own = [",".join(sorted(names(hit.values[slot]))) or hit.values[slot] for slot in self._own]
        return "\0".join((*own, *before.key) if before is not None else own)

    def take(self, registers: Registers, move: Move, hit: Hit, fitting: list[Partial]) -> list[Things]:
        """Count an operation, with each match that it may go on with; the things counted by then."""
        values = values_of(hit, self._stage.distinct)
        if not values:
            return []
        if not self._told_apart:  # nothing is compared: all of it is one group
            best = max(fitting, key=_start_ms) if fitting else None
            things = registers.counted.get(move.number)
            if things is None:
                things = registers.counted[move.number] = {}
            news = Counted(hit.step.at_ms, hit.step.event_id, best)
            for value in values:
                _renew(things, value, news, self._kept)
            return [things]
        groups: dict[str, Partial | None] = {}
        for before in sorted(fitting, key=_start_ms):
            groups[self.group_of(hit, before)] = before
        if not move.done:
            groups[self.group_of(hit, None)] = None
        found = []
        for group, best in groups.items():
            things = self._things(registers, move.number, group)
            news = Counted(hit.step.at_ms, hit.step.event_id, best)
            for value in values:
                _renew(things, value, news, self._kept)
            found.append(things)
        return found

    def enough(self, things: Things, beside: Partial | None = None) -> list[Counted]:
        """The newest of as many as are wanted, oldest first, none of them part of `beside`; else nothing."""
        kept = list(things.values())
        if beside is not None:
            taken = {hit.step.event_id for hit in beside.hits if hit is not None} | set(beside.counted)
            kept = [each for each in kept if each.event_id not in taken]
        return kept[-self._stage.count :] if len(kept) >= self._stage.count else []

    def of_group(self, registers: Registers, number: int, hit: Hit) -> Things:
        """What is counted of a step that needs none before it; nothing for one that does not count."""
        if not values_of(hit, self._stage.distinct):
            return {}
        return self._things(registers, number, self.group_of(hit, None))

    def _things(self, registers: Registers, number: int, group: str) -> Things:
        if not group:
            return registers.counted.setdefault(number, {})
        groups = registers.grouped.setdefault(number, {})
        things = groups.get(group)
        if things is None:
            if len(groups) >= self._groups_max:
                del groups[min(groups, key=lambda name: _newest_ms(groups[name]))]
            things = groups[group] = {}
        return things


def evidence_of(counted: list[Counted]) -> list[str]:
    """Ids of the newest events."""
    newest = dict.fromkeys(each.event_id for each in islice(reversed(counted), EVIDENCE_MAX))
    return list(reversed(newest))


def values_of(hit: Hit, distinct: int | None) -> list[str]:
    """The things to count: acts, or values that differ; a call that touched many is as many."""
    if distinct is None:
        return [hit.act or f"{hit.step.source}\0{hit.step.event_id}"]
    value = hit.values[distinct]
    if hit.weight > 1:
        return [f"{value}\0{hit.step.event_id}\0{k}" for k in range(hit.weight)]
    return [value] if value else []


def copied(registers: Registers) -> Registers:
    """Apart from the original, as deep as it is changed in place."""
    return Registers(
        {done: kept.copy() for done, kept in registers.partials.items()},
        {move: things.copy() for move, things in registers.counted.items()},
        {
            move: {group: things.copy() for group, things in groups.items()}
            for move, groups in registers.grouped.items()
        },
    )


def _renew(kept: Things, value: str, news: Counted, count: int) -> None:
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


def _newest_ms(things: Things) -> int:
    return next(reversed(things.values())).at_ms if things else 0


def _start_ms(match: Partial) -> int:
    return match.start_ms
