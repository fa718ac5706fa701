"""Hosts a declared chain as a detector: what it listens to, and whom it asks."""

from collections.abc import Callable
from functools import partial

from detectors.chains.following import Follower
from detectors.chains.hosted import Hosted
from detectors.chains.registers import LATE_MS
from detectors.detector import Detector, Inspect
from models.event import Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow


class DeclaredChain(Detector):
    """Fires at the operation that completes the chain."""

    def __init__(self, hosted: Hosted, is_habit: Callable[[Operation], bool], late_ms: int = LATE_MS) -> None:
        # What is the class's elsewhere is the chain's own here.
        self.name = hosted.name  # type: ignore[misc]
        self.tags = hosted.tags  # type: ignore[misc]
        self.takes_claims = hosted.exact  # type: ignore[misc]
        self.listens_to = frozenset().union(*(part.classes for part in hosted.parts))  # type: ignore[misc]
        self._hosted = hosted
        self._inspect = Follower(hosted, is_habit, late_ms).inspect

    def inspector(self, event: Operation) -> Inspect | None:
        """See `Detector.inspector`. What the looks decide, is decided here."""
        if event.grade not in self._hosted.grades:
            return None
        parts = [part for part in self._hosted.parts if part.may_be(event)]
        asked = tuple(part for part in parts if part.asks)
        fills = sum(part.bit for part in parts if part.is_step and not part.asks)
        forbids = sum(part.bit for part in parts if not part.is_step and not part.asks)
        return partial(self._inspect, asked, fills, forbids) if parts else None

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        ask = self.inspector(event)
        return ask(session, workflow, event, step) if ask is not None else None
