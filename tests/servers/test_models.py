"""Baselines put to work on real servers: no restart, no loss, and what cannot be trusted changes nothing."""

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from models.caep import from_caep
from sandbox.kafka import Kafka
from sandbox.ports import HOST, free_port
from sandbox.valkey import Valkey
from stream.model_registry.objects import Objects
from stream.model_registry.registry import ModelRegistry
from tests.builders import TRUSTED
from tests.servers.deployment import CHAINBRAKE, Deployment, Worker, until
from tests.servers.test_worker import Undecodable
from tests.servers.traffic import traffic
from tests.test_model_registry import artifact


def deployed(kafka: Kafka, valkey: Valkey, folder: Path, **settings: str) -> Deployment:
    """A deployment with a registry of its own."""
    return Deployment(kafka, valkey, folder, models=str(folder / "models"), **settings)


def added(deployment: Deployment, sessions: int) -> str:
    """The version of a baseline that is in the registry now."""
    path = deployment.folder / f"{sessions}.json"
    path.write_bytes(artifact(sessions))
    return deployment.run("models", "add", str(path)).stdout.split()[0]


def runs_with(worker: Worker, version: str, slot: str = "live") -> bool:
    """Whether a worker says that a slot is filled with it."""
    rows = worker.get("/metrics")[1].splitlines()
    return f'chainbrake_baseline_info{{model="{version}",slot="{slot}"}} 1.0' in rows


def wait_for(worker: Worker, version: str, slot: str = "live") -> None:
    """Until a slot is filled with it."""
    until(lambda: runs_with(worker, version, slot), 40, f"{version} in {slot}")


