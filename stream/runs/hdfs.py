"""Block-operation sequences of the HDFS anomaly benchmark: NDJSON, one session `{"s", "ops"}` a line.

There are no times; a session's operations all have the same. Labels in the file are not read.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from models.errors import InputError
from models.event import Name, Operation
from stream.recordings.files import Lines
from stream.runs.recorded_run import RecordedRun
from stream.terminal.progress import SILENT, Bar

AGENT = "hdfs"


class Block(Struct):
    """What is read of a line."""

    s: Name
    ops: list[Name]


def hdfs(path: str, bar: Bar = SILENT) -> Iterator[RecordedRun]:
    """The sessions of a file. Raises `InputError` for a line that is none."""
    decoder = msgspec.json.Decoder(Block)
    for number, line in enumerate(Lines([path], bar=bar), 1):
        if not line:
            continue
        try:
            block = decoder.decode(line)
        except msgspec.DecodeError as error:
            raise InputError(f"{path}:{number}: {error}") from error
        operations = [_operation(block.s, place, name) for place, name in enumerate(block.ops)]
        yield RecordedRun(block.s, operations)


def _operation(session: str, place: int, name: str) -> Operation:
    return Operation(
        id=str(place),
        source="hdfs",
        at_ms=0,
        workflow=session,
        session=session,
        agent=AGENT,
        operation=name,
    )
