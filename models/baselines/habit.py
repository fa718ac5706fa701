"""What is remembered of one job: the records of its habits, as they lie in the artifact."""

from typing import Annotated

from msgspec import Meta, Struct

TARGETS_MAX = 2_000
"""Per job and operation; of more than these it is known only that there were more."""

Sessions = Annotated[int, Meta(ge=0)]


class Habit(Struct, kw_only=True, weakref=True):
    """What one job did, each counted by the sessions in which it did it."""

    sessions: Sessions = 0
    operations: dict[str, Sessions] = {}
    targets: dict[str, dict[str, Sessions]] = {}
    """Operation: target and beneficiary, as `habit_key` writes them."""
    shapes: dict[str, dict[str, Sessions]] = {}
    """Operation: what such targets look like, as `shape_of` says."""
    addresses: dict[str, Sessions] = {}
    """Network addresses that it called from."""
    systems: dict[str, Sessions] = {}
    """Systems in which it did something."""
    issuers: dict[str, Sessions] = {}
    """Token issuers that it had to do with."""
    lasting: dict[str, Sessions] | None = None
    """Operations by which it made credentials that last; None where that was not counted."""
    ends: dict[str, dict[str, Sessions]] = {}
    """What is left behind, as `end_of` says, whichever call did it: on what and for whom, as in `targets`."""
    most_secrets: int = 0
    """The most different secrets that one session read."""


class Places(Struct):
    """Of a job's habits only where it calls from: what is read of all jobs at once."""

    addresses: dict[str, Sessions] = {}
