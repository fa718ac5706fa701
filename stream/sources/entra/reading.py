"""What a record of Entra or Azure says, gathered while it is read, and the sighting that comes of it."""

import re
from collections.abc import Iterable
from typing import Any

from models.command import stable_id
from models.event import EFFECTS_MAX, FACTS_MAX, CredentialKind, Grade, OpClass, Operation, Outcome
from models.vocabulary.vocabulary import Entry
from stream.sources.effects import Gathered
from stream.sources.reading import NAME_MAX, invalid, many, millis, name, nested, texts
from stream.sources.sighting import Handle, Sighting
from stream.sources.vocabularies import load_vocabulary

DEPTH_MAX = 12
HOST = re.compile(r"^(?:https?://)?([^/?#\s]{1,253})")
ISSUER_KEYS = ("issuer", "discoveryurl", "metadataurl", "issueruri")

vocabulary = load_vocabulary("entra")


class Reading(Gathered):
    """An operation as far as it is read; readers add to it."""

    source: str
    operation: str
    at: str
    id: str
    system: str = "entra"
    principal: str = ""
    """The account that the platform saw: a person's name, or the object id of anything else."""
    handle: str = ""
    """Object id of the user or service principal: the provider's own session."""
    outcome: Outcome = Outcome.OK
    op_class: OpClass = OpClass.UNCLASSIFIED
    entry: Entry | None = None
    target: str = ""
    target_kind: str = ""
    credential: str = ""
    credential_kind: CredentialKind = CredentialKind.UNKNOWN
    workload_proven: bool = False
    requests: tuple[str, ...] = ()
    """Request ids, those first that the caller chose."""
    token: str = ""
    """`uti` of the token used or issued."""
    issued: bool = False
    """Whether this record is the token's birth."""

    def mean(self, name_in_vocabulary: str) -> None:
        """Class, kinds and effects, as the vocabulary has them."""
        self.entry = vocabulary.look_up(name_in_vocabulary)
        self.op_class = self.entry.op_class
        self.target_kind = self.entry.target_kind
        self.effects = dict.fromkeys(self.entry.effects)

    def sighting(self) -> Sighting:
        """The sighting. Raises `UnreadableEventError` for a record without a time."""
        if not self.at:
            raise invalid("no record of Entra or Azure: it has no time")
        principal = name(self.principal or self.handle) or "anonymous"
        session = f"entra:{self.handle or principal}"[:NAME_MAX]
        requests = tuple(dict.fromkeys(name(each) for each in self.requests if each))
        entry = self.entry or vocabulary.look_up(self.operation)
        event = Operation(
            id=name(self.id) or stable_id(self.source, self.operation, self.at, session, *requests),
            source=self.source,
            at_ms=millis(self.at),
            session=session,
            workflow=session,
            agent=principal,
            principal=principal,
            grade=Grade.ATTESTED,
            operation=name(self.operation) or "unnamed",
            op_class=self.op_class,
            outcome=self.outcome,
            system=self.system,
            system_kind=entry.system_kind or vocabulary.content.system_kind,
            target=name(self.target),
            target_kind=name(self.target_kind),
            credential=name(self.credential),
            credential_kind=self.credential_kind,
            workload_proven=self.workload_proven,
            act=requests[0] if requests else name(self.id),
            effects=tuple(self.effects)[:EFFECTS_MAX],
            facts=dict(tuple(self.facts.items())[:FACTS_MAX]),
        )
        token = (Handle("entra.uti", name(self.token)),) if self.token else ()
        asked = tuple(Handle("entra.request", each) for each in requests)
        return Sighting(event=event, follows=asked + token, brings=token if self.issued else ())


def host_of(address: Any) -> str:
    """The host of an address; nothing for what is none."""
    found = HOST.match(address.strip()) if isinstance(address, str) else None
    return found[1].lower() if found else ""


def issuers_in(value: Any, depth: int = 0) -> Iterable[str]:
    """Hosts of token issuers that a setting names, wherever it names them."""
    if depth > DEPTH_MAX:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            named = texts(inner) if key.replace("_", "").lower().endswith(ISSUER_KEYS) else []
            if named:
                yield from map(host_of, named)
            else:
                yield from issuers_in(inner, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from issuers_in(nested(each), depth + 1)


def first_text(*values: Any) -> str:
    """The first text that is not empty."""
    return next((value for value in values if isinstance(value, str) and value), "")


def words(value: Any) -> list[str]:
    """Texts among one or several, those that are joined by blanks or commas apart."""
    return [
        word
        for each in many(value)
        if isinstance(each, str)
        for word in re.split(r"[\s,;\[\]]+", each)
        if word
    ]
