"""Recorded sources to learn from: each file is a world of its own, and sessions follow their credentials."""

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from detectors.policy import Policy
from models.baselines.baseline import Baseline
from models.event import Join, Operation
from models.registry import Registry
from stream.ingest.pipeline import Pipeline
from stream.learning.teaching import Recorded
from stream.recordings.files import Lines
from stream.recordings.recorded import Arrival, Refused, arrivals, bytes_max, known_source
from stream.runs.known import RUNS
from stream.runs.recorded_run import RecordedRun
from stream.terminal.progress import SILENT, Bar


def recordings(
    source: str,
    paths: list[str],
    policy: Policy,
    registry: Registry,
    bar: Bar = SILENT,
    live: Baseline | None = None,
) -> Iterator[Recorded]:
    """One recording a file. Accounts and keys that run for weeks teach as one session for each busy spell."""
    known_source(source, RUNS)
    for path in paths:
        recorded = Recorded(policy, cut_ms=policy.idle_ms, registry=registry, live=live, file=path)
        for arrival in arrivals(source, Lines([path], bytes_max(source), bar), Pipeline(registry)):
            if isinstance(arrival, Arrival):
                recorded.fold(arrival.event, arrival.seen_ms)
            else:
                recorded.refuse(replace(arrival, file=path))
        yield recorded


def resolved_runs(
    source: str,
    paths: list[str],
    registry: Registry,
    bar: Bar = SILENT,
    refuse: Callable[[Refused], None] = lambda _: None,
) -> Iterator[RecordedRun]:
    """Every session of every path, in the order in which they began; what moved is where it belongs.

    `refuse` is told of what cannot be read.
    """
    known_source(source, RUNS)
    for path in paths:
        runs: dict[tuple[str, str], list[tuple[int, Operation]]] = {}
        for arrival in arrivals(source, Lines([path], bytes_max(source), bar), Pipeline(registry)):
            if isinstance(arrival, Refused):
                refuse(arrival)
                continue
            event = arrival.event
            if isinstance(event, Operation):
                runs.setdefault((event.workflow, event.session), []).append((arrival.index, event))
            elif isinstance(event, Join):
                _leave(runs, event)
        for (_, session), told in runs.items():
            operations = [event for _, event in told]
            yield RecordedRun(session, operations, file=path, lines=tuple(index for index, _ in told))


def _leave(runs: dict[tuple[str, str], list[tuple[int, Operation]]], event: Join) -> None:
    moved, place = set(event.moved), (event.workflow, event.session)
    runs[place] = [told for told in runs.get(place, []) if told[1].id not in moved]
