"""Chains over workflows on real servers: two partitions, two workers, one who acts in both."""

import json
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.caep import from_caep
from models.command import Action
from models.event import CredentialKind, OpClass, Operation
from sandbox.kafka import Kafka
from sandbox.valkey import Valkey
from tests.servers.deployment import Deployment, Worker, until

CHAIN = """
name: mine
title: looked up twice, then granted
scope: principal
steps:
  - {id: look, class: discovery, operation: "mine:*", count: 2}
  - {id: grant, class: role_mapping, operation: "mine:*"}
within: 1h
confidence: 0.8
response: kill_session
"""
QUIET = "commands: {acknowledge_within_ms: 86400000}\n"


class Acts:
    """What principals do, each in its own time."""

    def __init__(self) -> None:
        self.start_ms = int(time.time() * 1000) - 60_000
        self.lines: list[bytes] = []

    def act(self, principal: str, op_class: OpClass, workflow: str) -> bytes:
        """One operation, a millisecond after the one before."""
        number = len(self.lines)
        event = Operation(
            id=f"{principal}-{number}",
            source="test",
            at_ms=self.start_ms + number,
            workflow=f"{workflow}-{principal}",
            session=f"{workflow}-{principal}",
            agent=f"agent of {principal}",
            principal=principal,
            operation=f"mine:{op_class}",
            target="role/mine",
            op_class=op_class,
            credential_kind=CredentialKind.EPHEMERAL,
        )
        self.lines.append(msgspec.json.encode(event))
        return self.lines[-1]

    def look(self, principal: str, workflow: str) -> bytes:
        """A first step."""
        return self.act(principal, OpClass.DISCOVERY, workflow)

    def grant(self, principal: str, workflow: str) -> bytes:
        """The last one."""
        return self.act(principal, OpClass.ROLE_MAPPING, workflow)


def deploy(kafka: Kafka, valkey: Valkey, folder: Path, chain: str = CHAIN, **settings: str) -> Deployment:
    """With that chain."""
    (folder / "chain.yaml").write_text(chain)
    (folder / "policy.yaml").write_text(QUIET)
    named = {"chains": str(folder / "chain.yaml"), "policy": str(folder / "policy.yaml")}
    return Deployment(kafka, valkey, folder, **named, **settings)


def send(deployment: Deployment, rows: Iterable[tuple[int, bytes]]) -> None:
    """Each to its partition, in their order, all acknowledged."""
    producer = deployment.producer()
    for partition, line in rows:
        workflow = json.loads(line)["workflow"].encode()
        producer.send(deployment.topic("actions"), line, key=workflow, partition=partition)
    producer.flush()
    producer.close()


def found(deployment: Deployment) -> list[dict[str, Any]]:
    """Every finding of that chain, at the broker."""
    rows = [json.loads(record.value)["unmapped"]["chainbrake"] for record in deployment.read("findings")]
    return [row for row in rows if row["detector"].startswith("mine")]


def noted(deployment: Deployment, principal: str) -> int:
    """How many notes the store has of one."""
    keys = list(deployment.store.scan_iter(match=f"{deployment.prefix}:notes:{{{principal}*"))
    return sum(deployment.store.zcard(key) for key in keys)


