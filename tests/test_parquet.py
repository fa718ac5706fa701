"""Recordings in Parquet are read as the same events in NDJSON are, in bounded memory, or refused by name."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from models.cloudevent import read_line
from models.errors import InputError
from models.event import AnyEvent
from stream.recordings.files import Lines
from tests.builders import CHAIN, approval, clerk_run, op, told

EVENTS: list[AnyEvent] = [*told(CHAIN), op("V", 95, workload_proven=True, facts={"a": "b"}), approval(80)]
RUN = clerk_run("s1", 1)


def written(path: Path, columns: dict[str, Any], **options: Any) -> str:
    """A file of these columns."""
    parquet.write_table(pa.table(columns), path, **options)
    return str(path)


def read(path: str) -> list[AnyEvent]:
    """Its events."""
    return [read_line(line) for line in Lines([path])]


def flat(events: list[AnyEvent]) -> dict[str, list[Any]]:
    """A column for each field."""
    rows = [msgspec.to_builtins(event) for event in events]
    return {name: [row.get(name) for row in rows] for row in rows for name in row}


def test_one_column_of_whole_events_is_a_file_of_lines(tmp_path: Path) -> None:
    """As text or as bytes; null is a blank line."""
    content = [msgspec.json.encode(event) for event in EVENTS]
    for column in (content, [each.decode() for each in content]):
        assert (
            read(written(tmp_path / "a.parquet", {"event": column, "label": ["x"] * len(column)})) == EVENTS
        )
    assert list(Lines([written(tmp_path / "b.parquet", {"event": [None, "{}"]})])) == [b"", b"{}"]


def test_a_column_for_each_field_tells_the_same(tmp_path: Path) -> None:
    """Nulls are left out, origins told as lists of records, and columns of other names not read."""
    for events in (EVENTS, RUN):
        columns = flat(events) | {"my_label": [1] * len(events)}
        if "facts" in columns:
            columns["facts"] = pa.array(columns["facts"], pa.map_(pa.string(), pa.string()))
        assert read(written(tmp_path / "a.parquet", columns)) == events


def test_tables_may_hold_times_dictionaries_and_json(tmp_path: Path) -> None:
    """As data frames write them: times with and without a zone, floats where something is missing."""
    columns: dict[str, Any] = flat(list(RUN))
    del columns["kind"]
    origins = columns.pop("provenance")
    count = len(RUN)
    columns["provenance"] = [None if each is None else msgspec.json.encode(each).decode() for each in origins]
    columns["seen_ms"] = [float("nan"), *map(float, columns["at_ms"][1:])]
    columns["operation"] = pa.array(columns["operation"]).dictionary_encode()
    plain = read(written(tmp_path / "plain.parquet", columns))
    assert [event.id for event in plain] == [event.id for event in RUN]
    assert [event.seen_ms for event in plain] == [None, *[event.at_ms for event in RUN[1:]]]
    for zone in (None, "UTC", "Asia/Tokyo"):
        moments = [datetime.fromtimestamp(event.at_ms / 1000, UTC) for event in RUN]
        columns["at_ms"] = pa.array(moments, pa.timestamp("us", "UTC")).cast(pa.timestamp("ns", zone))
        assert read(written(tmp_path / "times.parquet", columns)) == plain
    assert len(plain) == count


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda columns: columns.pop("session"), "no column session; either one column `event`"),
        (lambda columns: (columns.pop("agent"), columns.pop("kind")), "no column agent"),
        (
            lambda columns: columns.update(at_ms=["x"] * 4),
            "column at_ms is of type string, and should hold whole",
        ),
        (
            lambda columns: columns.update(agent=[1] * 4),
            "column agent is of type int64, and should hold text",
        ),
        (lambda columns: columns.update(event=[1] * 4), "column event is of type int64"),
    ],
)
def test_columns_that_do_not_fit_are_named(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], says: str
) -> None:
    """With what is wanted."""
    columns = flat(told(CHAIN))
    change(columns)
    with pytest.raises(InputError, match=says):
        read(written(tmp_path / "a.parquet", columns))


def test_a_damaged_file_is_named_and_what_is_unreadable_in_it_is_a_dead_letter(tmp_path: Path) -> None:
    """Cut off, or rotten in the middle."""
    path = Path(written(tmp_path / "a.parquet", flat(told(CHAIN))))
    whole = path.read_bytes()
    for broken in (whole[:-20], whole[:8], whole[:4] + bytes(len(whole) - 12) + whole[-8:]):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"a\.parquet: not a Parquet file that can be read"):
            list(Lines([str(path)]))


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker needs no pyarrow."""
    path = written(tmp_path / "a.parquet", flat(told(CHAIN)))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'chainbrake\[science\]'"):
        list(Lines([path]))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Row groups come one after the other: four times the rows need hardly more."""
    text = msgspec.json.encode(op("V", 1, facts={"a": "b" * 1000})).decode()
    peaks = []
    for rows in (20_000, 80_000):
        content = [f"{text}{' ' * (number % 7)}" for number in range(rows)]
        path = written(
            tmp_path / f"{rows}.parquet", {"event": content}, row_group_size=5_000, use_dictionary=False
        )
        pool = pa.proxy_memory_pool(pa.default_memory_pool())
        before = pa.default_memory_pool()
        pa.set_memory_pool(pool)
        try:
            assert sum(1 for _ in Lines([path])) == rows
        finally:
            pa.set_memory_pool(before)
        peaks.append(pool.max_memory())
    assert 0 < peaks[1] < 1.5 * peaks[0]


def test_a_folder_of_parquet_is_read(tmp_path: Path) -> None:
    """Beside other logs."""
    written(tmp_path / "a.parquet", {"event": ["{}"]})
    (tmp_path / "b.ndjson").write_text("{}\n")
    assert list(Lines([str(tmp_path)])) == [b"{}", b"{}"]
