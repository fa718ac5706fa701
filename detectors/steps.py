"""From an operation to what is remembered of it."""

import re
from typing import Any, Final

from detectors.severity import listed
from models.attested import Effect, Fact
from models.event import Operation
from models.session import Session, Step

ADMIN: Final = Effect.ADMIN
ANYBODY: Final = "*"
OUTSIDER: Final = re.compile(r"\*|\d{12}|[\w-]+(?:\.[\w-]+)+(?:/.*)?")
"""Who is let in, as an approver could name them: anybody, an account, an issuer by its host, not its id."""
NAMES_MAX: Final = 16_384
"""Forgotten as a whole when full: names come with the events, so they may be any."""

_names: Final[dict[str, str]] = {}


def shared(text: str) -> str:
    """The same name, as the one object that is kept: else every step would keep a copy of its own."""
    if len(_names) >= NAMES_MAX:
        _names.clear()
    return _names.setdefault(text, text)


def strengthened(event: Operation) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Who gains by an operation, what they gain or who is let in, and the full id of what gives it."""
    facts = event.facts
    if not facts:
        return (), (), ""
    gainers, granted = listed(facts.get(Fact.BENEFICIARY, "")), listed(facts.get(Fact.GRANTED, ""))
    thing = facts.get(Fact.THING, "")
    if Effect.TRUST_PATH in event.effects:  # be it a new role, or a key's policy
        outsiders = listed(facts.get(Fact.FOREIGN_ACCOUNT, "")) + listed(facts.get(Fact.ISSUER, ""))
        granted += tuple(filter(OUTSIDER.fullmatch, outsiders))
        account = facts.get(Fact.ACCOUNT, "")
        if account and not thing:  # an approval may name it: it is not who is let in
            thing = f"{account}/{event.target}"
    return gainers, granted, thing


def step_of(
    event: Operation,
    session: Session,
    gainers: tuple[str, ...] = (),
    granted: tuple[str, ...] = (),
    thing: str = "",
    warrant: str = "",
    *,
    own: bool = False,
) -> Step:
    """What to remember of an operation; names that its session knows are shared with it, not kept twice."""
    told: Any = event  # the compiled fold hands over what it does not look at as it is, and copies no number
    if len(_names) >= NAMES_MAX:
        _names.clear()
    kept = _names.setdefault  # `shared`, without the calls
    operation, kind, system, source = event.operation, event.target_kind, event.system, event.source
    principal = told.principal
    if session.principal == principal:
        principal = session.principal
    return Step(
        told.at_ms,
        told.id,
        session.id,
        told.op_class,
        kept(operation, operation),
        told.target,
        kept(kind, kind),
        kept(system, system),
        principal,
        told.credential_kind,
        told.outcome,
        told.grade,
        kept(source, source),
        gainers,
        granted,
        warrant,
        told.act,
        own,
        thing,
        bool(event.effects) and ADMIN in event.effects,
    )
