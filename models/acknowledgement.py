"""An acknowledgement: what a hook really hit, and how sure that is. "200 from the target" is not "dead"."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from models.command import Action
from models.event import Label, Millis, Name

Detail = Annotated[str, Meta(max_length=1024)]

LEDGER = "chainbrake.ledger"
"""Source of the event by which the ledger tells the judge that a stop was carried out."""


class Hit(StrEnum):
    """The outcome; OCSF 7001 Remediation Activity knows the same ones."""

    DONE = "done"
    PARTIAL = "partial"
    UNSUPPORTED = "unsupported"
    NOT_FOUND = "not_found"
    FAILED = "failed"


class Certainty(StrEnum):
    """How the hook knows: the target answered, or a probe that worked before is refused now."""

    ACCEPTED = "accepted"
    VERIFIED = "verified"


class Acknowledgement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One hook's answer to one command."""

    command: Name
    hook: Name
    outcome: Hit
    at_ms: Millis
    certainty: Certainty = Certainty.ACCEPTED
    action: Action = Action.OBSERVE
    session: Label = ""
    scope: Label = ""
    """What was really hit, in the words of the command's scope where it is the same."""
    residual: Detail = ""
    """What stays open."""
    residual_until_ms: Millis | None = None
    """Until when; None where nothing stays open or nobody knows, which `residual` then says."""
    detail: Detail = ""
    seen_ms: Millis | None = None
    """The command's own `seen_ms`, handed back: the ledger measures the whole way with it."""

    @property
    def stopped(self) -> bool:
        """Whether the command can be taken off the list of what is owed."""
        return self.outcome in {Hit.DONE, Hit.PARTIAL}
