"""From what stands in the file to what is counted: histories and arguments as they are asked for."""

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Generic, TypeVar

from msgspec import Raw

from models.baselines.counts import ArgumentCounts, CohortCounts, History, Row
from models.baselines.packed import (
    Flat,
    PackedArgument,
    PackedCohort,
    PackedHistory,
    arguments_of,
    cohort_of,
    history_of,
)

Part = TypeVar("Part")

Arguments = MutableMapping[str, dict[str, ArgumentCounts]]
"""Operation: argument: its origins."""

SINGLE = 2
"""Length of a flat row of one symbol."""

SHORT_BYTES_MAX = 24
"""A history that stands in so few bytes, always followed by the same, is found again in many cohorts."""

SHORT_MAX = 65_536
"""Of these; all are forgotten when there are more."""


Packed = TypeVar("Packed")


class Unread(MutableMapping[str, Part], Generic[Part, Packed]):
    """Members of one part, each read when it is asked for, and then kept."""

    __slots__ = ("_done", "_read", "_waiting")

    def __init__(self, waiting: dict[str, Packed], read: Callable[[Packed], Part | None]) -> None:
        """`read` says None for what cannot be read: that is as if it were not there."""
        self._waiting = waiting
        self._read = read
        self._done: dict[str, Part] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """The member, or `default`."""
        found = self._done.get(key)
        if found is None:
            packed = self._waiting.pop(key, None)
            found = self._read(packed) if packed is not None else None
            if found is None:
                return default
            self._done[key] = found
        return found

    def __getitem__(self, key: str) -> Part:
        """Raises `KeyError` for one that is not there, or cannot be read."""
        found: Part | None = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __setitem__(self, key: str, part: Part) -> None:
        """Another one in its place."""
        self._waiting.pop(key, None)
        self._done[key] = part

    def __delitem__(self, key: str) -> None:
        """Raises `KeyError` for one that is not there."""
        if self._waiting.pop(key, None) is None:
            del self._done[key]

    def __iter__(self) -> Iterator[str]:
        """All names, of which each is read first: what cannot be read is not there."""
        for key in list(self._waiting):
            self.get(key)
        return iter(self._done)

    def __len__(self) -> int:
        """How many there may be."""
        return len(self._waiting) + len(self._done)


class Unpacker:
    """Reads cohorts. What many have in common, a history always followed by the same, is read once."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._short: dict[bytes, History] = {}
        """As they stand in the file: half of what is read is not even decoded."""
        self.broken = 0
        """Histories and arguments that were asked for and have the wrong shape: as if never seen."""

    def cohort(self, packed: Raw) -> CohortCounts:
        """Raises `ValueError` or `LookupError` for what is none."""
        told, names = cohort_of(packed), self._names
        rows = {names[operation]: row for operation, row in told.arguments.items()}
        return self._cohort(told, Unread(rows, self._arguments))

    def _cohort(self, told: PackedCohort, arguments: Arguments) -> CohortCounts:
        return CohortCounts(
            sessions=told.sessions,
            after=self._history(told.after),
            arguments=arguments,
            gaps=told.gaps,
            repeats={self._names[symbol]: row for symbol, row in told.repeats.items()},
        )

    def _arguments(self, packed: Raw) -> dict[str, ArgumentCounts] | None:
        names = self._names
        try:
            return {names[name]: self._argument(counts) for name, counts in arguments_of(packed).items()}
        except (ValueError, LookupError):
            self.broken += 1
            return None

    def _longer(self, packed: Raw) -> History | None:
        short = bytes(packed) if len(packed) <= SHORT_BYTES_MAX else b""
        found = self._short.get(short)
        if found is None:
            try:
                found = self._history(history_of(packed))
            except (ValueError, LookupError):
                self.broken += 1
                return None
            if short and not found.older:
                if len(self._short) >= SHORT_MAX:
                    self._short.clear()
                self._short[short] = found
        return found

    def _history(self, told: PackedHistory) -> History:
        names, row = self._names, self._row(told.next)
        seen = sum(row.values())
        if not told.older:
            return History(seen, row, {})
        older = {names[name]: longer for name, longer in told.older.items()}
        return History(seen, row, Unread(older, self._longer))

    def _argument(self, told: PackedArgument) -> ArgumentCounts:
        names = self._names
        return ArgumentCounts(
            self._row(told.origins),
            self._row(told.sources),
            {names[key]: self._row(row) for key, row in told.fields.items()},
            {names[key]: self._row(row) for key, row in told.shapes.items()},
        )

    def _row(self, flat: Flat) -> Row:
        names = self._names
        if len(flat) == SINGLE:
            return {names[flat[0]]: flat[1]}
        if len(flat) % 2:
            raise ValueError("a name without a number")
        return {names[flat[place]]: flat[place + 1] for place in range(0, len(flat), 2)}
