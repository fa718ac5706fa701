"""Everything dies at random for a while, in any order, and often together: `make chaos`.

Each fault has a test of its own (`test_faults.py`, `test_ingest.py`). What they do to each other is found
here only: a store that comes back while partitions change hands, a worker that is killed while it takes them
over.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaProducer

from models.cloudevent import read_event
from models.event import Operation
from sandbox.kafka import Kafka
from sandbox.process import Server
from sandbox.valkey import Valkey
from tests.servers.deployment import READY_S_MAX, Deployment, until
from tests.servers.test_faults import POLICY, assert_as_undisturbed
from tests.servers.test_ingest import control, entry
from tests.servers.traffic import paced, traffic

SECONDS = float(os.environ.get("TEST_CHAOS", "0"))
SEED = int(os.environ.get("TEST_CHAOS_SEED", "1"))
PER_S = 700
RAW_PER_S = 150
PAUSE_S = (0.3, 4.0)

pytestmark = [
    pytest.mark.skipif(not SECONDS, reason="takes minutes: make chaos"),
    pytest.mark.timeout(600 + 2 * SECONDS),
]


class Chaos:
    """Two workers, a broker and a store, none of which is left alone."""

    def __init__(self, deployment: Deployment, kafka: Kafka, valkey: Valkey) -> None:
        self._deployment = deployment
        self._random = random.Random(SEED)
        self._servers: tuple[Server, Server] = (kafka, valkey)
        self._workers = [deployment.worker().wait_ready() for _ in range(2)]
        self._started = set(self._workers)
        """Those that were ready once."""
        self._faults: tuple[Callable[[int], None], ...] = (
            self._kill_worker,
            self._end_worker,
            self._freeze_worker,
            self._kill_server,
            self._freeze_server,
        )
        self.done: list[str] = []
        """What was done, in order: a failure is to be told with it."""

    def until_over(self, feeder: threading.Thread) -> None:
        """One fault after the other, for as long as there is input; then both workers are up again."""
        feeder.start()
        while feeder.is_alive():
            time.sleep(self._random.uniform(*PAUSE_S))
            self._started |= {worker for worker in self._workers if worker.ready()}
            fault = self._random.choice(self._faults)
            self.done.append(fault.__name__)
            fault(self._random.randrange(2))
            self._start_again()
        until(self._all_ready, 2 * READY_S_MAX, "both workers to judge again")

    def end(self) -> None:
        """Both end in order."""
        assert [worker.stop() for worker in self._workers] == [0, 0], self.done

    def _kill_worker(self, number: int) -> None:
        self._workers[number].signal(signal.SIGKILL)
        self._workers[number].process.wait()
        time.sleep(self._random.uniform(0, 2))
        self._workers[number] = self._deployment.worker()

    def _end_worker(self, number: int) -> None:
        worker = self._workers[number]
        assert worker.stop() == 0 or worker not in self._started, worker.log
        self._workers[number] = self._deployment.worker()

    def _freeze_worker(self, number: int) -> None:
        """Longer than its session lasts, or not."""
        self._workers[number].signal(signal.SIGSTOP)
        time.sleep(self._random.uniform(0.5, 5))
        self._workers[number].signal(signal.SIGCONT)

    def _kill_server(self, number: int) -> None:
        self._servers[number].kill()
        time.sleep(self._random.uniform(0, 5))
        self._servers[number].start()

    def _freeze_server(self, number: int) -> None:
        self._servers[number].pause()
        time.sleep(self._random.uniform(0.5, 6))
        self._servers[number].resume()

    def _all_ready(self) -> bool:
        self._start_again()
        return all(worker.ready() for worker in self._workers)

    def _start_again(self) -> None:
        """One that starts while the broker is away says so and ends; nothing else may end one."""
        for number, worker in enumerate(self._workers):
            if worker.process.poll() is not None:
                said = worker.log.read_text().splitlines()[-1:]
                assert worker not in self._started, (worker.log, self.done)
                assert said[0].startswith("error: "), (worker.log, self.done)
                assert "KafkaConnectionError" in said[0], (worker.log, self.done)
                self._workers[number] = self._deployment.worker()


def fed(send: Callable[[], object], failures: list[BaseException]) -> threading.Thread:
    """Input beside the faults; what fails in it fails the test."""

    def run() -> None:
        try:
            send()
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    return threading.Thread(target=run)


def test_whatever_dies_together_the_same_commands_leave(tmp_path: Path) -> None:
    """Commands, findings and counts of an undisturbed replay, with most workflows out of memory."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    events = int(SECONDS * PER_S)
    chains = events // 600
    rows = traffic(events, events // 50, chains, seed=SEED)
    failures: list[BaseException] = []
    with (
        Kafka() as kafka,
        Valkey() as valkey,
        Deployment(
            kafka,
            valkey,
            tmp_path,
            policy=str(policy),
            flush_every_ms="500",
            batch_records_max="300",
            workflows_max="300",
        ) as deployment,
    ):
        chaos = Chaos(deployment, kafka, valkey)
        chaos.until_over(fed(lambda: deployment.send(paced(rows, PER_S)), failures))
        assert failures == []
        deployment.wait_stored(len(rows), 180)
        assert_as_undisturbed(deployment, rows, chains)
        chaos.end()


def test_whatever_dies_together_every_record_reaches_its_session(tmp_path: Path) -> None:
    """Half of the credentials are told to be a session's seconds after they were used."""
    holders: dict[str, str] = {}
    failures: list[BaseException] = []
    with (
        Kafka() as kafka,
        Valkey() as valkey,
        Deployment(kafka, valkey, tmp_path, flush_every_ms="500") as deployment,
    ):
        chaos = Chaos(deployment, kafka, valkey)
        chaos.until_over(fed(lambda: send_raw(deployment, holders), failures))
        assert failures == []
        until(lambda: not misplaced(deployment, holders), 90, "every record under its session")
        assert deployment.read("dead-letters") == []
        chaos.end()


def misplaced(deployment: Deployment, holders: dict[str, str]) -> set[str]:
    """Entries that were never sent under the session that held their token."""
    events = (read_event(record.value, record.headers) for record in deployment.read("actions"))
    found = {(event.id, event.session) for event in events if isinstance(event, Operation)}
    return {name for name, session in holders.items() if (name, session) not in found}


def send_raw(deployment: Deployment, holders: dict[str, str]) -> None:
    """Sessions that begin, their tokens, and what is done with these; writes down whose each entry is."""
    rng = random.Random(SEED)
    producer = KafkaProducer(
        bootstrap_servers=deployment.kafka.bootstrap,
        acks="all",
        linger_ms=2,
        max_in_flight_requests_per_connection=1,
    )
    facts = entries = 0
    sessions: list[str] = []
    later: list[tuple[float, str]] = []

    def put(source: str, value: bytes) -> None:
        producer.send(f"{deployment.prefix}.raw.{source}", value)

    def tell(kind: str, session: str, **data: object) -> None:
        nonlocal facts
        facts += 1
        put(*control(kind, facts, **{"session": session, **data}))

    def bind(session: str) -> None:
        provider, kind = "github", "github.hashed_token"
        tell(
            "credential.bound",
            session,
            provider=provider,
            credential_type=kind,
            credential_id=f"token-{session}",
        )

    began_s = time.monotonic()
    while (now_s := time.monotonic() - began_s) < SECONDS:
        while entries < now_s * RAW_PER_S:
            if len(sessions) < 40 or rng.random() < 0.02:
                session = f"run-{len(sessions)}"
                sessions.append(session)
                tell(
                    "session.started",
                    session,
                    agent={"id": f"agent:{session}", "name": "review"},
                    principal={"type": "user", "id": "ada@example.com"},
                    workflow=f"wf-{session}",
                    parent_session=None,
                    trace_id="t",
                    runtime={"pod": session, "pod_uid": f"u-{session}", "namespace": "agents"},
                )
                later.append((now_s + rng.choice((0.0, rng.uniform(0, 4))), session))
            session = rng.choice(sessions[-60:])
            put(*entry(entries, f"token-{session}"))
            holders[f"doc-{entries}"] = session
            entries += 1
        for due in [due for due in later if due[0] <= now_s]:
            later.remove(due)
            bind(due[1])
        time.sleep(0.01)
    for _, session in later:
        bind(session)
    producer.flush()
    producer.close()
