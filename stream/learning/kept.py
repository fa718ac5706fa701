"""What training keeps of what it has read, in little memory."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from models.attested import Effect, Fact
from models.event import Operation, Provenance
from models.session import Workflow

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Workflow).decode

WORKFLOWS_MAX = 8_192
"""Workflows that stand in memory as they are, 20 KB each; others are packed to a fifth."""


class Workflows:
    """All workflows of a recording: those active last at hand, the others as in the store."""

    def __init__(self) -> None:
        self._active: OrderedDict[str, Workflow] = OrderedDict()
        self._silent: dict[str, bytes] = {}

    def of(self, name: str) -> Workflow:
        """The workflow of that name: as it was left, or new."""
        workflow = self._active.get(name)
        if workflow is None:
            told = self._silent.pop(name, None)
            workflow = self._active[name] = _decode(told) if told is not None else Workflow(name)
            if len(self._active) > WORKFLOWS_MAX:
                other, silent = self._active.popitem(last=False)
                self._silent[other] = _encode(silent)
        else:
            self._active.move_to_end(name)
        return workflow


FACTS = (Fact.ADDRESS, Fact.BENEFICIARY, Fact.COUNT, Fact.ISSUER)
"""What learning reads of an event's facts."""

SETS_MAX = 4_096
"""Different sets of effects that are kept once; platforms know some hundred."""

IDS_MAX = 65_536
"""Ids of the newest events, at hand so that whoever names one needs no copy of it: some 12 MB."""

NO_FACTS: dict[str, str] = {}
"""Of every event without facts: one for all."""


def compact(event: Operation, names: dict[str, str], ids: dict[str, str]) -> Operation:
    """What learning reads of an event, without a copy of its own of strings that others have.

    `ids` are those of the newest events, which arguments mostly came from.

    That is half of the memory: a million of them are 0.4 GB, or 0.6 GB with two origins each.
    """
    same = names.setdefault
    if len(ids) >= IDS_MAX:
        ids.clear()
    ids[event.id] = event.id
    facts = NO_FACTS
    if event.facts:
        facts = {key: same(event.facts[key], event.facts[key]) for key in FACTS if key in event.facts}
    return Operation(
        id=event.id,
        source=same(event.source, event.source),
        at_ms=event.at_ms,
        workflow=same(event.workflow, event.workflow),
        session=same(event.session, event.session),
        seen_ms=event.seen_ms,
        agent=same(event.agent, event.agent),
        operation=same(event.operation, event.operation),
        op_class=event.op_class,
        outcome=event.outcome,
        system=same(event.system, event.system),
        system_kind=event.system_kind,
        target=same(event.target, event.target),
        target_kind=same(event.target_kind, event.target_kind),
        agent_role=same(event.agent_role, event.agent_role),
        provenance=_compact_origins(event.provenance, names, ids) if event.provenance else (),
        act=event.act,
        effects=_same_effects(event.effects),
        facts=facts,
    )


@lru_cache(maxsize=SETS_MAX)
def _same_effects(effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
    """One tuple for all events that have the same."""
    return effects


def _compact_origins(
    told: Sequence[Provenance], names: dict[str, str], ids: dict[str, str]
) -> tuple[Provenance, ...]:
    same = names.setdefault
    return tuple(
        [
            Provenance(
                argument=same(each.argument, each.argument),
                origin=each.origin,
                source_event=ids.get(each.source_event, each.source_event),
                source_field=same(each.source_field, each.source_field),
                shape=same(each.shape, each.shape),
            )
            for each in told
        ]
    )