@pytest.mark.timeout(120)
def test_what_one_principal_does_in_two_partitions_is_put_together_and_stops_nobody(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """By two workers; two principals who do half of it each are left alone, and a replay says the same."""
    acts = Acts()
    with deploy(kafka, valkey, tmp_path) as deployment:
        workers = [deployment.worker().wait_ready(), deployment.worker().wait_ready()]
        looks = [(0, acts.look("both", "a")), (1, acts.look("both", "b")), (2, acts.look("both", "a2"))]
        looks += [(number, acts.look("half", name)) for number, name in enumerate("abc")]
        send(deployment, looks)
        until(lambda: noted(deployment, "both") == 3 and noted(deployment, "half") == 3, 30, "notes")
        send(deployment, [(3, acts.grant("both", "c")), (3, acts.grant("other", "c"))])
        until(lambda: bool(found(deployment)), 30, "a finding")
        until(lambda: noted(deployment, "other") == 1, 30, "the look-alike to be judged")
        deployment.wait_stored(8, 30)
        (finding,) = found(deployment)
        assert finding["detector"] == "mine:crossing"
        assert (finding["workflow"], finding["session"]) == ("c-both", "c-both")
        assert {each["workflow"] for each in finding["elsewhere"]} <= {"a-both", "b-both", "a2-both"}
        commands = [from_caep(record.value) for record in deployment.read("commands")]
        assert [(each.action, each.session) for each in commands] == [(Action.STEP_UP, "c-both")]
        told = sum(worker.metric("chainbrake_notes_total") for worker in workers)
        assert told == len(acts.lines), "each once, and none put off or dropped"
        replayed = deployment.replay(acts.lines)
        assert {row["id"] for row in replayed if row["kind"] == "command"} == {commands[0].id}
        assert [worker.stop() for worker in workers] == [0, 0]


@pytest.mark.timeout(120)
def test_halves_that_are_judged_at_the_same_moment_are_found_by_whoever_reads_later(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """Each writes before it reads: of a hundred pairs none is missed, whoever of two workers is ahead."""
    acts = Acts()
    with deploy(kafka, valkey, tmp_path, CHAIN.replace("count: 2", "count: 1")) as deployment:
        workers = [deployment.worker().wait_ready(), deployment.worker().wait_ready()]
        names = [f"p{number}" for number in range(100)]
        send(
            deployment,
            [half for name in names for half in ((0, acts.look(name, "a")), (1, acts.grant(name, "b")))],
        )
        until(lambda: {row["principal"] for row in found(deployment)} == set(names), 60, "a finding each")
        assert {row["detector"] for row in found(deployment)} <= {"mine:crossing", "mine:crossing:late"}
        assert [worker.stop() for worker in workers] == [0, 0]


@pytest.mark.timeout(120)
def test_what_is_noted_again_after_a_crash_counts_once(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """A worker that dies before it has stored a position reads all again, and so does the next."""
    acts = Acts()
    with deploy(kafka, valkey, tmp_path, flush_every_ms="600000") as deployment:
        look, late, grant = acts.look("one", "a"), acts.look("one", "b"), acts.grant("one", "c")
        for line in ((0, look), (1, grant)):
            send(deployment, [line])
            worker = deployment.worker().wait_ready()
            until(lambda: noted(deployment, "one") == len(deployment.workers), 30, "notes")
            worker.signal(signal.SIGKILL)
            worker.process.wait()
        assert deployment.stored() == 0
        worker = deployment.worker().wait_ready()
        until(lambda: worker.metric("chainbrake_notes_total") >= 2, 30, "everything to be noted again")
        assert noted(deployment, "one") == 2
        assert found(deployment) == [], "one look, told three times, is no two"
        send(deployment, [(2, late)])
        until(lambda: noted(deployment, "one") == 3, 30, "the second look to be noted")
        assert worker.stop() == 0, "a finding that asks for nothing is sent when all is stored"
        (finding,) = found(deployment)
        assert finding["detector"] == "mine:crossing:late"
        assert {each["event_id"] for each in finding["elsewhere"]} == {"one-0", "one-2"}


AWAY_S = 12
"""Long enough to judge three events on a machine that does much else."""


@pytest.mark.timeout(120)
def test_while_the_store_is_away_the_judge_goes_on_and_tells_later(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """It says so by a metric; what it could not tell is kept with its workflows, and found in the end."""
    acts = Acts()
    with deploy(kafka, valkey, tmp_path, flush_every_ms="1000") as deployment:
        worker = deployment.worker().wait_ready()
        known = [(number, acts.act("one", OpClass.OTHER, name)) for number, name in enumerate("abc")]
        send(deployment, known)
        deployment.wait_stored(3, 30)
        rows = [(0, acts.look("one", "a")), (1, acts.look("one", "b")), (2, acts.grant("one", "c"))]
        deployment.store.client_pause(1000 * AWAY_S)
        began_s = time.monotonic()
        send(deployment, rows)
        until(lambda: worker.metric("chainbrake_events_total") >= 6, AWAY_S, "events to be judged")
        until(lambda: put_off(worker) >= 1, AWAY_S, "notes to be put off")
        assert time.monotonic() - began_s < AWAY_S, "all of that while the store gave no answer"
        until(lambda: bool(found(deployment)), 30, "a finding")
        assert noted(deployment, "one") == 3
        assert worker.stop() == 0


def put_off(worker: Worker) -> float:
    """How many notes could not be told at once."""
    rows = worker.get("/metrics")[1].splitlines()
    name = 'chainbrake_notes_total{result="put_off"}'
    return sum(float(row.rpartition(" ")[2]) for row in rows if row.startswith(name))
