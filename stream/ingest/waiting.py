"""What runs in a provisional session, until the link arrives that says whose it is."""

from collections.abc import Iterator

from msgspec import Struct

from stream.ingest.memory import Table
from stream.sources.sighting import Handle, Sighting

WAITING_MAX = 50_000
"""Sightings over all handles; the oldest stays where it is."""
WAITING_PER_HANDLE_MAX = 4_000
WAIT_MS = 15 * 60_000
"""After its arrival: no source brings a link later than minutes."""
HOLD_MS = 10_000
"""After its arrival, for what would else run under a name that others share: telemetry comes in seconds."""


class Provisional(Struct, frozen=True):
    """A sighting, and where its event went."""

    sighting: Sighting
    seen_ms: int
    session: str
    """Empty: it is held back, and went nowhere yet."""
    workflow: str
    handles: tuple[Handle, ...]


class Waiting:
    """Provisional sightings by the handles that would tell, in the order of their arrival."""

    def __init__(self) -> None:
        self.entries: Table[Provisional] = Table(Provisional, WAITING_MAX + 1)
        self._next = 0
        self._unsent: dict[str, int] = {}
        """Entries held back: when they arrived (ms), in that order."""
        self._by_handle: dict[Handle, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, entry: Provisional) -> None:
        """Keep until one of its handles is held, or it is too old."""
        number = str(self._next)
        self._next += 1
        self.entries.put(number, entry)
        self._enter(number, entry)
        for handle in entry.handles:
            waiting = self._by_handle[handle]
            if len(waiting) > WAITING_PER_HANDLE_MAX:
                self.remove(next(iter(waiting)))
        if len(self.entries) > WAITING_MAX:
            self._give_up_oldest()

    def expire(self, now_ms: int) -> None:
        """Let go of what has waited too long, oldest first; nothing unsent is that old."""
        while (first := self.entries.oldest()) is not None:
            if first[1].seen_ms + WAIT_MS >= now_ms:
                return
            self.remove(first[0])

    def overdue(self, now_ms: int) -> Iterator[Provisional]:
        """Take out what was held back for long enough, in the order of arrival."""
        while self._unsent:
            number, seen_ms = next(iter(self._unsent.items()))
            if seen_ms + HOLD_MS > now_ms:
                return
            entry = self.entries.peek(number)
            self.remove(number)
            if entry is not None:
                yield entry

    def of(self, handle: Handle) -> Iterator[tuple[str, Provisional]]:
        """Those that wait for a handle."""
        for number in list(self._by_handle.get(handle, ())):
            entry = self.entries.peek(number)
            if entry is not None:
                yield number, entry

    def remove(self, number: str) -> None:
        """It waits no longer."""
        entry = self.entries.pop(number)
        self._unsent.pop(number, None)
        for handle in entry.handles if entry is not None else ():
            waiting = self._by_handle.get(handle)
            if waiting is not None:
                waiting.pop(number, None)
                if not waiting:
                    del self._by_handle[handle]

    def restored(self) -> None:
        """Its entries were stored and are back: find the handles again, and number on."""
        for number in sorted(self.entries.keys(), key=int):
            entry = self.entries.peek(number)
            assert entry is not None, number
            self.entries.restore(number, entry)
            self._enter(number, entry)
            self._next = int(number) + 1

    def _enter(self, number: str, entry: Provisional) -> None:
        if not entry.session:
            self._unsent[number] = entry.seen_ms
        for handle in entry.handles:
            self._by_handle.setdefault(handle, {})[number] = None

    def _give_up_oldest(self) -> None:
        first = self.entries.oldest()
        assert first is not None
        self.remove(first[0])
