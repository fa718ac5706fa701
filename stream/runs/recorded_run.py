"""A recorded session, whatever the format it came in."""

from msgspec import Struct

from models.event import Operation


class RecordedRun(Struct, frozen=True):
    """One session's operations in order."""

    session: str
    operations: list[Operation]
    variant: str = ""
    """Which variant of the agent ran it, such as its language model; empty if nobody says."""
    file: str = ""
    """Where it was recorded, if names mean something in their file only."""
    lines: tuple[int, ...] = ()
    """0-based line of each operation, if known."""
    answered_ms: tuple[int, ...] = ()
    """How long each approval for it had been waited for."""
