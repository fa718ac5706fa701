"""How counts stand in the file: every name once, rows as flat lists, each cohort read when first asked for.

A file of ten thousand jobs is put to work as fast as its bytes are checked, and costs little more memory
than they do until a job turns up. Of a cohort that was in many sessions, as a busy agent's own, histories are
read as they are walked to: the first question about it must not hold up a worker. What a cohort holds is
vouched for by the checksum and the signature over it; one whose shape is wrong nonetheless counts as never
seen, and is named in `refused`: a worker judges on. So does one of the histories and arguments inside; these
are counted in `broken`.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from msgspec import Raw

from models.baselines.counts import CohortCounts
from models.baselines.unpacking import Unpacker

Part = TypeVar("Part")

KEPT_MAX = 64
"""Parts that were read and are kept although nobody holds them: those asked for last."""


class Lazy(Mapping[str, Part], Generic[Part]):
    """Parts of a file by name, each read when it is asked for. Whoever asks again is given the same one."""

    def __init__(self, packed: Mapping[str, Raw], read: Callable[[Raw], Part]) -> None:
        """`read` raises `ValueError` or `LookupError` for what it cannot read."""
        self.packed = packed
        self.refused: set[str] = set()
        """Parts that could not be read: as if they were not there."""
        self._read = read
        self._alive: WeakValueDictionary[str, Any] = WeakValueDictionary()
        self._kept: OrderedDict[str, Part] = OrderedDict()

    def __getitem__(self, key: str) -> Part:
        """Raises `KeyError` for one that is not there, or cannot be read."""
        found: Part | None = self._alive.get(key)
        if found is None:
            packed = self.packed[key]
            if key in self.refused:
                raise KeyError(key)
            try:
                found = self._read(packed)
            except (ValueError, LookupError) as error:
                self.refused.add(key)
                raise KeyError(key) from error
            self._alive[key] = found
        self._kept[key] = found
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return found

    def __iter__(self) -> Iterator[str]:
        """Names, also of parts that cannot be read."""
        return iter(self.packed)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.packed)


class Cohorts(Lazy[CohortCounts]):
    """Counts by cohort, packed as they stand in the file."""

    def __init__(self, packed: Mapping[str, Raw], names: list[str]) -> None:
        """`names` are those that the numbers in the rows stand for."""
        unpacker = Unpacker(names)
        super().__init__(packed, unpacker.cohort)
        self.names = names
        self._unpacker = unpacker

    @property
    def broken(self) -> int:
        """See `Unpacker.broken`."""
        return self._unpacker.broken
