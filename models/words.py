"""Somebody's word about what others do, as a workflow remembers it: approvals, questions, registrations."""

from msgspec import Struct, field

from models.attested import Registered
from models.event import Grade


class Question(Struct, array_like=True, frozen=True, gc=False):
    """An approval that was asked for."""

    session: str
    operation: str
    target: str
    at_ms: int


class Grant(Struct, array_like=True, gc=False):
    """An approval that was given, and the event that used it up."""

    reference: str
    session: str
    operation: str
    target: str
    decided_by: str
    requested_by: str
    requested_ms: int | None
    at_ms: int
    expires_ms: int | None
    used_by: str = ""
    used_source: str = ""
    """Who told of it: another source may tell of the same act again."""
    used_act: str = ""
    """Key of the act, where whoever told of it gave one: its witnesses share it."""
    also: dict[str, str] = field(default_factory=dict)
    """Further source: its event of the same act. Each source has one act to tell."""
    request: str = ""
    """What it answers: a question is answered once."""
    by_approver: bool = True
    """Whether whoever decided may approve, by the registry."""


class Vouched(Struct, array_like=True, frozen=True, gc=False):
    """What a control plane registered for a session: a plan, a change, a case, an incident, an exercise."""

    what: Registered
    reference: str
    session: str
    decided_by: str
    at_ms: int
    starts_ms: int
    expires_ms: int | None
    grade: Grade
    targets: tuple[str, ...] = ()
