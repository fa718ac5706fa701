"""Chains over workflows, in a worker: what was noted is told to all workers, and judged with what they noted.

Once per batch, for whom anything was noted, in one question to the store; without such a chain, nothing. What
others have noted by then depends on how far they are, so that it cannot be replayed exactly: it is written
into the finding, and such a finding asks for a step-up at most (`detectors/crossing.py`).
"""

import time
from collections.abc import Iterator

import structlog
from msgspec import Struct

from detectors.crossing import Crossing
from detectors.decision import Decision
from models.session import Note, Noting, Workflow
from stream import metrics
from stream.state.notes import Notes, Page
from stream.state.partition import Partition
from stream.state.saver import Saver
from stream.state.store import Store
from stream.worker.intake import Arrived

log = structlog.stdlib.get_logger(__name__)

AT_ONCE_MAX = 256
"""Notes of one partition that wait for the end of their batch."""

AGAIN_S = 1.0
"""A store that was away is not asked before."""

KEPT_MAX = 256
"""Notes of one workflow that are kept while they cannot be told; the oldest give way."""

SEEN_MAX = 10_000

Group = tuple[str, str]


class Told(Struct):
    """What a partition has told, in the order of its log, and what everybody has by then."""

    noted: list[tuple[str, Noting]]
    """Workflow, and what it noted."""
    others: dict[Group, list[Note]]


NOTHING = Told([], {})
Joined = tuple[Told, list[tuple[str, Decision]]]
"""What was told, and what came of it, by workflow."""


class Joining:
    """One worker's part in chains over workflows."""

    def __init__(self, store: Store, saver: Saver) -> None:
        self._saver = saver
        self._notes = Notes(store)
        self._again_s = 0.0
        self._seen: dict[tuple[int, int], int] = {}
        """Partition and offset: when the event reached the log (ms)."""

    def note(self, partition: Partition, events: list[Arrived]) -> bool:
        """Which workflows have something to tell; whether that is so much that it should not wait."""
        workflows = partition.workflows
        for event, record, seen_ms in events:
            if workflows[event.workflow].noted:
                partition.noting[event.workflow] = None
                self._seen[partition.number, record.offset] = seen_ms
                if partition.held is None:
                    partition.held = record.offset
        if len(self._seen) > SEEN_MAX:  # of partitions that are others' by now
            self._seen.clear()
        return sum(len(workflows[name].noted) for name in partition.noting) >= AT_ONCE_MAX

    async def join(self, partition: Partition, crossing: Crossing) -> Joined:
        """Tell, hear, judge, and put down what is due; nothing where the store is away."""
        told = await self._tell(partition, crossing)
        if told is None or not partition.owned:
            return NOTHING, []
        async with partition.judging:
            decided = self._fold(partition, told, crossing)
            if decided:
                await self._saver.owe(partition, decided)
        return told, decided

    async def _tell(self, partition: Partition, crossing: Crossing) -> Told | None:
        """Tell everybody and hear what they noted; None where the store is away, to be tried again."""
        noted = sorted(_noted(partition), key=lambda each: each[1].position)
        if time.monotonic() < self._again_s:
            self._cut(partition)
            return None
        groups: dict[Group, list[Note]] = {}
        for _, each in noted:
            if crossing.joiner(each.chain) is not None:
                groups.setdefault((each.chain, each.group), []).append(each.note)
        pages = [
            Page(chain, group, notes, joiner.within_ms, joiner.kept_ms)
            for (chain, group), notes in groups.items()
            if (joiner := crossing.joiner(chain)) is not None
        ]
        answer = await self._notes.told(pages) if pages else []
        if answer is None:
            self._again_s = time.monotonic() + AGAIN_S
            metrics.NOTES.labels("put_off").inc(len(noted))
            self._cut(partition)
            return None
        for (chain, group), notes in zip(groups, answer, strict=True):
            joiner = crossing.joiner(chain)
            assert joiner is not None
            if surplus := joiner.surplus(notes):
                self._notes.drop(chain, group, surplus)
        return Told(noted, dict(zip(groups, answer, strict=True)))

    def _fold(self, partition: Partition, told: Told, crossing: Crossing) -> list[tuple[str, Decision]]:
        """Judge what was told with what others noted; returns what is due, by workflow.

        What the partition's own log says later is not known yet: within it, a replay comes to the same.
        """
        decided: list[tuple[str, Decision]] = []
        for name, each, others in rounds(told):
            workflow = partition.workflows.get(name)
            if workflow is None or each not in workflow.noted:
                continue
            workflow.noted.remove(each)
            partition.touch(name)
            seen_ms = self._seen.pop((partition.number, each.position), each.note.hit.step.at_ms)
            decision = joined(crossing, workflow, each, others, seen_ms)
            if decision is not None:
                decided.append((name, decision))
        partition.told()
        return decided

    @staticmethod
    def _cut(partition: Partition) -> None:
        """The judge goes on; of what cannot be told yet, the newest is kept with its workflow."""
        for name in partition.noting:
            workflow = partition.workflows.get(name)
            over = len(workflow.noted) - KEPT_MAX if workflow is not None else 0
            if workflow is not None and over > 0:
                metrics.NOTES.labels("dropped").inc(over)
                del workflow.noted[:over]


def rounds(told: Told) -> Iterator[tuple[str, Noting, list[Note]]]:
    """Each note in the order of the log, with those of others and those that came before it."""
    own = {each.note.act for _, each in told.noted}
    known = {group: [note for note in notes if note.act not in own] for group, notes in told.others.items()}
    for name, each in told.noted:
        others = known.get((each.chain, each.group))
        yield name, each, others or []
        if others is not None:
            others.append(each.note)


def joined(
    crossing: Crossing, workflow: Workflow, told: Noting, others: list[Note], seen_ms: int
) -> Decision | None:
    """As `Crossing.join`; a mistake in it is logged, and stops nothing."""
    try:
        return crossing.join(workflow, told, others, seen_ms)
    except Exception:
        log.exception("join failed", workflow=workflow.id, chain=told.chain)
        return None


def _noted(partition: Partition) -> Iterator[tuple[str, Noting]]:
    for name in partition.noting:
        workflow = partition.workflows.get(name)
        for each in workflow.noted if workflow is not None else ():
            yield name, each
