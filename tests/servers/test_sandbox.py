"""The sandbox runs real servers: what is written to them outlives a crash, and they do not outlive us."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic

from sandbox import prometheus
from sandbox.kafka import Kafka
from sandbox.ports import accepts, free_port
from sandbox.process import SandboxError
from sandbox.prometheus import Prometheus
from sandbox.valkey import Valkey

GONE_S_MAX = 5.0


def produce(broker: Kafka, topic: str, value: bytes) -> None:
    """Write one message and wait for the broker to have it."""
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap)
    producer.send(topic, value).get(timeout=10)
    producer.close()


def consume(broker: Kafka, topic: str, count: int) -> list[bytes]:
    """Read a topic from its start, `count` messages."""
    consumer = KafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=10_000
    )
    values = [next(consumer).value for _ in range(count)]
    consumer.close()
    return values


def create_topic(broker: Kafka, topic: str) -> None:
    """Create a topic of one partition."""
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    admin.create_topics([NewTopic(name=topic, num_partitions=1, replication_factor=1)])
    admin.close()


def test_a_killed_broker_comes_back_with_its_messages_on_the_same_port(tmp_path: Path) -> None:
    """An outage test must find afterwards what was there before, at the address its clients know."""
    with Kafka(tmp_path) as broker:
        bootstrap = broker.bootstrap
        create_topic(broker, "outage")
        produce(broker, "outage", b"before")
        broker.kill()
        assert not broker.is_running
        broker.restart()
        assert broker.bootstrap == bootstrap
        produce(broker, "outage", b"after")
        assert consume(broker, "outage", 2) == [b"before", b"after"]


def test_the_broker_makes_no_topic_by_accident(kafka: Kafka) -> None:
    """A topic misspelt must be an error, as in production."""
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    consumer = KafkaConsumer("misspelt", bootstrap_servers=kafka.bootstrap, consumer_timeout_ms=500)
    assert list(consumer) == []
    assert "misspelt" not in admin.list_topics()
    consumer.close()
    admin.close()


def test_a_durable_store_keeps_what_it_acknowledged_through_a_kill(tmp_path: Path) -> None:
    """Each write is on disk before its answer: a kill right after it loses nothing."""
    with Valkey(tmp_path, durable=True) as store, redis.Redis.from_url(store.url) as client:
        url = store.url
        client.set("kept", "yes")
        store.kill()
        store.restart()
        assert store.url == url
        assert client.get("kept") == b"yes"


def test_a_paused_store_is_silent_and_then_goes_on() -> None:
    """A long pause is not a crash: connections stay, and nothing is answered until it ends."""
    with (
        Valkey(durable=False) as store,
        redis.Redis.from_url(store.url, socket_timeout=0.3, retry=None) as client,
    ):
        client.set("before", "1")
        store.pause()
        with pytest.raises(redis.TimeoutError):
            client.get("before")
        store.resume()
        assert client.get("before") == b"1"


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The end of its own log is in the error: nobody should have to look for a file."""
    (tmp_path / "appendonlydir").write_text("in the way")
    with pytest.raises(SandboxError, match="appendonlydir"):
        Valkey(tmp_path).start()


def test_leaving_removes_the_process_and_its_folder() -> None:
    """No server and no data is left behind."""
    with Valkey() as store:
        assert accepts(store.port)
    assert not accepts(store.port)
    assert not store.data.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_server_dies_with_its_parent(tmp_path: Path) -> None:
    """Even when the parent is killed, and cannot clean up."""
    code = (
        "import pathlib, sys; from sandbox.valkey import Valkey; "
        "print(Valkey(pathlib.Path(sys.argv[1])).start().port, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        assert accepts(port)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + GONE_S_MAX
    while accepts(port) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not accepts(port)


@pytest.mark.skipif(not prometheus.available(), reason="no prometheus on the path")
def test_prometheus_sees_that_a_target_is_down(tmp_path: Path) -> None:
    """It scrapes what it is told to, and evaluates the rules it is given."""
    rules = tmp_path / "rules.json"
    rules.write_text('{"groups": [{"name": "g", "rules": [{"alert": "Down", "expr": "up == 0"}]}]}')
    with Prometheus([f"127.0.0.1:{free_port()}"], rules) as server:
        deadline = time.monotonic() + 10
        while not (fired := server.query("ALERTS{alertstate='firing'}")) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert [series["metric"]["alertname"] for series in fired] == ["Down"]
