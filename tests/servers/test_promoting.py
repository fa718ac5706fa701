"""Promotions while something changes under them: the keys that are trusted, or the broker goes away."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.kafka import Kafka
from sandbox.valkey import Valkey
from stream.configuration.keys import public_pem
from tests.builders import SIGNER
from tests.servers.deployment import Deployment, until
from tests.servers.test_models import added, deployed, runs_with, wait_for
from tests.servers.traffic import traffic
from tests.test_model_registry import STRANGER, artifact


@pytest.mark.timeout(180)
def test_the_trusted_key_is_changed_under_a_running_worker(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """Old and new side by side, then the old one goes: no restart, and nothing that it signed comes back."""
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "old.pem").write_text(public_pem(SIGNER))
    with deployed(kafka, valkey, tmp_path, trusted_keys=str(keys)) as deployment:
        first = added(deployment, 40)
        deployment.run("models", "promote", first)
        worker = deployment.worker().wait_ready()
        assert runs_with(worker, first)
        (keys / "new.pem").write_text(public_pem(STRANGER))
        (tmp_path / "new.json").write_bytes(artifact(60, STRANGER))
        second = deployment.run("models", "add", str(tmp_path / "new.json")).stdout.split()[0]
        deployment.run("models", "promote", second)
        wait_for(worker, second)
        deployment.run("models", "promote", first)
        wait_for(worker, first)
        deployment.run("models", "rollback")
        wait_for(worker, second)
        (keys / "old.pem").unlink()
        rows = [json.loads(row) for row in deployment.run("models", "list", "--json").stdout.splitlines()]
        refused = {row["version"]: row.get("refused", "") for row in rows if row["kind"] == "baseline"}
        assert "not trusted here" in refused[first]
        assert not refused[second]
        # Somebody who still trusts it puts it back to work, of which the workers are told.
        (tmp_path / "old.pem").write_text(public_pem(SIGNER))
        deployment.environment["CHAINBRAKE_TRUSTED_KEYS"] = str(tmp_path / "old.pem")
        deployment.run("models", "promote", first)
        deployment.environment["CHAINBRAKE_TRUSTED_KEYS"] = str(keys)
        until(lambda: worker.metric("chainbrake_baseline_behind") == 1, 40, "behind")
        assert runs_with(worker, second)
        assert "not trusted here" in worker.get("/readyz")[1]
        sent = deployment.send(traffic(500, 10, 1, 3))
        deployment.wait_stored(sent, 60)
        assert worker.stop() == 0


IN_THE_MIDDLE = """
import os, sys
from stream.cli import main
from stream.model_registry.registry import ModelRegistry

noted, signal, pid = ModelRegistry._note, int(sys.argv.pop(1)), int(sys.argv.pop(1))

def note(self, *arguments):
    entry = noted(self, *arguments)
    os.kill(pid, signal)
    return entry

ModelRegistry._note = note
main()
"""
"""`chainbrake`, but a process gets a signal once a promotion stands in the history, before it is told."""


def interrupted(deployment: Deployment, number: signal.Signals, *words: str) -> str:
    """What a command of `models` says that fails since the broker got a signal in its middle."""
    broker = str(deployment.kafka.pid)
    done = subprocess.run(
        [sys.executable, "-c", IN_THE_MIDDLE, str(int(number)), broker, "models", *words],
        env=deployment.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    return line


def failed(deployment: Deployment, *words: str) -> str:
    """What a command of `models` says that fails."""
    return deployment.refused("models", *words)


@pytest.mark.timeout(240)
def test_a_broker_lost_in_the_middle_of_a_promotion(valkey: Valkey, tmp_path: Path) -> None:
    """Told or not: it stands in the history, the command fails and says how to go on, and that goes on."""
    with Kafka() as kafka, deployed(kafka, valkey, tmp_path) as deployment:
        first, second = added(deployment, 40), added(deployment, 60)
        deployment.run("models", "promote", first)
        worker = deployment.worker().wait_ready()
        assert runs_with(worker, first)

        # The broker takes the announcement, and whoever sent it does not hear so.
        line = interrupted(deployment, signal.SIGSTOP, "promote", second)
        assert "it stands in the registry" in line
        assert "chainbrake models announce" in line
        kafka.resume()
        wait_for(worker, second)
        deployment.run("models", "announce")  # told twice, it is the same

        line = interrupted(deployment, signal.SIGKILL, "rollback")  # nothing arrives
        assert "it stands in the registry" in line
        kafka.kill()
        assert "no Kafka broker answers" in failed(deployment, "promote", first)
        kafka.start()
        until(worker.ready, 60, "a ready worker after the outage")
        assert runs_with(worker, second)
        assert "tell them again: chainbrake models announce" in failed(deployment, "promote", first)
        deployment.run("models", "announce")
        wait_for(worker, first)
        assert worker.metric("chainbrake_baseline_behind") == 0
        assert worker.stop() == 0
