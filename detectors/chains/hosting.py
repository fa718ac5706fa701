"""Hosts a declared chain as a detector: what it listens to, and whom it asks."""

from collections.abc import Callable, Iterable
from typing import cast

from detectors.chains.following import Follower
from detectors.chains.hosted import Hosted, Part
from detectors.chains.joining import Joiner
from detectors.chains.registers import LATE_MS
from detectors.detector import Detector, Inspect
from models.event import AnyEvent, Operation
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
        self.attends = frozenset(part.kind for part in hosted.parts) - {Operation}  # type: ignore[misc]
        self._hosted = hosted
        self._follower = Follower(hosted, is_habit, late_ms)
        self.joiner = Joiner(hosted, self._follower.machine, late_ms) if hosted.crosses else None
        """Puts together what it was noted of over workflows; None for a chain that is followed within one."""

    def inspector(self, event: Operation) -> Inspect | None:
        """See `Detector.inspector`. What the looks decide, is decided here."""
        if event.grade not in self._hosted.grades:
            return None
        parts = [part for part in self._hosted.parts if part.may_be(event)]
        asked = tuple(part for part in parts if part.asks)
        fills = _bits(part for part in parts if part.is_step and not part.asks)
        forbids = _bits(part for part in parts if not part.is_step and not part.asks)
        return self._follower.inspector(asked, fills, forbids) if parts else None

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        ask = self.inspector(event)
        return ask(session, workflow, event, step) if ask is not None else None

    def attend(self, session: Session, workflow: Workflow, event: AnyEvent) -> Noticed | None:
        """See `Detector.attend`."""
        if event.grade not in self._hosted.grades:
            return None
        parts = [part for part in self._hosted.parts if type(event) is part.kind]
        met = [part for part in parts if part.is_fact is not None and part.is_fact(event)]
        fills = _bits(part for part in met if part.is_step)
        forbids = _bits(part for part in met if not part.is_step)
        if not met:
            return None
        told = cast("Operation", event)  # what a chain reads of it, it has
        return self._follower.follow(workflow, told, _told(event, session), fills, forbids)


def _bits(parts: Iterable[Part]) -> int:
    """Several rules may be one step."""
    return sum({part.bit for part in parts})


def _told(event: AnyEvent, session: Session) -> Step:
    """What to remember of an event that is no operation."""
    kind = str(event.__struct_config__.tag)
    about = str(getattr(event, "operation", ""))
    return Step(
        event.at_ms,
        event.id,
        session.id,
        operation=f"{kind} of {about}" if about else kind,
        target=str(getattr(event, "target", "")),
        principal=event.principal,
        grade=event.grade,
        source=event.source,
    )
