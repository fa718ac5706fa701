"""A chain followed over workflows: each notes what it saw, and puts together what all have noted.

The registers of a workflow know nothing of this. A match that rests on several workflows is looked for anew
among the notes whenever one is added, in order of time, by the same machine: so nothing that another
workflow did is kept in this one, and what is noted twice counts once.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from itertools import pairwise

from detectors.chains.hosted import CROSSING, LATE, Hosted
from detectors.chains.registers import Machine
from models.event import weakest
from models.finding import EVIDENCE_MAX, Elsewhere, Noticed
from models.session import Hit, Note, Noting, Partial, Registers, Step, Workflow

NOTES_MAX = 64
"""Of one chain and whom it follows, and twice as many as it counts beside."""

SLACK = 16
"""So many more are borne, so that not each new note is weighed against all."""

NOTED_MAX = 1024
"""Of one workflow, while nobody asks for them; whoever judges them does so long before."""

TOLD_MAX = 4
"""Acts elsewhere that a reason names; the finding has all."""


def noting(chain: str, group: str, workflow: Workflow, hit: Hit, matches: Iterable[Partial]) -> Noting:
    """What to tell of an operation, and which matches need no others."""
    step = hit.step
    told = Step(
        step.at_ms,
        step.event_id,
        step.session,
        step.op_class,
        step.operation,
        step.target,
        principal=step.principal,
        outcome=step.outcome,
        grade=step.grade,
        source=step.source,
        act=step.act,
    )
    note = Note(workflow.id, Hit(told, hit.fills, hit.forbids, hit.values, hit.act, hit.weight))
    ended = tuple(_last(match).step.event_id for match in matches)
    return Noting(chain, group, workflow.position, note, ended)


class Joiner:
    """One chain, over all workflows. Holds nothing but what was declared: the notes are passed in."""

    def __init__(self, hosted: Hosted, machine: Machine, late_ms: int) -> None:
        self.name = hosted.joined_as
        self.within_ms = hosted.shape.within_ms
        self.kept_ms = hosted.shape.within_ms + late_ms
        """What is older than that, against the newest, no longer counts."""
        self._hosted = hosted
        self._machine = machine
        stages = hosted.shape.stages
        self._whole = hosted.shape.whole
        self._ends = sum({1 << move.step for move in hosted.shape.moves if move.then == self._whole})
        counted = [stage.count for stage in stages if stage.counts]
        self.notes_max = NOTES_MAX + 2 * sum(counted)
        self._runs = not counted and not hosted.shape.timed

    def words(self, workflow: Workflow, told: Noting, others: Collection[Note]) -> list[Noticed]:
        """What one note completes together with others', beside what its own workflow knows."""
        own = told.note
        at_ms = own.hit.step.at_ms
        if at_ms <= workflow.released_ms or not self._may_end(own, others):
            return []
        known = {own.act: own}
        for note in others:
            his_ms = note.hit.step.at_ms
            if his_ms <= workflow.released_ms or abs(his_ms - at_ms) > self.within_ms:
                continue
            act = note.act
            if act not in known or (note.workflow == own.workflow and act != own.act):
                known[act] = note  # of one act told under two workflows, this one's own
        notes = in_order(known.values())
        matches = self._machine.among([note.hit for note in notes], own.hit, Registers())
        found = [
            self._word(match, own, notes) for match in matches if _last(match).step.event_id not in told.ended
        ]
        return [word for word in found if word is not None]

    def _may_end(self, own: Note, others: Iterable[Note]) -> bool:
        """Whether there is anything to look for: all steps, in several workflows, and an end of them.

        Most notes are of a first step that is the newest: these cost no more than this.
        """
        fills, at_ms, is_newest, is_alone = own.hit.fills, own.hit.step.at_ms, True, True
        if not fills:
            return False
        for note in others:
            hit = note.hit
            fills |= hit.fills
            if hit.step.at_ms > at_ms:
                is_newest = False
            if is_alone and note.workflow != own.workflow:
                is_alone = False
        return fills == self._whole and not is_alone and (not is_newest or bool(own.hit.fills & self._ends))

    def surplus(self, kept: Collection[Note]) -> list[Note]:
        """Of what is kept, the notes that are kept no more; none while there are a few too many.

        First what the next one tells as well, being the same step with the same values; then the oldest of
        the step that has most, so that a flood of one step does not displace another.
        """
        over = len(kept) - self.notes_max
        if over <= SLACK:
            return []
        notes = in_order(kept)
        gone: list[Note] = []
        if self._runs:
            gone = [one for one, other in pairwise(notes) if _tells_the_same(one.hit, other.hit)][:over]
        acts = {note.act for note in gone}
        left = [note for note in notes if note.act not in acts]
        counts = Counter(_kind(note) for note in left)
        while len(gone) < over:
            most = max(counts.values())
            oldest = next(note for note in left if counts[_kind(note)] == most)
            left.remove(oldest)
            counts[_kind(oldest)] -= 1
            gone.append(oldest)
        return gone

    def _word(self, match: Partial, own: Note, notes: list[Note]) -> Noticed | None:
        """None for a match that rests on one workflow alone: that is for its own registers to find."""
        rests = [
            note for note in notes if note.workflow != own.workflow and self._machine.is_part(note.hit, match)
        ]
        if not rests:
            return None
        hits = sorted(filter(None, match.hits), key=_at_ms)
        last = hits[-1].step
        workflows = len({own.workflow, *(note.workflow for note in rests)})
        steps = ", then ".join(hit.step.operation for hit in hits)
        evidence = dict.fromkeys((*(hit.step.event_id for hit in hits), *match.counted))
        is_elsewhere = any(note.hit == hits[-1] for note in rests)
        is_late = is_elsewhere and not own.hit.fills & self._ends
        return Noticed(
            detector=self._hosted.name + (LATE if is_late else CROSSING),
            confidence=self._hosted.confidence,
            reason=f"{self._hosted.title}: {steps} on {last.target or 'no named target'} in "
            f"{(match.at_ms - match.start_ms) / 1000:.1f} s over {workflows} workflows; {_told(rests)}",
            evidence=tuple(evidence)[:EVIDENCE_MAX],
            grade=weakest(hit.step.grade for hit in hits),
            tags=self._hosted.tags,
            session=own.hit.step.session if is_elsewhere else last.session,
            act_ms=last.at_ms,
            elsewhere=tuple(_elsewhere(note) for note in rests)[:EVIDENCE_MAX],
        )


