"""What a measurement runs on: topics of its own, a real worker process, and peers in processes of theirs."""

import http.client
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from math import nan
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from kafka import KafkaConsumer, TopicPartition
from redis import Redis

from detectors.catalog import NAMES
from detectors.policy import Policy
from sandbox.kafka import Kafka
from sandbox.ports import HOST, free_port
from sandbox.valkey import Valkey
from stream.configuration.rule_files import load_declared
from stream.configuration.settings import Settings
from stream.kafka.topics import Topics, create_topics, topics_of

PARTITIONS = 4
READY_S_MAX = 60.0
KILL = "dev.chainbrake.command.kill_session.v1"
ANSWER_S_MAX = 300.0
ROOT = Path(__file__).parent.parent
PEERS_PYTHON = Path(sys.prefix).with_name(Path(sys.prefix).name + "-bench") / "bin" / "python"
"""Peers have an environment of their own: see the Makefile."""
COMPILED_PYTHON = Path(sys.prefix).with_name(Path(sys.prefix).name + "-compiled") / "bin" / "python"
"""So has chainbrake with a compiled fold."""

POLICY = """\
name: benchmark
budget: {stops_per_minute_max: 1000000}
commands: {acknowledge_within_ms: 3600000}
"""
POLICY_NOTE = (
    f"policy: the default one, all {len(NAMES)} detectors and the built-in chains on, with a baseline; its "
    "budget is wide and nobody acknowledges, so that every chain is a kill and none is sent twice"
)


LARGE_PAGES = {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""As the container image runs it; other machines than Linux know nothing of the second."""

FIRST_CUT = (
    *("read_then_write_chain", "faster_than_human", "unusual_velocity", "unusual_transition"),
    "denied_then_elsewhere",
)
"""Detectors that were there when the targets were set."""


def only(kept: Sequence[str]) -> str:
    """The policy with all other detectors, and all declared chains, switched off."""
    policy = msgspec.yaml.decode(POLICY)
    off = {"enabled": False}
    policy["detectors"] = {name: off for name in NAMES if name not in kept}
    policy["chains"] = dict.fromkeys(load_declared(Policy()).names, off)
    return msgspec.yaml.encode(policy).decode()


def processor_s(command: Sequence[str | Path], folder: Path) -> tuple[float, bytes]:
    """Processor seconds of a program, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, capture_output=True, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


class Ground:
    """Servers, a folder and a baseline for a whole run of benchmarks."""

    def __init__(self, kafka: Kafka, valkey: Valkey, folder: Path, baseline: Path) -> None:
        self.kafka = kafka
        self.valkey = valkey
        self.folder = folder
        self.baseline = baseline
        self.policy = folder / "policy.yaml"
        self.policy.write_text(POLICY)
        self.first_cut = folder / "first_cut.yaml"
        self.first_cut.write_text(only(FIRST_CUT))

    def topics(self, name: str) -> Topics:
        """Create a deployment's topics."""
        settings = Settings(kafka=self.kafka.bootstrap, topic_prefix=name)
        for _ in create_topics(settings, PARTITIONS, 1):
            pass
        return topics_of(settings)

    def store(self) -> Redis:
        """A client of the store."""
        return Redis.from_url(self.valkey.url)


class Worker:
    """One `chainbrake run` on the topics of that name, with state under `state`; fresh for each `state`."""

    def __init__(
        self,
        ground: Ground,
        topics: str,
        state: str,
        policy: Path | None = None,
        python: Path = Path(sys.executable),
    ) -> None:
        self._chainbrake = python.with_name("chainbrake")
        self._ground = ground
        self._state = state
        self._port = free_port()
        self._log = ground.folder / f"worker-{state}.log"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CHAINBRAKE_")},
            **LARGE_PAGES,
            "CHAINBRAKE_KAFKA": ground.kafka.bootstrap,
            "CHAINBRAKE_REDIS": ground.valkey.url,
            "CHAINBRAKE_TOPIC_PREFIX": topics,
            "CHAINBRAKE_REDIS_PREFIX": state,
            "CHAINBRAKE_GROUP": state,
            "CHAINBRAKE_POLICY": str(policy or ground.policy),
            "CHAINBRAKE_BASELINE": str(ground.baseline),
            "CHAINBRAKE_WEB_PORT": str(self._port),
            "CHAINBRAKE_WORKFLOWS_MAX": "1000000",  # what all of them cost is one of the questions
        }

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._chainbrake, "run"],
                env=self._environment,
                cwd=self._ground.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._process)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Until it judges."""
        self.until(lambda: self._get("/readyz") == http.HTTPStatus.OK, READY_S_MAX, "ready")

    def cpu_s(self) -> float:
        """Processor time it has used so far; nan where only the system's own tools tell."""
        stat = Path(f"/proc/{self.pid}/stat")
        if not stat.exists():
            return nan
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Memory it occupies (Linux)."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stored(self) -> int:
        """Events that are judged and stored, by the positions in the store."""
        with self._ground.store() as store:
            keys = [f"{self._state}:{{actions-{number}}}:position" for number in range(PARTITIONS)]
            return sum(int(store.hget(key, "next_offset") or 0) for key in keys)

    def until(self, true: Callable[[], bool], within_s: float, what: str) -> None:
        """Wait for something; what the worker said last is in the error."""
        end_s = time.monotonic() + within_s
        while not true():
            if self._process.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError(f"worker is not {what}:\n{self._log.read_text(errors='replace')[-3_000:]}")
            time.sleep(0.02)

    def _get(self, path: str) -> int:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()


def end(process: "subprocess.Popen[Any]") -> None:
    """In order if it can, at once if not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def peer(
    script: str, arguments: Sequence[object], *, python: Path | None = None, folder: Path
) -> dict[str, Any]:
    """Run one peer to its end; a line of JSON is its answer."""
    command = [
        str(python or sys.executable),
        str(ROOT / "benchmarks" / "peers" / script),
        *map(str, arguments),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=ANSWER_S_MAX,
        check=False,
        cwd=folder,
        env=environment,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{script} failed:\n{done.stderr[-3_000:]}")
    answers = [
        line[line.index("{") :] for line in done.stdout.splitlines() if "{" in line
    ]  # Faust hides the cursor
    if not answers:
        raise RuntimeError(f"{script} said nothing:\n{done.stdout[-1_000:]}{done.stderr[-2_000:]}")
    answer: dict[str, Any] = msgspec.json.decode(answers[-1])
    return answer


class Commands:
    """The kill_session commands on a topic from now on."""

    def __init__(self, ground: Ground, topic: str) -> None:
        self._places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        self._consumer = KafkaConsumer(bootstrap_servers=ground.kafka.bootstrap, enable_auto_commit=False)
        self._consumer.assign(self._places)
        self._begin = self._consumer.end_offsets(self._places)

    def kills(self) -> dict[str, tuple[str, int]]:
        """By the event that decided it: the command's id, and when it was sent (ms)."""
        consumer, found = self._consumer, dict[str, tuple[str, int]]()
        ends = consumer.end_offsets(self._places)
        for place in self._places:
            consumer.seek(place, self._begin[place])
        while any(consumer.position(place) < ends[place] for place in self._places):
            for records in consumer.poll(timeout_ms=1_000).values():
                for record in records:
                    named = {name: content.decode() for name, content in record.headers}
                    if named["ce_type"] == KILL:
                        found[named["ce_causationid"]] = named["ce_id"], record.timestamp
        consumer.close()
        return found
