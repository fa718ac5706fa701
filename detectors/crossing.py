"""Judges what was noted of chains over workflows, together with what others have noted.

The notes are an input like the event itself: whoever folds has to bring them, nothing here asks for them. The
same workflow, the same note and the same notes of others give the same answer.
"""

from collections.abc import Collection, Iterable

from detectors.chains.hosting import DeclaredChain
from detectors.chains.joining import Joiner
from detectors.decision import Decision, Decisions
from detectors.detector import Detector
from models.event import Operation
from models.session import Note, Noting, Session, Workflow


class Crossing:
    """Second half of the fold, for the few operations that are a step of such a chain."""

    def __init__(self, active: Iterable[Detector], decisions: Decisions) -> None:
        chains = [each for each in active if isinstance(each, DeclaredChain)]
        self._joiners = {each.joiner.name: each.joiner for each in chains if each.joiner is not None}
        self._decisions = decisions

    def __bool__(self) -> bool:
        """Whether there is any such chain."""
        return bool(self._joiners)

    def joiner(self, chain: str) -> Joiner | None:
        """Of a chain, by the name that its notes have; None for one that is not followed any more."""
        return self._joiners.get(chain)

    def join(
        self, workflow: Workflow, told: Noting, others: Collection[Note], seen_ms: int
    ) -> Decision | None:
        """Judge one note of the workflow with those of others. `seen_ms` as in `Judge.fold`."""
        joiner = self._joiners.get(told.chain)
        noticed = joiner.words(workflow, told, others) if joiner is not None else []
        if not noticed:
            return None
        step = told.note.hit.step
        event = Operation(
            id=step.event_id,
            source=step.source,
            at_ms=step.at_ms,
            workflow=workflow.id,
            session=step.session,
            agent="",
            operation=step.operation,
        )
        session = workflow.sessions.get(step.session)
        if session is None:  # forgotten meanwhile: it answers all the same
            session = Session(id=step.session, principal=step.principal, last_ms=step.at_ms)
        return self._decisions.due(workflow, session, event, noticed, seen_ms)
