"""The benchmarks measure what is right: a rate of wrong answers is none."""

from pathlib import Path

from benchmarks.deployment import Ground
from benchmarks.drain import OURS, Drain
from benchmarks.traffic import train_baseline
from sandbox.kafka import Kafka
from sandbox.valkey import Valkey

START_MS = 1_790_000_000_000
EVENTS = 10_000


def test_a_drained_topic_has_its_chains_stopped(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """The benchmark itself checks the commands."""
    baseline = train_baseline(tmp_path, START_MS, events=EVENTS)
    drain = Drain(Ground(kafka, valkey, tmp_path, baseline), events=EVENTS)
    rates = drain.lanes()[OURS]()
    assert rates.wall > 0
