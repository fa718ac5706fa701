"""All notes of chains over workflows, in memory: for whoever sees the whole log in its order."""

from collections.abc import Iterator
from operator import attrgetter

from detectors.chains.joining import in_order
from detectors.crossing import Crossing
from detectors.decision import Decision
from models.session import Note, Workflow

Group = tuple[str, str]
"""Chain, and whom it follows there."""


class Notebook:
    """Keeps what the worker's store keeps, and as much of it."""

    def __init__(self, crossing: Crossing) -> None:
        self._crossing = crossing
        self._notes: dict[Group, list[Note]] = {}

    def decided(self, workflow: Workflow, seen_ms: int) -> Iterator[Decision]:
        """What comes of the notes that a workflow has just made, with all that were made before."""
        noted, workflow.noted = workflow.noted, []
        for told in noted:
            joiner = self._crossing.joiner(told.chain)
            if joiner is None:
                continue
            key = (told.chain, told.group)
            oldest_ms = told.note.hit.step.at_ms - joiner.kept_ms
            known = [note for note in self._notes.get(key, ()) if note.hit.step.at_ms >= oldest_ms]
            decision = self._crossing.join(workflow, told, known, seen_ms)
            if decision is not None:
                yield decision
            if told.note not in known:
                known.append(told.note)
            gone = joiner.surplus(in_order(known))
            self._notes[key] = [note for note in known if note not in gone] if gone else known

    def forget(self, oldest_ms: int) -> None:
        """Drop whom nothing was noted of since."""
        for key, notes in list(self._notes.items()):
            if max(map(attrgetter("hit.step.at_ms"), notes)) < oldest_ms:
                del self._notes[key]
