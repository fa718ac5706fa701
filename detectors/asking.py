"""Who is asked about an operation: found out once for all operations that look alike.

Most detectors can tell from an operation's class, outcome, kinds and effects that it is none of their
business, and most operations look like one of a few hundred: who does not care costs nothing.
"""

from collections.abc import Hashable, Iterable
from typing import Final

from detectors.detector import Detector, Inspect
from detectors.witnesses import FIRST, NAMED
from models.event import Grade, OpClass, Operation

LOOKS_MAX = 8_192
"""Forgotten as a whole when full: operations and kinds are named by whoever acts, so they may be many."""

OBSERVED: Final = Grade.OBSERVED
NOTHING: Final[tuple[str, ...]] = ()

Asked = tuple[Inspect, ...]


def look_of(event: Operation) -> tuple[Hashable, ...]:
    """All that a detector may go by when it says whom an operation concerns; names of targets are no part."""
    return (
        event.op_class,
        event.operation,
        event.outcome,
        event.target_kind,
        event.grade,
        event.system_kind,
        event.credential_kind,
        event.workload_proven,
        event.effects,
        tuple(event.facts) if event.facts else NOTHING,
        not event.provenance,
    )


class Asking:
    """All active detectors, by what operations look like."""

    def __init__(self, active: Iterable[Detector], weighed: frozenset[OpClass]) -> None:
        """`weighed` are the classes of which a claim without a target says too little to be weighed."""
        self._active = tuple(active)
        self._weighed = weighed
        self._known: dict[tuple[Hashable, ...], Asked] = {}

    def about(self, event: Operation, told: int = FIRST) -> Asked:
        """Whom to ask: an act `told` before counts once, and a claim may lack what the platform will say."""
        look = (look_of(event), told, not event.target)
        asked = self._known.get(look)
        if asked is None:
            if len(self._known) >= LOOKS_MAX:
                self._known.clear()
            asked = self._known[look] = tuple(self._listening(event, told))
        return asked

    def _listening(self, event: Operation, told: int) -> Iterable[Inspect]:
        claim = event.grade is OBSERVED and not event.target and event.op_class in self._weighed
        if claim and told != FIRST:
            return
        for detector in self._active:
            if event.op_class not in detector.listens_to:
                continue
            if claim and not (detector.counts or detector.takes_claims):
                continue
            if detector.counts and told != FIRST and not (told == NAMED and detector.counts_names):
                continue
            inspect = detector.inspector(event)
            if inspect is not None:
                yield inspect