def in_order(notes: Iterable[Note]) -> list[Note]:
    """By time; of one moment, by step: whoever puts them in order comes to the same."""
    return sorted(notes, key=_place)


def _place(note: Note) -> tuple[int, int, tuple[str, str, int, str, str]]:
    hit = note.hit
    return hit.step.at_ms, hit.fills & -hit.fills, note.act


def _tells_the_same(one: Hit, other: Hit) -> bool:
    return one.fills == other.fills and one.forbids == other.forbids and one.values == other.values


def _kind(note: Note) -> tuple[int, int]:
    return note.hit.fills, note.hit.forbids


def _last(match: Partial) -> Hit:
    return max(filter(None, match.hits), key=_at_ms)


def _at_ms(hit: Hit) -> int:
    return hit.step.at_ms


def _told(rests: list[Note]) -> str:
    """Whose acts elsewhere, and when."""
    named = []
    for note in rests[:TOLD_MAX]:
        step = note.hit.step
        when = datetime.fromtimestamp(step.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        named.append(
            f"{step.operation} (event {step.event_id}) by {step.session} in {note.workflow} at {when}"
        )
    more = len(rests) - TOLD_MAX
    return "noted elsewhere: " + ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _elsewhere(note: Note) -> Elsewhere:
    step = note.hit.step
    return Elsewhere(workflow=note.workflow, session=step.session, event_id=step.event_id, at_ms=step.at_ms)
