"""What would have had to be different: facts put into a recording, and the judge asked again.

Nothing is guessed from the rules: each answer is what the same judge says about the same events with the
missing fact among them.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from detectors.judge import Judge
from detectors.policy import ApprovalSettings
from detectors.remedy import approval_of, approved_plan, registered_change, somebody_else
from models.command import RANK, Action, Command
from models.event import AnyEvent, Operation
from models.session import Workflow
from stream.recordings.recorded import Arrival

Facts = Mapping[tuple[str, str], Sequence[AnyEvent]]
"""Source and id of an event: what is put in before it."""


class Tried(Struct, frozen=True):
    """One difference, and what came of it."""

    what: str
    """What would have been there."""
    about: tuple[str, ...]
    """The changes it would have vouched for, in words."""
    prevents: bool
    """Whether the action would not have been due, at that event or before."""
    instead: str
    """The strongest that would have been due by then; empty for nothing."""


class WhatIf:
    """One workflow's events, to be judged again and again."""

    def __init__(
        self, judge: Judge, arrivals: Sequence[Arrival], decisive: Command, index: int, session: str
    ) -> None:
        """`decisive` is the command that was due at line `index`."""
        self._judge = judge
        self._arrivals = arrivals
        self._decisive = decisive
        self._index = index
        self._session = session

    def tried(
        self, changes: Sequence[Operation], settings: ApprovalSettings, approvers: Sequence[str] = ()
    ) -> list[Tried]:
        """Approvals, a registered change and an approved plan for these changes; empty if there are none.

        `approvers` are those who alone may approve; nobody for anybody.
        """
        if not changes or not self._reaches({}):
            return []
        by = somebody_else(approvers, (arrival.event for arrival in self._arrivals))
        answers = []
        approvals = {_key(change): approval_of(change, settings, by) for change in changes}
        approved = {key: (given,) for key, given in approvals.items() if given is not None}
        last = _key(changes[-1])
        if len(changes) > 1 and last in approved:
            answers.append(
                self._try("an approval of the last change alone", changes[-1:], {last: approved[last]})
            )
        if approved:
            named = [change for change in changes if _key(change) in approved]
            answers.append(
                self._try("an approval of exactly this, by somebody else, beforehand", named, approved)
            )
        registered = {_key(change): (registered_change(change, by),) for change in changes}
        answers.append(self._try("a registered change that names all that it reaches", changes, registered))
        planned = {_key(change): approved_plan(change, settings, by) for change in changes}
        answers.append(self._try("an approved plan that names the targets", changes, planned))
        return answers

    def _try(self, what: str, about: Sequence[Operation], facts: Facts) -> Tried:
        due = self._due(facts)
        strongest = max(due, key=RANK.__getitem__, default=None)
        prevents = strongest is None or RANK[strongest] < RANK[self._decisive.action]
        words = tuple(
            dict.fromkeys(f"{change.operation} on {change.target or 'no named target'}" for change in about)
        )
        return Tried(what, words, prevents, strongest or "")

    def _reaches(self, facts: Facts) -> bool:
        """Whether the judge, asked again, says the same: else nothing can be learned from asking it."""
        return any(RANK[action] >= RANK[self._decisive.action] for action in self._due(facts))

    def _due(self, facts: Facts) -> list[Action]:
        """What is ordered against the session by the decisive event, with these facts before their change."""
        workflow = Workflow(self._decisive.workflow)
        due: list[Action] = []
        for position, (event, seen_ms) in enumerate(self._with(facts)):
            decision = self._judge.fold(workflow, event, position, seen_ms)
            ordered = decision.commands if decision is not None else ()
            due += [command.action for command in ordered if command.session == self._session]
        return [action for action in due if action is not Action.RELEASE_SESSION]

    def _with(self, facts: Facts) -> Iterable[tuple[AnyEvent, int]]:
        for arrival in self._arrivals:
            if arrival.index > self._index:
                return
            event = arrival.event
            for fact in facts.get((event.source, event.id), ()):
                yield fact, arrival.seen_ms
            yield event, arrival.seen_ms


def _key(event: Operation) -> tuple[str, str]:
    return event.source, event.id
