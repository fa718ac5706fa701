"""All notes of chains over workflows, in memory: for whoever sees the whole log in its order."""

from collections.abc import Iterator

from detectors.crossing import Crossing
from detectors.decision import Decision
from models.session import Note, Workflow

Group = tuple[str, str]
"""Chain, and whom it follows there."""

Place = tuple[str, tuple[str, str, int, str, str]]
"""Workflow and act: what is noted there again is no other note."""


class Notebook:
    """Keeps what the worker's store keeps, and as much of it."""

    def __init__(self, crossing: Crossing) -> None:
        self._crossing = crossing
        self._notes: dict[Group, dict[Place, Note]] = {}

    def decided(self, workflow: Workflow, seen_ms: int) -> Iterator[Decision]:
        """What comes of the notes that a workflow has just made, with all that were made before."""
        noted, workflow.noted = workflow.noted, []
        for told in noted:
            joiner = self._crossing.joiner(told.chain)
            if joiner is None:
                continue
            known = self._notes.setdefault((told.chain, told.group), {})
            decision = self._crossing.join(workflow, told, known.values(), seen_ms)
            if decision is not None:
                yield decision
            known[_place(told.note)] = told.note
            for note in joiner.surplus(known.values()):
                del known[_place(note)]

    def forget(self, oldest_ms: int) -> None:
        """Drop whom nothing was noted of since."""
        for key, notes in list(self._notes.items()):
            if max(note.hit.step.at_ms for note in notes.values()) < oldest_ms:
                del self._notes[key]


def _place(note: Note) -> Place:
    return note.workflow, note.act
