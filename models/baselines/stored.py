"""How counts stand in the file: every name once, rows as flat lists, each cohort read when first asked for.

A file of ten thousand jobs is put to work as fast as its bytes are checked, and costs little more memory
than they do until a job turns up. Of a cohort that was in many sessions, as a busy agent's own, histories are
read as they are walked to: the first question about it must not hold up a worker. What a cohort holds is
vouched for by the checksum and the signature over it; one whose shape is wrong nonetheless counts as never
seen, and is named in `refused`: a worker judges on. So does one of the histories and arguments inside; these
are counted in `broken`.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Annotated, Any, Generic, TypeVar
from weakref import WeakValueDictionary

import msgspec
from msgspec import Meta, Raw, Struct

from models.baselines.counts import GAPS_MS, ArgumentCounts, CohortCounts, History, Row

Natural = Annotated[int, Meta(ge=0)]
Flat = list[Natural]
"""A row: number of a name, how often, number of a name, how often, and so on."""

Part = TypeVar("Part")

Arguments = MutableMapping[str, dict[str, ArgumentCounts]]
"""Operation: argument: its origins."""

KEPT_MAX = 64
"""Parts that were read and are kept although nobody holds them: those asked for last."""

SINGLE = 2
"""Length of a flat row of one symbol."""

SHORT_BYTES_MAX = 24
"""A history that stands in so few bytes, always followed by the same, is found again in many cohorts."""

SHORT_MAX = 65_536
"""Of these; all are forgotten when there are more."""


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


class Names(dict[str, int]):
    """The strings of a file, each told once and then by its number: `names[name]`, in the order they came."""

    def __missing__(self, name: str) -> int:
        """The next number."""
        place = self[name] = len(self)
        return place


class _History(Struct, array_like=True, gc=False):
    next: Flat
    older: dict[Natural, Raw] = {}


class _Argument(Struct, array_like=True, gc=False):
    origins: Flat
    sources: Flat = []
    fields: dict[Natural, Flat] = {}
    shapes: dict[Natural, Flat] = {}


class _Cohort(Struct, array_like=True, gc=False):
    sessions: Natural
    after: _History
    arguments: dict[Natural, Raw]
    """By operation: the `_Argument` of each of its arguments."""
    gaps: dict[str, Annotated[Flat, Meta(min_length=len(GAPS_MS) + 1, max_length=len(GAPS_MS) + 1)]]
    repeats: dict[Natural, Flat]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Cohort)
_arguments_of = msgspec.json.Decoder(dict[Natural, _Argument]).decode
_history_of = msgspec.json.Decoder(_History).decode


def pack(cohort: CohortCounts, names: Names) -> Raw:
    """A cohort as it stands in the file."""
    told = [
        cohort.sessions,
        _packed_history(cohort.after, names),
        {
            names[operation]: {names[name]: _packed_argument(counts, names) for name, counts in row.items()}
            for operation, row in cohort.arguments.items()
        },
        cohort.gaps,
        {names[symbol]: row for symbol, row in cohort.repeats.items()},
    ]
    return Raw(_encoder.encode(told))


def _flat(row: Row, names: Names) -> list[int]:
    told: list[int] = []
    for symbol, times in row.items():
        told += (names[symbol], times)
    return told


def _packed_history(history: History, names: Names) -> list[Any]:
    row = _flat(history.next, names)
    if not history.older:
        return [row]
    return [
        row,
        {names[name]: _packed_history(longer, names) for name, longer in history.older.items()},
    ]


def _packed_argument(counts: ArgumentCounts, names: Names) -> list[Any]:
    if not counts.sources:
        return [_flat(counts.origins, names)]
    fields, shapes = (
        {names[key]: _flat(row, names) for key, row in rows.items()}
        for rows in (counts.fields, counts.shapes)
    )
    return [_flat(counts.origins, names), _flat(counts.sources, names), fields, shapes]


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
        told, names = _decoder.decode(packed), self._names
        rows = {names[operation]: row for operation, row in told.arguments.items()}
        return self._cohort(told, Unread(rows, self._arguments))

    def _cohort(self, told: _Cohort, arguments: Arguments) -> CohortCounts:
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
            return {names[name]: self._argument(counts) for name, counts in _arguments_of(packed).items()}
        except (ValueError, LookupError):
            self.broken += 1
            return None

    def _longer(self, packed: Raw) -> History | None:
        short = bytes(packed) if len(packed) <= SHORT_BYTES_MAX else b""
        found = self._short.get(short)
        if found is None:
            try:
                found = self._history(_history_of(packed))
            except (ValueError, LookupError):
                self.broken += 1
                return None
            if short and not found.older:
                if len(self._short) >= SHORT_MAX:
                    self._short.clear()
                self._short[short] = found
        return found

    def _history(self, told: _History) -> History:
        names, row = self._names, self._row(told.next)
        seen = sum(row.values())
        if not told.older:
            return History(seen, row, {})
        older = {names[name]: longer for name, longer in told.older.items()}
        return History(seen, row, Unread(older, self._longer))

    def _argument(self, told: _Argument) -> ArgumentCounts:
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
        told = iter(flat)
        return {names[place]: times for place, times in zip(told, told, strict=True)}


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
