"""A start that fails is one line that names what to do, and exit code 2; an absence is waited out aloud."""

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from sandbox.kafka import Kafka
from sandbox.ports import HOST, free_port
from sandbox.valkey import Valkey
from tests.servers.deployment import CHAINBRAKE, Deployment, until

FAILS_WITHIN_S = 60.0
"""Soon, on a machine that does much else; a start that waits for ever is what must not be."""


def run(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """`chainbrake run` that is expected to fail soon."""
    return subprocess.run(
        [CHAINBRAKE, "run", "--web-port", str(free_port()), *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=FAILS_WITHIN_S,
        check=False,
    )


def said(ran: subprocess.CompletedProcess[str]) -> str:
    """The one line of a failed start."""
    assert ran.returncode == 2, ran.stderr
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--kafka", f"{HOST}:1"), ("no Kafka broker answers", f"{HOST}:1", "--kafka")),
        (("--kafka", "no-such-host.invalid:9092"), ("no-such-host.invalid:9092", "CHAINBRAKE_KAFKA")),
        (("--baseline", "none.json"), ("none.json",)),
        (("--baseline", __file__), (__file__,)),
        (("--policy", __file__), (__file__,)),
        (("--redis", "nonsense"), ("redis://", "CHAINBRAKE_REDIS")),
        (("--web-port", "0"), ("web_port",)),
    ],
    ids=lambda value: "-".join(map(str, value))[:40],
)
def test_what_is_set_wrongly_is_one_line(options: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Whoever starts it reads what to do, and no traceback; nothing of that needs a server."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CHAINBRAKE_")}
    line = said(run(clean, *options))
    assert all(name in line for name in names), line


def test_missing_topics_are_one_line(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """All of them are named, and the command that makes them."""
    with Deployment(kafka, valkey, tmp_path) as deployment:
        environment = {**deployment.environment, "CHAINBRAKE_TOPIC_PREFIX": "elsewhere"}
        line = said(run(environment))
        assert all(f"elsewhere.{name}.v1" in line for name in ("actions", "commands", "dead-letters"))
        assert "chainbrake topics" in line


def test_a_web_port_that_is_taken_is_one_line(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """The broker's own, for one."""
    with Deployment(kafka, valkey, tmp_path) as deployment:
        taken = kafka.bootstrap.rpartition(":")[2]
        assert "--web-port" in said(run(deployment.environment, "--web-port", taken))


def test_a_topic_that_is_not_the_states_is_told_without_a_traceback(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """The store is asked when the worker runs already: its last line says what to do."""
    with Deployment(kafka, valkey, tmp_path) as deployment:
        deployment.store.hset(f"{deployment.prefix}:topic", mapping={"id": "another", "partitions": 4})
        ran = run(deployment.environment)
        assert ran.returncode == 2
        assert "--adopt-topic" in ran.stderr.splitlines()[-1]
        assert "Traceback" not in ran.stderr
        assert '"level": "error"' not in ran.stderr


@pytest.mark.timeout(120)
def test_a_store_that_is_away_at_the_start_is_waited_for_aloud(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """It says so at once and every ten seconds, with address and setting; the web answers meanwhile."""
    away = f"redis://:secret@{HOST}:{free_port()}/0"

    def told(log: Path) -> list[dict[str, Any]]:
        rows = [json.loads(found) for found in re.findall(r"\{.*\}", log.read_text())]
        return [row for row in rows if row["event"] == "dependency is away: waiting for it"]

    with Deployment(kafka, valkey, tmp_path) as deployment:
        began_s = time.monotonic()
        worker = deployment.worker("--redis", away)
        until(lambda: len(told(worker.log)) == 2, 40, "a second word")
        assert time.monotonic() - began_s > 10
        assert worker.get("/healthz")[0] == 200
        assert worker.get("/readyz")[0] == 503
        first = told(worker.log)[0]
        assert first["setting"] == "CHAINBRAKE_REDIS"
        assert first["address"] in away
        assert "secret" not in worker.log.read_text()
        assert worker.stop() == 0


def test_the_log_is_objects_and_nothing_else(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """From the first line to the last: what collects it reads a line as one."""
    with Deployment(kafka, valkey, tmp_path) as deployment:
        worker = deployment.worker().wait_ready()
        assert worker.stop() == 0
        assert all(isinstance(json.loads(line), dict) for line in worker.log.read_text().splitlines())


def test_topics_that_differ_in_replicas_are_told(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """One copy where three were meant is found when it is asked for, not when the disk fails."""
    with Deployment(kafka, valkey, tmp_path) as deployment:

        def topics(replicas: int) -> subprocess.CompletedProcess[str]:
            command = [CHAINBRAKE, "topics", "--partitions", "4", "--replicas", str(replicas)]
            return subprocess.run(
                command, env=deployment.environment, capture_output=True, text=True, timeout=60, check=False
            )

        alike, fewer = topics(1), topics(3)
        assert alike.returncode == 0, alike.stdout
        assert fewer.returncode == 1
        lines = fewer.stdout.splitlines()
        assert len(lines) > 5
        assert all("1 replicas, not 3" in line for line in lines)
