"""Recorded sources to learn from: each file is a world of its own, and sessions follow their credentials."""

from collections.abc import Iterator

from detectors.policy import Policy
from models.registry import Registry
from stream.files import lines
from stream.ingest.pipeline import Pipeline
from stream.recorded import Arrival, arrivals, bytes_max, known_source
from stream.training import Recorded


def recordings(source: str, paths: list[str], policy: Policy, registry: Registry) -> Iterator[Recorded]:
    """One recording a file. Accounts and keys that run for weeks teach as one session for each busy spell."""
    known_source(source)
    for path in paths:
        recorded = Recorded(policy, cut_ms=policy.idle_ms, registry=registry)
        for arrival in arrivals(source, lines([path], bytes_max(source)), Pipeline(registry)):
            if isinstance(arrival, Arrival):
                recorded.fold(arrival.event, arrival.seen_ms)
            else:
                recorded.dead_letters[arrival.reason] += 1
        yield recorded
