"""The formats that `--source` names."""

from collections.abc import Callable, Iterator

from stream.runs.agent_runs import agent_runs
from stream.runs.hdfs import hdfs
from stream.runs.recorded_run import RecordedRun
from stream.terminal.progress import SILENT, Bar

EVENTS = "events"
"""Our own events, as on the actions topic: read by the judge, not here."""

RUNS: dict[str, Callable[[str, Bar], Iterator[RecordedRun]]] = {"agent-runs": agent_runs, "hdfs": hdfs}
"""Formats of whole recorded sessions, by name: a reader of one path."""

NAMES = (EVENTS, *RUNS)


def recorded_runs(source: str, paths: list[str], bar: Bar = SILENT) -> Iterator[RecordedRun]:
    """The sessions of all paths, in order. Raises `InputError` for a path that cannot be read."""
    for path in paths:
        yield from RUNS[source](path, bar)
