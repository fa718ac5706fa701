"""Recorded events in Parquet as lines, a few thousand rows in memory at a time.

Either one column `event` holds what a line would (JSON, of whatever `--source` names), or there is a column
for each field of our own events, called like it; columns of other names are not read. What is null is left
out; lists and maps may be told as such or as JSON. pyarrow comes with the extra `science`.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, get_args

import msgspec
from msgspec import Raw
from msgspec import inspect as described

from models.errors import InputError
from models.event import AnyEvent, Operation

MAGIC = b"PAR1"
WHOLE = "event"
"""The column of whole events."""
REQUIRED = ("id", "source", "at_ms", "workflow", "session")
OF_OPERATIONS = ("agent", "operation")
"""Required where no column `kind` says what a row is: then it is an operation."""
ROWS_AT_ONCE = 4_096
Convert = Callable[[Any], Any]


@cache
def fields() -> dict[str, str]:
    """Field of an event: what its column holds, `text`, `number`, `truth` or `nested`."""
    kinds = {"kind": "text"}
    for event in get_args(AnyEvent):
        told = described.type_info(event)
        assert isinstance(told, described.StructType)
        kinds |= {field.encode_name: _kind(field.type) for field in told.fields}
    return kinds


def _kind(told: described.Type) -> str:
    if isinstance(told, described.UnionType):
        told = next(each for each in told.types if not isinstance(each, described.NoneType))
    if isinstance(told, described.Metadata):
        return _kind(told.type)
    if isinstance(told, described.BoolType):
        return "truth"
    if isinstance(told, described.IntType | described.FloatType):
        return "number"
    text = described.StrType | described.EnumType | described.LiteralType
    return "text" if isinstance(told, text) else "nested"


class Rows:
    """The rows of one file. Raises `InputError` for a file that is damaged, or holds something else."""

    def __init__(self, path: str, bytes_max: int, size: int) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._size = size
        self._read = self._rows = 0

    @property
    def done(self) -> int:
        """Bytes of the file that were read, as far as rows tell."""
        return self._size * self._read // max(self._rows, 1)

    def __iter__(self) -> Iterator[bytes]:
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra
            from pyarrow.parquet import ParquetFile  # noqa: PLC0415
        except ImportError as error:
            raise InputError(
                f"{self._path}: Parquet is read with pyarrow: pip install 'chainbrake[science]'"
            ) from error
        try:
            with ParquetFile(self._path, buffer_size=1 << 20) as file:
                self._rows = file.metadata.num_rows
                wanted, line = self._layout(file.schema_arrow, pa)
                for batch in file.iter_batches(ROWS_AT_ONCE, columns=wanted, use_threads=False):
                    for row in _timed(batch, pa).to_pylist():
                        yield line(row)[: self._bytes_max + 1]
                    self._read += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            told = str(error).partition("\n")[0]
            raise InputError(f"{self._path}: not a Parquet file that can be read: {told}") from error

    def _layout(self, schema: Any, pa: Any) -> tuple[list[str], Callable[[dict[str, Any]], bytes]]:
        """Which columns are read, and how a row of them becomes a line."""
        if WHOLE in schema.names:
            self._check(WHOLE, schema.field(WHOLE).type, "text", pa)
            return [WHOLE], _whole
        columns = [name for name in schema.names if name in fields()]
        missing = [name for name in REQUIRED if name not in columns]
        if "kind" not in columns:
            missing += [name for name in OF_OPERATIONS if name not in columns]
        if missing:
            raise InputError(
                f"{self._path}: no column {', '.join(missing)}; either one column `{WHOLE}` holds events as "
                f"JSON, or there is one for each of their fields (docs/event.md)"
            )
        converts = {name: self._check(name, schema.field(name).type, fields()[name], pa) for name in columns}
        return columns, lambda row: _flat(row, converts)

    def _check(self, name: str, found: Any, kind: str, pa: Any) -> Convert:
        """How values of a column become JSON. Raises `InputError` for a column of another type."""
        types = pa.types
        held = found.value_type if types.is_dictionary(found) else found
        text = types.is_string(held) or types.is_large_string(held) or types.is_string_view(held)
        fits = {
            "text": text or types.is_binary(held) or types.is_large_binary(held),
            "number": types.is_integer(held) or types.is_timestamp(held) or types.is_floating(held),
            "truth": types.is_boolean(held),
            "nested": text or types.is_nested(held),
        }
        if not fits[kind] and not types.is_null(found):
            raise InputError(
                f"{self._path}: column {name} is of type {found}, and should hold {WANTED[kind]}"
            )
        if kind == "nested":
            return _json if text else _map if types.is_map(held) else _filled
        return _whole_number if types.is_floating(held) else _same


WANTED = {
    "text": "text",
    "number": "whole numbers, or times",
    "truth": "true or false",
    "nested": "a list or a map, or the JSON of one",
}


def _whole(row: dict[str, Any]) -> bytes:
    value = row[WHOLE]
    return value.encode() if isinstance(value, str) else value or b""


def _timed(batch: Any, pa: Any) -> Any:
    """The batch with its times as milliseconds since 1970; one that names no zone is in UTC."""
    for place, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type):
            millis = batch.column(place).cast(pa.timestamp("ms", field.type.tz), safe=False)
            batch = batch.set_column(place, field.name, millis.cast(pa.int64()))
    return batch


def _flat(row: dict[str, Any], converts: dict[str, Convert]) -> bytes:
    told = {name: found for name, value in row.items() if (found := converts[name](value)) is not None}
    told.setdefault("kind", Operation.__struct_config__.tag)
    return msgspec.json.encode(told)


def _same(value: Any) -> Any:
    return value


def _json(value: str | None) -> Raw | None:
    return None if value is None else Raw(value.encode())


def _map(value: Any) -> Any:
    return None if value is None else dict(value)


def _filled(value: Any) -> Any:
    """Lists and records without their nulls."""
    if isinstance(value, dict):
        return {name: _filled(each) for name, each in value.items() if each is not None}
    return [_filled(each) for each in value] if isinstance(value, list) else value


def _whole_number(value: float | None) -> int | float | None:
    """Of a column that became one of floats because something is missing in it, as tables do."""
    if value is None or value != value:  # noqa: PLR0124 - what is no number is unlike itself
        return None
    return int(value) if value.is_integer() else value
