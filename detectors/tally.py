"""What the judge counts on the way."""

from msgspec import Struct


class Tally(Struct):
    """What was counted on the way, since the start."""

    events: int = 0
    facts: int = 0
    """Events that are no operations."""
    redelivered: int = 0
    duplicates: int = 0
    ids_reused: int = 0
    late: int = 0
    unclassified: int = 0
    not_enough_seen: int = 0
    sessions_begun: int = 0
    sessions_forgotten: int = 0

    @property
    def operations(self) -> int:
        """How many were judged: the rest of the events, since the rare ones are cheaper to count."""
        return self.events - self.facts - self.duplicates
