"""Somebody's word that was given for one session, and is needed by another.

An approval belongs to the session for which it was asked; the person who asked may act in another one, the
account's own; where nobody says who asked, whichever person does just what was allowed. So may an agent whose
credential nobody has traced to its run: then its own approvals follow it, and only then, since what one run
was allowed is not another's. A commit belongs to whoever merged it; a controller applies it. An incident
belongs to the account that it was declared for; an approver gives that account its rights. What vouches is
told again in the workflow of the act, before the act, once: so one workflow holds all that its judgement
rests on.
"""

import re
from typing import TypeGuard

from msgspec import Struct
from msgspec.structs import replace

from detectors.allowed import PAIRS
from detectors.severity import JUDGED, listed
from models.attested import Fact, Registered
from models.event import (
    AnyEvent,
    Approval,
    ApprovalRequest,
    Event,
    Operation,
    Registration,
)
from models.registry import EMPTY, Registry
from models.session import known_by
from stream.ingest.memory import Table

WORDS_MAX = 4_096
"""People and objects for whom somebody's word is kept."""
EACH_MAX = 8
"""Words for one of them; the oldest gives way."""
TOLD_MAX = 16_384
ID_MAX = 256

SENTENCE = re.compile(
    r"^(?:add|assign|give|grant|make)\s+|\s+(?:als|an|as|for|für|in|to|until)\s+", re.IGNORECASE
)
"""What stands between the names in a sentence: `Assign Reader to ann@example.org until 18:00`."""
EMERGENCIES = frozenset({Registered.INCIDENT, Registered.INCIDENT_CLOSED})

Word = Approval | ApprovalRequest | Registration


class Words(Struct):
    """What was said for one person or object."""

    said: list[Word]


class Vouching:
    """The words that may be needed elsewhere."""

    def __init__(self, registry: Registry = EMPTY) -> None:
        self._registry = registry
        self.words: Table[Words] = Table(Words, WORDS_MAX)
        self.told: Table[bool] = Table(bool, TOLD_MAX)
        """`<id of the word>\\0<workflow>`: told there."""

    def hear(self, event: AnyEvent) -> None:
        """Keep an approval for whoever asked, and a registered change for the objects it names."""
        if isinstance(event, Approval) and not event.digest_fits:
            return
        if isinstance(event, Approval | ApprovalRequest):
            for name in (event.requested_by,) if event.requested_by else _named(event.target):
                self._keep(name, event)
        elif isinstance(event, Registration) and event.what is Registered.CHANGE:
            for target in event.targets:
                if "/" in target:
                    self._keep(target.rpartition("/")[2], event)
        elif isinstance(event, Registration) and event.what in EMERGENCIES:
            over = event.what is Registered.INCIDENT_CLOSED
            for name in (_closed(event.reference),) if over else event.targets:
                self._keep(name, event)

    def for_act(self, event: AnyEvent, *, traced: bool = True) -> list[AnyEvent]:
        """What was said elsewhere of this act's author or target, told again where it happens.

        `traced` says whether its session is the run that acted; else that may be the one that was allowed to.
        """
        if not isinstance(event, Operation) or event.op_class not in JUDGED:
            return []
        agent = "" if traced else event.agent
        gaining = event.facts.get(Fact.BENEFICIARY, "") if event.facts else ""
        keys = dict.fromkeys((event.principal, event.target.rpartition("/")[2], agent, *listed(gaining)))
        return [
            told
            for key in keys
            if key
            for word in self._said(key)
            if self._may_follow(word, event, traced=traced) and (told := self._told(word, event)) is not None
        ]

    def _said(self, key: str) -> list[Word]:
        """All that was said for it; of an incident, too, that it is over."""
        words = self.words.get(key.casefold())
        if words is None:
            return []
        incidents = [word for word in words.said if _is_emergency(word)]
        over = [each for word in incidents for each in self._said(_closed(word.reference))]
        return [*words.said, *over]

    def _may_follow(self, word: Word, event: Operation, *, traced: bool) -> bool:
        """An approval that does not say who asked follows people only: a run's is its own.

        An incident follows those people who may approve: with whoever declared it that makes two.
        """
        person = not traced and event.agent in ("", event.principal)
        if isinstance(word, Registration):
            return word.what not in EMERGENCIES or (person and self._registry.may_approve(event.principal))
        return bool(word.requested_by) or person

    def _keep(self, key: str, word: Word) -> None:
        known = self.words.get(key.casefold()) or Words([])
        if all(each.id != word.id for each in known.said):
            self.words.put(key.casefold(), Words([*known.said, word][-EACH_MAX:]))

    def _told(self, word: Word, event: Event) -> AnyEvent | None:
        if word.workflow == event.workflow or not known_by(word.at_ms, event.at_ms):
            return None
        place = f"{word.id}\0{event.workflow}"
        if place in self.told:
            return None
        self.told.put(place, True)  # noqa: FBT003 - a set, kept as a table
        return replace(
            word,
            id=f"{word.id}@{event.workflow}"[:ID_MAX],
            session=event.session,
            workflow=event.workflow,
            seen_ms=event.seen_ms,
        )


def _named(target: str) -> dict[str, None]:
    """The things that an approval names, be it in a sentence, each as an act's target is looked up."""
    pieces = (piece for part in PAIRS.split(target) for piece in SENTENCE.split(part.strip()))
    return dict.fromkeys(name for piece in pieces if (name := piece.rpartition("/")[2].strip()))


def _closed(reference: str) -> str:
    """Under which the end of an incident is kept."""
    return f"over {reference}"


def _is_emergency(word: Word) -> TypeGuard[Registration]:
    return isinstance(word, Registration) and word.what is Registered.INCIDENT
