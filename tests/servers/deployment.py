"""One deployment under test: its own topics, keys and consumer group, and workers as real processes."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import msgspec
import redis
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from models.session import Session, Workflow
from sandbox.kafka import Kafka
from sandbox.ports import HOST, free_port
from sandbox.valkey import Valkey

CHAINBRAKE = str(Path(sys.executable).with_name("chainbrake"))
PARTITIONS = 4
READY_S_MAX = 60.0


def until(true: Callable[[], bool], within_s: float, what: str) -> None:
    """Wait for something; fail with its name if it does not come."""
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        if true():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within {within_s} s: {what}")


class Worker:
    """One worker process."""

    def __init__(self, environment: dict[str, str], log: Path, *options: str) -> None:
        self.port = free_port()
        self.log = log
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [CHAINBRAKE, "run", "--web-port", str(self.port), *options],
                env=environment,
                stdout=stream,
                stderr=stream,
                stdin=subprocess.DEVNULL,
            )

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; 0 if nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:  # an answer, too, which is left open else
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self) -> bool:
        """What `/readyz` says."""
        return self.get("/readyz")[0] == 200

    def wait_ready(self) -> Self:
        """Until it judges."""
        until(lambda: self.ready() or self.process.poll() is not None, READY_S_MAX, "a ready worker")
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        return self

    def metric(self, name: str) -> float:
        """The sum over all label values of a metric's samples."""
        rows = self.get("/metrics")[1].splitlines()
        values = [row.rsplit(" ", 1) for row in rows if row.split("{")[0].split(" ")[0] == name]
        return sum(float(value) for _, value in values)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this process alone."""
        self.process.send_signal(number)

    def stop(self) -> int:
        """End in order; returns the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class Deployment:
    """Everything under one prefix of its own."""

    def __init__(self, kafka: Kafka, valkey: Valkey, folder: Path, **settings: str) -> None:
        self.prefix = f"t{uuid.uuid4().hex[:10]}"
        self.folder = folder
        self.kafka = kafka
        self.store = redis.Redis.from_url(valkey.url)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CHAINBRAKE_")},
            "CHAINBRAKE_KAFKA": kafka.bootstrap,
            "CHAINBRAKE_REDIS": valkey.url,
            "CHAINBRAKE_TOPIC_PREFIX": self.prefix,
            "CHAINBRAKE_REDIS_PREFIX": self.prefix,
            "CHAINBRAKE_GROUP": self.prefix,
            "CHAINBRAKE_SESSION_TIMEOUT_MS": "1500",
            **{f"CHAINBRAKE_{name.upper()}": value for name, value in settings.items()},
        }
        self.workers: list[Worker] = []
        self.run("topics", "--partitions", str(PARTITIONS))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.signal(signal.SIGCONT)
                worker.process.kill()
                worker.process.wait()
        self.store.close()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One `chainbrake …` to its end."""
        done = self.ended(*arguments, within_s=120)
        done.check_returncode()
        return done

    def refused(self, *arguments: str) -> str:
        """What one `chainbrake …` says on standard error that ends with exit code 2."""
        done = self.ended(*arguments, within_s=60)
        assert done.returncode == 2
        return done.stderr

    def ended(self, *arguments: str, within_s: float) -> subprocess.CompletedProcess[str]:
        """One `chainbrake …` to its end, however that is."""
        return subprocess.run(
            [CHAINBRAKE, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=within_s,
        )

    def worker(self, *options: str) -> Worker:
        """Start one more worker; it is not ready yet."""
        worker = Worker(self.environment, self.folder / f"worker-{len(self.workers)}.log", *options)
        self.workers.append(worker)
        return worker

    def topic(self, name: str) -> str:
        """A topic's full name."""
        return f"{self.prefix}.{name}.v1"

    def producer(self) -> KafkaProducer:
        """For the actions topic, in order."""
        return KafkaProducer(
            bootstrap_servers=self.kafka.bootstrap,
            linger_ms=5,
            acks="all",
            max_request_size=4_000_000,
            max_in_flight_requests_per_connection=1,
        )

    def send(self, lines: Iterable[tuple[str, bytes]]) -> int:
        """Send (workflow, value) pairs, all acknowledged; returns how many."""
        producer = self.producer()
        count = 0
        for workflow, value in lines:
            producer.send(self.topic("actions"), value, key=workflow.encode())
            count += 1
        producer.flush()
        producer.close()
        return count

    def stored(self) -> int:
        """How many records the stored positions have passed."""
        keys = [f"{self.prefix}:{{actions-{number}}}:position" for number in range(PARTITIONS)]
        return sum(int(self.store.hget(key, "next_offset") or 0) for key in keys)

    def wait_stored(self, records: int, within_s: float) -> None:
        """Until every record is judged and stored."""
        until(lambda: self.stored() >= records, within_s, f"{records} records stored, have {self.stored()}")

    def workflows(self) -> Iterator[Workflow]:
        """Every stored workflow."""
        keys = list(self.store.scan_iter(match=f"{self.prefix}:*:w:*", count=1000))
        for start in range(0, len(keys), 500):
            for content in self.store.mget(keys[start : start + 500]):
                assert isinstance(content, bytes)
                yield msgspec.msgpack.decode(content, type=Workflow)

    def sessions(self) -> list[Session]:
        """Every stored session."""
        return [session for workflow in self.workflows() for session in workflow.sessions.values()]

    def folded(self) -> int:
        """How many operations the stored sessions have counted."""
        return sum(session.events for session in self.sessions())

    def read(self, name: str) -> list[Any]:
        """Every record of a topic by now."""
        consumer = KafkaConsumer(bootstrap_servers=self.kafka.bootstrap, enable_auto_commit=False)
        topic = self.topic(name)
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        records: list[Any] = []
        while any(consumer.position(tp) < ends[tp] for tp in partitions):
            for batch in consumer.poll(timeout_ms=200).values():
                records.extend(batch)
        consumer.close()
        return records

    def ids(self, name: str) -> list[str]:
        """The CloudEvents ids of a topic's records."""
        return [dict(record.headers)["ce_id"].decode() for record in self.read(name)]

    def replay(self, lines: Iterable[bytes]) -> list[dict[str, Any]]:
        """What an undisturbed replay says of the same lines."""
        path = self.folder / "replayed.ndjson"
        path.write_bytes(b"\n".join(lines) + b"\n")
        return [json.loads(row) for row in self.run("replay", str(path), "--json").stdout.splitlines()]
