"""A finding: what a detector noticed, on which evidence, and how sure it is."""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from models.event import Grade

EVIDENCE_MAX = 16


class Verdict(StrEnum):
    """An analyst's word."""

    TRUE_POSITIVE = "true_positive"
    FALSE_POSITIVE = "false_positive"


class Elsewhere(Struct, frozen=True, kw_only=True):
    """An act in another workflow that a finding rests on: known by a note, and not by this one's log."""

    workflow: str
    session: str
    event_id: str
    at_ms: int


class Noticed(Struct, frozen=True, kw_only=True):
    """A detector's word on one event: that something is odd, how surely, and on which events that rests."""

    detector: str
    confidence: float
    """0 to 1: the part of such findings that deserve a human's attention."""
    reason: str
    evidence: tuple[str, ...]
    grade: Grade
    tags: tuple[str, ...] = ()
    """ATT&CK, ATLAS and OWASP ids."""
    session: str = ""
    """Whose act it was, where that is not the session of the event that made it visible."""
    act_ms: int = 0
    """When that act was, where it is later than the event: a late first step does not make it older."""
    credential: str = ""
    """A credential that came into being by it, and is to be revoked with its maker."""
    also: tuple["Noticed", ...] = ()
    """Further acts that the same event brought to light: a late first step may be that of many."""
    elsewhere: tuple[Elsewhere, ...] = ()
    """Of a chain over workflows: what it rests on in others."""

    def doubted(self, why: str) -> "Noticed":
        """The same as a guess, which asks a human and stops nobody."""
        return replace(self, grade=Grade.INFERRED, reason=f"{self.reason} ({why})")


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`Noticed`, with who, where and when: what is published."""

    id: str
    detector: str
    confidence: float
    reason: str
    evidence: tuple[str, ...]
    grade: Grade
    session: str
    workflow: str
    agent: str
    at_ms: int
    event_id: str
    event_source: str
    risk: float
    """Of the session, this finding included."""
    principal: str = ""
    credential: str = ""
    tags: tuple[str, ...] = ()
    policy_version: str = ""
    model_version: str = ""
    about: str = ""
    """Of a disposition: the command or finding that was looked into."""
    verdict: Verdict | None = None
    """Of a disposition: what the analyst says."""
    decided_by: str = ""
    """Of a disposition: who says so."""
    blamed: tuple[str, ...] = ()
    """Of a disposition: the detectors that what it is about rests on."""
    elsewhere: tuple[Elsewhere, ...] = ()
    """Of a chain over workflows: what it rests on in others. Such a finding asks for a step-up at most."""
