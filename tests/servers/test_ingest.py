"""Raw topics on real servers: sessions follow their credentials, through crashes and from one to the next."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from models.cloudevent import read_event
from models.event import AnyEvent, Join, Operation
from sandbox.kafka import Kafka
from sandbox.valkey import Valkey
from tests.servers.deployment import CHAINBRAKE, Deployment, Worker, until

RUN, TREE = "conv-7", "wf-7"
PREFIX = "com.example.chainbrake."


def control(kind: str, number: int, **data: Any) -> tuple[str, bytes]:
    """A fact of the control plane."""
    record = {
        "specversion": "1.0",
        "type": f"{PREFIX}{kind}.v1",
        "source": "//gateway.example.com",
        "id": f"fact-{number}",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "subject": data.get("session", RUN),
        "data": {"session": RUN, **data},
    }
    return "chainbrake.event", json.dumps(record).encode()


def started() -> tuple[str, bytes]:
    """A run begins."""
    return control(
        "session.started",
        0,
        agent={"id": "agent:review", "name": "review"},
        principal={"type": "user", "id": "ada@example.com"},
        workflow=TREE,
        parent_session=None,
        trace_id="t",
        runtime={"pod": "review-1", "pod_uid": "u-1", "namespace": "agents"},
    )


def bound(token: str) -> tuple[str, bytes]:
    """The run is handed a token."""
    return control(
        "credential.bound", 1, provider="github", credential_type="github.hashed_token", credential_id=token
    )


def entry(number: int, token: str) -> tuple[str, bytes]:
    """An entry of GitHub's audit log."""
    record = {
        "@timestamp": int(time.time() * 1000),
        "_document_id": f"doc-{number}",
        "action": "git.clone",
        "actor": "review[bot]",
        "repo": "example/app",
        "hashed_token": token,
    }
    return "github.audit", json.dumps(record).encode()


def send(deployment: Deployment, *records: tuple[str, bytes]) -> None:
    """Put records on their raw topics, one after the other."""
    producer = KafkaProducer(bootstrap_servers=deployment.kafka.bootstrap, acks="all")
    for source, value in records:
        producer.send(f"{deployment.prefix}.raw.{source}", value).get(timeout=10)
    producer.close()


def events(deployment: Deployment) -> list[AnyEvent]:
    """What is on the actions topic by now."""
    return [read_event(record.value, record.headers) for record in deployment.read("actions")]


def placed(deployment: Deployment) -> dict[str, list[str]]:
    """Operation: the sessions under which it was sent, in order, repeats under one session once."""
    found: dict[str, dict[str, None]] = {}
    for event in events(deployment):
        if isinstance(event, Operation):
            found.setdefault(event.id, {})[event.session] = None
    return {name: list(sessions) for name, sessions in found.items()}


def wait_for(deployment: Deployment, number: int, session: str) -> None:
    """Until an entry has been sent under a session."""
    name = f"doc-{number}"

    def there() -> bool:
        return any(key.endswith(name) and session in under for key, under in placed(deployment).items())

    until(there, 30, f"{name} under {session}")


def remembered(deployment: Deployment, table: str) -> list[Any]:
    """The keys of a table of the lineage in the store."""
    return list(deployment.store.hkeys(f"{deployment.prefix}:{{ingest}}:t:{table}"))


def wait_remembered(deployment: Deployment, token: str) -> None:
    """Until the store knows who holds a token."""
    table = "held.github.hashed_token"
    until(lambda: token.encode() in remembered(deployment, table), 40, f"{token} in the store")


def lineages(worker: Worker) -> bool:
    """Whether this worker has ever claimed the raw topics."""
    return "raw topics claimed" in worker.log.read_text()


