"""A range of a real topic: read to its end and no further, in order, and without leaving a trace."""

import os
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from models.cloudevent import encode_event, read_line
from models.errors import InputError
from models.event import AnyEvent
from sandbox.kafka import Kafka
from sandbox.ports import free_port
from stream.recordings.files import Lines
from tests.builders import START_MS, slow_run
from tests.servers.deployment import CHAINBRAKE

PARTITIONS = 3
STEP_MS = 1_000


@pytest.fixture(scope="module")
def events() -> list[AnyEvent]:
    """Many sessions, each its own workflow, in the order of their times."""
    runs = [slow_run(f"s{number}", number, workflow=f"w{number}") for number in range(60)]
    return [event for run in runs for event in run]


@pytest.fixture(scope="module")
def topic(kafka: Kafka, events: list[AnyEvent]) -> str:
    """A topic with these events, one a second by the records' times, by workflow."""
    name = f"range-{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    kept = {"retention.ms": "-1"}  # the records are of long ago: a broker looks for such every few minutes
    topics = [NewTopic(name, PARTITIONS, 1, topic_configs=kept), NewTopic(f"{name}-empty", 1, 1)]
    admin.create_topics(topics)
    admin.close()
    with producing(kafka) as producer:
        for number, event in enumerate(events):
            value, headers = encode_event(event)
            at_ms = START_MS + number * STEP_MS
            producer.send(name, value, event.workflow.encode(), headers, timestamp_ms=at_ms).get(10)
    return name


@contextmanager
def producing(kafka: Kafka) -> Iterator[KafkaProducer]:
    """A producer."""
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
    yield producer
    producer.close()


def ids(kafka: Kafka, topic: str, query: str = "") -> list[str]:
    """What a range holds."""
    return [read_line(line).id for line in Lines([f"kafka://{kafka.bootstrap}/{topic}{query}"])]


def moment(number: int) -> str:
    """When that event's record was written."""
    return datetime.fromtimestamp((START_MS + number * STEP_MS) / 1000, UTC).isoformat()


def test_a_topic_is_read_once_in_the_order_of_its_records(
    kafka: Kafka, topic: str, events: list[AnyEvent]
) -> None:
    """Partitions side by side; events know when they arrived."""
    assert ids(kafka, topic) == [event.id for event in events]
    first = read_line(next(iter(Lines([f"kafka://{kafka.bootstrap}/{topic}"]))))
    assert first.seen_ms == START_MS


def test_times_and_offsets_bound_a_range(kafka: Kafka, topic: str, events: list[AnyEvent]) -> None:
    """From its beginning on, up to and without its end."""
    whole = [event.id for event in events]
    assert ids(kafka, topic, f"?from={moment(10)}&to={moment(30)}") == whole[10:30]
    assert ids(kafka, topic, f"?from={moment(50)}") == whole[50:]
    assert ids(kafka, topic, f"?to={moment(7)}&from=2001-01-01") == whole[:7]
    assert len(ids(kafka, topic, "?from=1&to=3")) == 2 * PARTITIONS
    assert len(ids(kafka, topic, "?from=0&to=4000000000")) == len(whole)


def test_it_ends_though_the_topic_grows(kafka: Kafka, topic: str, events: list[AnyEvent]) -> None:
    """Where it ended when it was opened; in a topic of its own, for it grows."""
    name = f"{topic}-grows"
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs={"retention.ms": "-1"})])
    admin.close()
    done = threading.Event()
    with producing(kafka) as producer:

        def send(event: AnyEvent) -> None:
            value, headers = encode_event(event)
            producer.send(name, value, event.workflow.encode(), headers)

        def grow() -> None:
            while not done.wait(0.001):
                send(events[0])

        for event in events:
            send(event)
        producer.flush()
        growing = threading.Thread(target=grow)
        growing.start()
        try:
            found = list(Lines([f"kafka://{kafka.bootstrap}/{name}?to={len(events)}"]))
            assert found
            assert len(list(Lines([f"kafka://{kafka.bootstrap}/{name}"]))) >= len(events)
        finally:
            done.set()
            growing.join()


def test_nothing_is_left_behind(kafka: Kafka, topic: str) -> None:
    """No group, so nothing committed."""
    assert ids(kafka, topic)
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        assert not [group for group in admin.list_groups() if "range" in str(group)]
    finally:
        admin.close()


def test_no_topic_and_no_records_are_named(kafka: Kafka, topic: str) -> None:
    """And a time that is none."""
    for path, says in (
        ("nowhere", "there is no topic nowhere"),
        (f"{topic}-empty", "no record in this range; the topic holds the offsets 0 to 0"),
        (f"{topic}?from={moment(10_000)}", "no record in this range"),
        (f"{topic}?from=5&to=5", "no record in this range"),
        (f"{topic}?from=yesterday", "'yesterday' is no offset and no time such as"),
    ):
        with pytest.raises(InputError, match=says):
            ids(kafka, path)


def test_a_range_teaches_what_the_same_events_in_a_file_teach(
    kafka: Kafka, topic: str, events: list[AnyEvent], tmp_path: Path
) -> None:
    """To the byte; the brokers come from the settings."""
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    outs = []
    for name, given in (("topic", f"kafka://{topic}"), ("file", str(path))):
        out = tmp_path / name
        command = [CHAINBRAKE, "train", given, "--out", str(out)]
        subprocess.run(command, env=environment(kafka), capture_output=True, check=True)
        outs.append(msgspec.json.decode(out.read_bytes()))
    assert outs[0]["payload"] == outs[1]["payload"]
    assert outs[0]["header"]["sessions"] == outs[1]["header"]["sessions"] == 60


def environment(kafka: Kafka) -> dict[str, str]:
    """Settings that name the brokers."""
    return {**os.environ, "CHAINBRAKE_KAFKA": kafka.bootstrap}


def test_no_broker_is_one_line() -> None:
    """With its address."""
    command = [CHAINBRAKE, "replay", f"kafka://127.0.0.1:{free_port()}/x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "error: no Kafka broker answers at 127.0.0.1:" in done.stderr
    assert "Traceback" not in done.stderr
