"""Whatever dies, whenever: the same commands leave, and every event counts exactly once."""

import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from sandbox.kafka import Kafka
from sandbox.valkey import Valkey
from tests.servers.deployment import Deployment, until
from tests.servers.traffic import paced, traffic

POLICY = """
name: faults
commands: {acknowledge_within_ms: 86400000}
budget: {stops_per_minute_max: 100000}
"""


@pytest.fixture
def policy(tmp_path: Path) -> str:
    """Nothing is sent again for want of an acknowledgement, and no stop runs into the budget."""
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return str(path)


def assert_as_undisturbed(deployment: Deployment, rows: list[tuple[str, bytes]], chains: int) -> None:
    """Commands and findings are those of a replay, and every event was folded once."""
    replayed = deployment.replay(value for _, value in rows)
    commands = {row["id"] for row in replayed if row["kind"] == "command"}
    stopped = {
        row["session"] for row in replayed if row["kind"] == "command" and row["action"] == "kill_session"
    }
    findings = {row["id"] for row in replayed if row["kind"] == "finding"}
    assert len(stopped) == chains
    until(lambda: set(deployment.ids("commands")) >= commands, 30, "every command at the broker")
    assert set(deployment.ids("commands")) == commands
    assert set(deployment.ids("findings")) == findings
    assert deployment.folded() == len(rows)
    assert deployment.read("dead-letters") == []


@pytest.mark.timeout(480)
def test_a_worker_killed_twenty_times_loses_and_invents_nothing(
    kafka: Kafka, valkey: Valkey, tmp_path: Path, policy: str
) -> None:
    """Kill -9 at random moments of 200,000 events: the set of command ids is that of a replay."""
    kills, chains = 20, 300
    rows = traffic(200_000, 4_000, chains, seed=11)
    rng = random.Random(5)
    with Deployment(
        kafka,
        valkey,
        tmp_path,
        policy=policy,
        flush_every_ms="300",
        batch_records_max="300",
        flush_chunk="20",
    ) as deployment:
        feeder = threading.Thread(target=deployment.send, args=(paced(rows, 1_800),))
        feeder.start()
        mid_work = 0
        for _ in range(kills):
            worker = deployment.worker().wait_ready()
            before = deployment.stored()
            time.sleep(rng.uniform(0.05, 1.6))
            worker.signal(signal.SIGKILL)
            worker.process.wait()
            mid_work += deployment.stored() > before or feeder.is_alive()
        worker = deployment.worker().wait_ready()
        feeder.join()
        deployment.wait_stored(len(rows), 120)
        assert worker.stop() == 0
        assert mid_work >= kills // 2, "the kills came when there was nothing to interrupt"
        assert_as_undisturbed(deployment, rows, chains)
        repeated = Counter(deployment.ids("commands"))
        assert set(repeated) == {name for name, count in repeated.items() if count >= 1}


@pytest.mark.timeout(240)
def test_a_worker_that_slept_past_its_session_cannot_overwrite(
    kafka: Kafka, valkey: Valkey, tmp_path: Path, policy: str
) -> None:
    """SIGSTOP with unstored state, another takes over and goes on, SIGCONT: the late flush is refused."""
    rows = traffic(40_000, 800, 40, seed=12)
    half = len(rows) // 2
    with Deployment(kafka, valkey, tmp_path, policy=policy, flush_every_ms="4000") as deployment:
        sleeper = deployment.worker().wait_ready()
        deployment.send(rows[:half])
        until(lambda: sleeper.metric("chainbrake_batch_seconds_count") > 0, 30, "something judged")
        sleeper.signal(signal.SIGSTOP)
        assert deployment.stored() < half, "nothing was left unstored"
        other = deployment.worker().wait_ready()
        until(
            lambda: other.metric("chainbrake_partitions") == 4, 60, "the other worker to own all partitions"
        )
        deployment.wait_stored(half, 60)
        epochs = [deployment.store.get(f"{deployment.prefix}:{{actions-{n}}}:epoch") for n in range(4)]
        sleeper.signal(signal.SIGCONT)
        deployment.send(rows[half:])
        until(lambda: sleeper.metric("chainbrake_fenced_total") >= 1, 60, "the late flush to be refused")
        deployment.wait_stored(len(rows), 120)
        assert all(epoch is not None and int(epoch) >= 2 for epoch in epochs)
        assert sleeper.stop() == 0
        assert other.stop() == 0
        assert_as_undisturbed(deployment, rows, 40)


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # clients whose server was killed
@pytest.mark.parametrize("away", ["kafka", "valkey"])
def test_an_outage_of_ten_seconds_is_waited_out(away: str, tmp_path: Path, policy: str) -> None:
    """The worker says that it waits, in `/readyz` and in metrics, and goes on without loss."""
    rows = traffic(30_000, 600, 30, seed=13)
    half = len(rows) // 2
    with Kafka() as kafka, Valkey() as valkey:
        server = kafka if away == "kafka" else valkey
        dependency = "kafka" if away == "kafka" else "redis"
        with Deployment(kafka, valkey, tmp_path, policy=policy) as deployment:
            worker = deployment.worker().wait_ready()
            deployment.send(rows[:half])
            server.kill()
            until(lambda: not worker.ready(), 40, "/readyz to say that it is not ready")
            status, body = worker.get("/readyz")
            assert status == 503
            assert f'"{dependency}": false' in body or f'"{dependency}":false' in body
            assert f'chainbrake_dependency_up{{dependency="{dependency}"}} 0.0' in worker.get("/metrics")[1]
            assert worker.get("/healthz")[0] == 200
            if away == "valkey":
                deployment.send(rows[half:])
            time.sleep(10)
            assert worker.process.poll() is None
            server.start()
            if away == "kafka":
                deployment.send(rows[half:])
            until(worker.ready, 60, "a ready worker after the outage")
            deployment.wait_stored(len(rows), 120)
            assert worker.stop() == 0
            assert_as_undisturbed(deployment, rows, 30)