@pytest.mark.timeout(180)
def test_raw_records_become_events_in_their_true_session(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """A late link moves what came before it; what is no record is a dead letter; the metrics say so."""
    with Deployment(kafka, valkey, tmp_path) as deployment:
        worker = deployment.worker().wait_ready()
        send(deployment, entry(1, "tok"), ("github.audit", b"{"), ("vault.audit", b"\xff"))
        until(lambda: bool(placed(deployment)), 30, "the first entry")
        again = entry(2, "tok")  # the same bytes: made twice, it would tell two times a millisecond apart
        send(deployment, started(), bound("tok"), again, entry(3, "foreign"), again)
        wait_for(deployment, 2, RUN)
        wait_for(deployment, 1, RUN)
        until(lambda: len(deployment.read("dead-letters")) == 2, 40, "two dead letters")
        under = {name[-1]: sessions for name, sessions in placed(deployment).items()}
        assert under["1"] == [under["1"][0], RUN]
        assert under["2"] == [RUN]
        assert RUN not in under["3"]
        (join,) = [event for event in events(deployment) if isinstance(event, Join)]
        assert (join.session, join.into_session, join.into_workflow) == (under["1"][0], RUN, TREE)
        letters = {dict(record.headers)["reason"]: record.value for record in deployment.read("dead-letters")}
        assert letters == {b"not_json": b"{", b"not_utf8": b"\xff"}
        until(lambda: worker.metric("chainbrake_joined_total") == 1, 40, "a join in the metrics")
        assert worker.metric("chainbrake_provisional_total") >= 1
        assert worker.metric("chainbrake_source_silent_seconds") < 60
        for line in (
            'chainbrake_records_total{result="unreadable",source="vault.audit"} 1.0',
            'chainbrake_records_total{result="read",source="github.audit"} 3.0',
        ):  # told once a second
            until(lambda line=line: line in worker.get("/metrics")[1], 10, line)  # type: ignore[misc]
        assert worker.stop() == 0


@pytest.mark.timeout(180)
def test_what_is_remembered_outlives_a_kill(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """Who holds a token, and what waits for a link, is known to the worker that comes after."""
    with Deployment(kafka, valkey, tmp_path, flush_every_ms="200") as deployment:
        first = deployment.worker().wait_ready()
        send(deployment, started(), bound("tok"), entry(1, "later"))
        wait_remembered(deployment, "tok")
        until(lambda: bool(remembered(deployment, "waiting")), 40, "the entry that waits")
        first.signal(signal.SIGKILL)
        first.process.wait()
        deployment.worker().wait_ready()
        send(deployment, entry(2, "tok"), control("credential.bound", 2, **BOUND_LATER))
        wait_for(deployment, 2, RUN)
        wait_for(deployment, 1, RUN)


BOUND_LATER = {
    "provider": "github",
    "credential_type": "github.hashed_token",
    "credential_id": "later",
}


@pytest.mark.timeout(240)
def test_one_worker_resolves_and_another_takes_over(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """Of two workers one reads the raw topics; when it is killed the other goes on where the store stands."""
    with Deployment(kafka, valkey, tmp_path, flush_every_ms="200") as deployment:
        workers = [deployment.worker().wait_ready() for _ in range(2)]
        send(deployment, started(), bound("tok"), entry(1, "tok"))
        wait_for(deployment, 1, RUN)
        wait_remembered(deployment, "tok")
        owner = max(workers, key=lambda one: one.metric("chainbrake_records_total"))
        (other,) = [one for one in workers if one is not owner]
        assert other.metric("chainbrake_records_total") == 0
        owner.signal(signal.SIGKILL)
        owner.process.wait()
        send(deployment, entry(2, "tok"))
        wait_for(deployment, 2, RUN)
        until(lambda: lineages(other), 40, "the other worker's claim")


@pytest.mark.timeout(240)
def test_a_worker_that_was_frozen_cannot_overwrite_the_lineage(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """Its epoch is over: what it still holds is refused and dropped, and nothing that came since is lost."""
    with Deployment(kafka, valkey, tmp_path, flush_every_ms="200") as deployment:
        frozen = deployment.worker().wait_ready()
        send(deployment, started(), bound("tok"), entry(1, "tok"))
        wait_for(deployment, 1, RUN)
        frozen.signal(signal.SIGSTOP)
        deployment.worker().wait_ready()
        send(deployment, entry(2, "tok"))
        wait_for(deployment, 2, RUN)
        key = f"{deployment.prefix}:{{ingest}}:epoch"
        epoch = deployment.store.get(key)
        frozen.signal(signal.SIGCONT)
        send(deployment, entry(3, "tok"))
        wait_for(deployment, 3, RUN)
        time.sleep(2)
        assert epoch is not None
        assert int(deployment.store.get(key) or 0) >= int(epoch)
        positions = deployment.store.hgetall(f"{deployment.prefix}:{{ingest}}:positions")
        topic = f"{deployment.prefix}.raw.github.audit/0".encode()
        until(
            lambda: deployment.store.hget(f"{deployment.prefix}:{{ingest}}:positions", topic) == b"3",
            20,
            f"all three entries passed, have {positions}",
        )


@pytest.mark.timeout(120)
def test_ingest_sends_files_and_follows_a_growing_one(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """The command line's way: a file to its end, or every line that comes."""
    with Deployment(kafka, valkey, tmp_path) as deployment:
        path = tmp_path / "audit.ndjson"
        path.write_bytes(b"\n".join([entry(1, "a")[1], b"{", entry(2, "a")[1]]) + b"\n")
        said = deployment.run("ingest", "--source", "github.audit", str(path)).stdout
        assert said.strip() == "3 lines, 2 events, 1 dead letters, 0 duplicates"
        assert len(placed(deployment)) == 2
        assert [record.value for record in deployment.read("dead-letters")] == [b"{"]
        command = [CHAINBRAKE, "ingest", "--source", "github.audit", "--follow", str(path)]
        with subprocess.Popen(
            command, env=deployment.environment, stdout=subprocess.PIPE, text=True
        ) as ingest:
            try:
                until(lambda: len(events(deployment)) == 4, 30, "the file so far")
                with path.open("ab") as stream:
                    stream.write(entry(3, "a")[1][:20])
                    stream.flush()
                    stream.write(entry(3, "a")[1][20:] + b"\n")
                wait_for(deployment, 3, "github:review[bot]")
            finally:
                ingest.send_signal(signal.SIGINT)
            assert ingest.stdout is not None
            assert "4 lines, 3 events, 1 dead letters" in ingest.stdout.read()
        assert ingest.returncode == 0