@pytest.mark.timeout(180)
def test_workers_change_without_a_restart_and_nothing_is_lost(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """Under traffic: every event once, commands name the baseline of their time, rollback goes back."""
    with deployed(kafka, valkey, tmp_path) as deployment:
        first, second = added(deployment, 40), added(deployment, 60)
        workers = [deployment.worker(), deployment.worker()]
        for worker in workers:
            worker.wait_ready()
            assert runs_with(worker, "none")
        sent = deployment.send(traffic(2_000, 40, 2, 1))
        deployment.wait_stored(sent, 60)
        rows = [row for seed in range(2, 12) for row in traffic(2_000, 40, 2, seed)]
        sending = threading.Thread(target=deployment.send, args=(rows,))
        sending.start()
        deployment.run("models", "promote", first, "--by", "ann")
        for worker in workers:
            wait_for(worker, first)
        sending.join()
        sent += len(rows)
        sent += deployment.send(traffic(2_000, 40, 2, 20))
        deployment.wait_stored(sent, 60)
        deployment.run("models", "promote", second, "--by", "ann")
        deployment.run("models", "rollback", "--by", "bob", "--reason", "too many")
        for worker in workers:
            wait_for(worker, first)
        assert sum(worker.metric("chainbrake_events_total") for worker in workers) >= sent
        assert deployment.folded() == sent
        models = [from_caep(record.value).model_version for record in deployment.read("commands")]
        assert {"", first} <= set(models) <= {"", first, second}
        history = [json.loads(row) for row in deployment.run("models", "list", "--json").stdout.splitlines()]
        told = [(row["version"], row["by"]) for row in history if row["kind"] == "entry"]
        assert told == [(first, "ann"), (second, "ann"), (first, "bob")]
        assert [worker.stop() for worker in workers] == [0, 0]


@pytest.mark.timeout(180)
def test_what_cannot_be_trusted_changes_nothing(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """A file changed after it was announced is refused, said, and put to work once it is whole again.

    A worker that starts meanwhile judges all the same; one that starts later has what is announced. None
    has a copy of its own.
    """
    (tmp_path / "none").write_text("")
    with deployed(kafka, valkey, tmp_path, models_copies=str(tmp_path / "none")) as deployment:
        first, second = added(deployment, 40), added(deployment, 60)
        deployment.run("models", "promote", first)
        worker = deployment.worker().wait_ready()
        assert runs_with(worker, first)
        file = tmp_path / "models" / "baselines" / f"{second.removeprefix('baseline@')}.json"
        whole = file.read_bytes()
        deployment.run("models", "promote", second)
        wait_for(worker, second)
        deployment.run("models", "rollback")
        wait_for(worker, first)
        file.write_bytes(whole[: len(whole) // 2])
        refused = deployment.run("models", "list").stdout
        assert "refused" in refused
        file.write_bytes(whole)
        deployment.run("models", "promote", second)
        wait_for(worker, second)
        assert worker.stop() == 0
        file.write_bytes(whole[: len(whole) // 2])
        late = deployment.worker().wait_ready()
        assert runs_with(late, "none")
        assert 'chainbrake_baseline_behind{slot="live"} 1.0' in late.get("/metrics")[1]
        sent = deployment.send(traffic(500, 10, 1, 3))
        deployment.wait_stored(sent, 60)
        assert "announced baseline cannot be put to work" in late.log.read_text()
        file.write_bytes(whole)
        wait_for(late, second)
        assert late.metric("chainbrake_baseline_behind") == 0
        assert late.stop() == 0


@pytest.mark.timeout(180)
def test_a_registry_that_hangs_stalls_nobody(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """What ran judges on and says so, what starts has its copy; both change once the registry is back."""
    copies, office = tmp_path / "copies", str(tmp_path / "office")
    with deployed(kafka, valkey, tmp_path, models_copies=str(copies), models_wait_s="1") as deployment:
        first, second = added(deployment, 40), added(deployment, 60)
        deployment.run("models", "add", *(str(tmp_path / f"{n}.json") for n in (40, 60)), "--models", office)
        file = tmp_path / "models" / "baselines" / f"{second.removeprefix('baseline@')}.json"
        file.unlink()
        os.mkfifo(file)  # nobody writes: whoever opens it waits, as in a network folder that is gone
        deployment.run("models", "promote", first, "--models", office)
        worker = deployment.worker().wait_ready()
        assert runs_with(worker, first)
        until((copies / "live.json").exists, 40, "a copy")
        deployment.run("models", "promote", second, "--models", office)
        until(lambda: worker.metric("chainbrake_baseline_behind") == 1, 40, "behind")
        sent = deployment.send(traffic(500, 10, 1, 3))
        deployment.wait_stored(sent, 30)
        late = deployment.worker().wait_ready()
        for each in (worker, late):
            live = json.loads(each.wait_ready().get("/readyz")[1])["baselines"]["live"]
            assert (live["version"], live["announced"]) == (first, second)
            assert "no answer within 1 s" in live["error"]
            assert runs_with(each, first)
        file.unlink()
        file.write_bytes(artifact(60))
        for each in (worker, late):
            wait_for(each, second)
            assert each.metric("chainbrake_baseline_behind") == 0
        assert [worker.stop(), late.stop()] == [0, 0]


def test_a_baseline_that_hangs_ends_the_start_with_one_line(tmp_path: Path) -> None:
    """Not half a page, and not a worker that is neither up nor down."""
    os.mkfifo(tmp_path / "b.json")
    done = subprocess.run(
        [CHAINBRAKE, "run", "--baseline", str(tmp_path / "b.json"), "--web-port", str(free_port())],
        env={**os.environ, "CHAINBRAKE_MODELS_WAIT_S": "0.5"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.endswith("b.json: no answer within 0.5 s (CHAINBRAKE_MODELS_WAIT_S)")


@pytest.mark.timeout(180)
def test_garbage_on_the_topic_ends_no_worker(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """Neither one that runs nor one that starts: what is said before and after it is heard."""
    with deployed(kafka, valkey, tmp_path) as deployment:
        first, second = added(deployment, 40), added(deployment, 60)
        deployment.run("models", "promote", first)
        worker = deployment.worker().wait_ready()
        producer, topic = deployment.producer(), deployment.topic("models")
        for value in (b"", b"{", b"\xff", None):
            producer.send(topic, value, key=b"shadow")
        for _ in range(3):
            producer.send(topic, b"{}", key=b"live", headers=[(Undecodable("x"), b"")])
        producer.flush()
        producer.close()
        deployment.run("models", "promote", second)
        wait_for(worker, second)
        late = deployment.worker().wait_ready()
        assert runs_with(late, second)
        assert late.log.read_text().count("announcement unreadable") >= 3
        assert [worker.stop(), late.stop()] == [0, 0]


@pytest.mark.timeout(180)
def test_a_shadow_is_compared_and_orders_nothing(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """Its verdicts are counted beside the live ones; each command leaves once, by the live one."""
    with deployed(kafka, valkey, tmp_path) as deployment:
        version = added(deployment, 40)
        deployment.run("models", "shadow", version)
        worker = deployment.worker().wait_ready()
        assert runs_with(worker, version, "shadow")
        rows = traffic(2_000, 20, 3, 5)
        deployment.wait_stored(deployment.send(rows), 60)
        until(lambda: worker.metric("chainbrake_shadow_events_total") == len(rows), 40, "all judged beside")
        until(lambda: worker.metric("chainbrake_shadow_verdicts_total") > 0, 40, "verdicts compared")
        text = worker.get("/metrics")[1]
        assert 'chainbrake_shadow_verdicts_total{action="kill_session",told="both"} 3.0' in text
        assert 'chainbrake_shadow_verdicts_total{action="kill_session",told="shadow"} 0.0' in text
        commands = [from_caep(record.value) for record in deployment.read("commands")]
        assert {command.model_version for command in commands} == {""}
        assert len({command.id for command in commands}) == len(commands)
        deployment.run("models", "promote", version)
        wait_for(worker, version)
        wait_for(worker, "none", "shadow")
        assert worker.stop() == 0


@pytest.mark.timeout(60)
def test_what_nobody_could_be_told_does_not_stand_in_the_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a broker a promotion fails as a whole."""
    monkeypatch.setenv("CHAINBRAKE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("CHAINBRAKE_KAFKA", f"{HOST}:{free_port()}")
    registry = ModelRegistry(Objects(str(tmp_path / "models")), TRUSTED)
    version = registry.put(artifact(40), tmp_path / "b.json").version
    for words in (("promote", version), ("promote", "--off"), ("shadow", version)):
        done = subprocess.run(
            [CHAINBRAKE, "models", *words], capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert "no Kafka broker answers at" in done.stderr
    assert registry.history() == []
