"""Events that are ours already, from producers that know their sessions: read, and passed on as they are.

Format: `docs/event.md`; one event a record, alone or as a CloudEvent in structured mode.
"""

from models.cloudevent import read_line
from models.errors import Unreadable, UnreadableEventError
from stream.sources.sighting import Sighting

SOURCE = "events"


def normalise(record: bytes) -> tuple[Sighting, ...]:
    """One event of ours, in the session that it names. Raises `UnreadableEventError`."""
    if not record:
        raise UnreadableEventError(Unreadable.TOMBSTONE, "a record without a value")
    return (Sighting(event=read_line(record), settled=True),)
