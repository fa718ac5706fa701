"""What runs in a provisional session, until the link arrives that says whose it is."""

from collections.abc import Iterator

from msgspec import Struct

from stream.ingest.sighting import Handle, Sighting

WAITING_MAX = 50_000
"""Sightings over all handles; the oldest stays where it is."""
WAITING_PER_HANDLE_MAX = 4_000
WAIT_MS = 15 * 60_000
"""After its arrival: no source brings a link later than minutes."""


class Provisional(Struct):
    """A sighting, and where its event went."""

    sighting: Sighting
    seen_ms: int
    session: str
    workflow: str
    handles: tuple[Handle, ...]


class Waiting:
    """Provisional sightings by the handles that would tell, in the order of their arrival."""

    def __init__(self) -> None:
        self.given_up = 0
        self._next = 0
        self._entries: dict[int, Provisional] = {}
        self._by_handle: dict[Handle, dict[int, None]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Provisional) -> None:
        """Keep until one of its handles is held, or it is too old."""
        number = self._next
        self._next += 1
        self._entries[number] = entry
        for handle in entry.handles:
            waiting = self._by_handle.setdefault(handle, {})
            waiting[number] = None
            if len(waiting) > WAITING_PER_HANDLE_MAX:
                self._give_up(next(iter(waiting)))
        if len(self._entries) > WAITING_MAX:
            self._give_up(next(iter(self._entries)))

    def expire(self, now_ms: int) -> None:
        """Let go of what has waited too long, oldest first."""
        while self._entries:
            number, oldest = next(iter(self._entries.items()))
            if oldest.seen_ms + WAIT_MS >= now_ms:
                return
            self._give_up(number)

    def of(self, handle: Handle) -> Iterator[tuple[int, Provisional]]:
        """Those that wait for a handle."""
        for number in list(self._by_handle.get(handle, ())):
            entry = self._entries.get(number)
            if entry is not None:
                yield number, entry

    def remove(self, number: int) -> None:
        """It waits no longer."""
        entry = self._entries.pop(number, None)
        for handle in entry.handles if entry is not None else ():
            waiting = self._by_handle.get(handle)
            if waiting is not None:
                waiting.pop(number, None)
                if not waiting:
                    del self._by_handle[handle]

    def _give_up(self, number: int) -> None:
        self.given_up += 1
        self.remove(number)
