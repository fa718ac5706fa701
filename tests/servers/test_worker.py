"""One worker and several, on real servers: what comes in, what goes out, what is chased."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from models.acknowledgement import Acknowledgement, Hit
from models.caep import from_caep
from models.cloudevent import attributes
from models.command import Action, Command
from models.event import Operation
from sandbox.kafka import Kafka
from sandbox.valkey import Valkey
from tests.builders import structured_value
from tests.servers.deployment import PARTITIONS, Deployment, until
from tests.servers.traffic import traffic

DAY_MS = 24 * 3_600_000


def commands(deployment: Deployment) -> list[Command]:
    """Every command at the broker."""
    return [from_caep(record.value) for record in deployment.read("commands")]


def actions(deployment: Deployment) -> list[Action]:
    """What was ordered, however often: nobody answers here, so on a slow machine it is sent again."""
    once = {command.id: command for command in commands(deployment) if not command.escalates}
    return [command.action for command in once.values()]


def chain_of_one(seed: int = 3) -> list[tuple[str, bytes]]:
    """One session that completes the chain, and noise."""
    return traffic(60, 3, 1, seed)


def broken(now_ms: int) -> list[tuple[str, bytes | None]]:
    """A reason, and a record that is refused for it."""
    good = {
        "kind": "operation",
        "id": "e",
        "source": "test",
        "at_ms": now_ms,
        "workflow": "bad",
        "session": "bad",
        "agent": "a",
        "operation": "o",
    }

    def but(**fields: Any) -> bytes:
        return json.dumps({**good, **fields}).encode()

    return [
        ("not_json", but()[:-7]),
        ("not_json", b""),
        ("not_utf8", but(target="x").replace(b'"x"', b'"\xff\xfe"')),
        ("invalid", but(at_ms="yesterday")),
        ("invalid", but(outcome="maybe")),
        ("invalid", but(session="")),
        ("invalid", but(target="t" * 300)),
        ("invalid", but(kind="opinion")),
        ("invalid", b"[]"),
        ("invalid", b"[" * 100_000),
        ("too_large", but(note="n" * 2_000_000)),
        ("tombstone", None),
        ("time_in_future", but(at_ms=now_ms + 3_600_000)),
        ("time_in_past", but(at_ms=now_ms - 30 * DAY_MS)),
    ]


@pytest.mark.timeout(180)
def test_bad_input_is_kept_counted_and_does_not_stop_the_stream(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """Each unreadable record is a dead letter with its bytes, reason and place; a chain around it is cut."""
    rows = chain_of_one()
    bad = broken(int(time.time() * 1000))
    with Deployment(kafka, valkey, tmp_path) as deployment:
        worker = deployment.worker().wait_ready()
        producer = deployment.producer()
        topic = deployment.topic("actions")
        for number, (workflow, value) in enumerate(rows):
            producer.send(topic, value, key=workflow.encode())
            if number < len(bad):
                producer.send(topic, bad[number][1], key=b"bad", headers=[("origin", str(number).encode())])
        producer.flush()
        producer.close()
        deployment.wait_stored(len(rows) + len(bad), 60)
        letters = deployment.read("dead-letters")
        headers = [dict(letter.headers) for letter in letters]
        assert Counter(h["reason"].decode() for h in headers) == Counter(reason for reason, _ in bad)
        kept = {int(h["original-origin"]): letter.value for h, letter in zip(headers, letters, strict=True)}
        assert kept == {number: value or b"" for number, (_, value) in enumerate(bad)}
        assert {h["topic"].decode() for h in headers} == {topic}
        assert all(h["detail"] and h["offset"] and h["partition"] for h in headers)
        told = [json.loads(line) for line in deployment.run("dead-letters", "--json").stdout.splitlines()]
        assert Counter(row["reason"] for row in told) == Counter(reason for reason, _ in bad)
        assert worker.metric("chainbrake_dead_letters_total") == len(bad)
        assert actions(deployment) == [Action.KILL_SESSION, Action.REVOKE_TOKEN]
        assert worker.stop() == 0


@pytest.mark.timeout(180)
def test_what_is_odd_but_harmless_is_judged(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """Unknown fields, an unknown op class and structured mode: tolerated, as `docs/event.md` says."""
    now_ms = int(time.time() * 1000)
    event = Operation(
        id="1", source="test", at_ms=now_ms, workflow="w", session="s", agent="a", operation="o"
    )
    plain = msgspec.to_builtins(event)
    newer = json.dumps({**plain, "id": "2", "colour": "red", "op_class": "teleport"}).encode()
    named = attributes("event.operation", "3", "test", now_ms, "w")
    structured = structured_value(named, json.dumps({**plain, "id": "3"}).encode())
    with Deployment(kafka, valkey, tmp_path) as deployment:
        worker = deployment.worker().wait_ready()
        producer = deployment.producer()
        topic = deployment.topic("actions")
        content_type = ("content-type", b"application/cloudevents+json; charset=UTF-8")
        producer.send(topic, newer, key=b"w")
        producer.send(topic, structured, key=b"w", headers=[content_type])
        producer.flush()
        producer.close()
        deployment.wait_stored(2, 60)
        (workflow,) = deployment.workflows()
        assert workflow.sessions["s"].events == 2
        assert deployment.read("dead-letters") == []
        assert worker.stop() == 0


class Undecodable(str):
    """A header's name whose bytes are no text."""

    __slots__ = ()

    def encode(self, *_: object, **__: object) -> bytes:
        """What goes on the wire."""
        return b"\xff\xfe"


@pytest.mark.timeout(180)
def test_a_header_that_no_client_can_decode_does_not_end_the_reading(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """Its record is a dead letter that names its place; what other producers sent is judged."""
    rows = chain_of_one()
    with Deployment(kafka, valkey, tmp_path) as deployment:
        worker = deployment.worker().wait_ready()
        deployment.send(rows[:30])
        producer = deployment.producer()
        for key in range(12):
            headers = [(Undecodable("x"), b"")]
            producer.send(deployment.topic("actions"), b"{}", key=str(key).encode(), headers=headers)
        producer.flush()
        producer.close()
        deployment.send(rows[30:])
        deployment.wait_stored(len(rows) + 12, 60)
        reasons = Counter(dict(letter.headers)["reason"] for letter in deployment.read("dead-letters"))
        assert reasons == {b"not_utf8": 12}
        assert actions(deployment) == [Action.KILL_SESSION, Action.REVOKE_TOKEN]
        assert deployment.folded() == len(rows)
        assert worker.stop() == 0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_whatever_producers_compress_with_is_read(
    codec: str, kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """A codec that the reader lacks would end the reading of its partition."""

    async def send(deployment: Deployment) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, compression_type=codec)
        await producer.start()
        for workflow, value in chain_of_one():
            await producer.send(deployment.topic("actions"), value, key=workflow.encode())
        await producer.stop()

    with Deployment(kafka, valkey, tmp_path) as deployment:
        worker = deployment.worker().wait_ready()
        asyncio.run(send(deployment))
        deployment.wait_stored(60, 60)
        assert len(deployment.ids("commands")) == 2
        assert worker.stop() == 0


@pytest.mark.timeout(240)
def test_workers_share_the_partitions_and_hand_them_over(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """A second worker takes half, the first leaves and the second goes on: each event counts once."""
    rows = traffic(30_000, 300, 12, seed=21)
    policy = tmp_path / "policy.yaml"
    policy.write_text("commands: {acknowledge_within_ms: 86400000}\nbudget: {stops_per_minute_max: 1000}\n")
    with Deployment(kafka, valkey, tmp_path, policy=str(policy)) as deployment:
        first = deployment.worker().wait_ready()
        deployment.send(rows[:10_000])
        second = deployment.worker().wait_ready()
        until(
            lambda: [w.metric("chainbrake_partitions") for w in (first, second)] == [PARTITIONS / 2] * 2,
            60,
            "two workers with half the partitions each",
        )
        deployment.send(rows[10_000:20_000])
        assert first.stop() == 0
        deployment.send(rows[20_000:])
        deployment.wait_stored(len(rows), 60)
        assert second.stop() == 0
        replayed = deployment.replay(value for _, value in rows)
        expected = {row["id"] for row in replayed if row["kind"] == "command"}
        assert set(deployment.ids("commands")) == expected
        assert len(expected) == 24
        assert deployment.folded() == len(rows)


@pytest.mark.timeout(180)
def test_a_stop_nobody_acknowledges_is_sent_again_and_then_escalated(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """Twice under its own id, then the policy's next step, once, and a finding that says so."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("commands: {acknowledge_within_ms: 500, resends_max: 2}\n")
    with Deployment(kafka, valkey, tmp_path, policy=str(policy)) as deployment:
        worker = deployment.worker().wait_ready()
        deployment.send(chain_of_one())
        until(
            lambda: worker.metric("chainbrake_commands_pending") == 0 < len(deployment.ids("commands")),
            60,
            "an end",
        )
        until(lambda: worker.metric("chainbrake_commands_unacknowledged_total") >= 4, 60, "all given up on")
        sent = Counter(deployment.ids("commands"))
        found = {command.id: command for command in commands(deployment)}
        first = [command for command in found.values() if not command.escalates]
        then = [command for command in found.values() if command.escalates]
        assert {command.action for command in first} == {Action.KILL_SESSION, Action.REVOKE_TOKEN}
        assert all(sent[command.id] == 3 for command in first)
        assert {command.escalates for command in then} == {command.id for command in first}
        assert {command.action for command in then} == {Action.QUARANTINE_WORKFLOW}
        findings = [json.loads(record.value) for record in deployment.read("findings")]
        assert "stop_unacknowledged" in {row["finding_info"]["title"] for row in findings}
        assert worker.stop() == 0


@pytest.mark.timeout(180)
def test_a_stop_that_was_released_is_chased_no_more(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """Nobody acknowledged it, and a person lifted it: it is neither repeated, escalated nor the verdict."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("commands: {acknowledge_within_ms: 3000, resends_max: 3}\n")
    with Deployment(kafka, valkey, tmp_path, policy=str(policy)) as deployment:
        worker = deployment.worker().wait_ready()
        deployment.send(chain_of_one())
        until(lambda: len(deployment.ids("commands")) >= 2, 60, "two commands")
        kill = next(command for command in commands(deployment) if command.action is Action.KILL_SESSION)
        key = f"{deployment.prefix}:verdict:{kill.session}"

        def verdict() -> str:
            return str(json.loads(deployment.store.get(key) or b"{}").get("verdict"))

        deployment.run("release", kill.session, "--workflow", kill.workflow, "--by", "ann@example.org")
        until(lambda: verdict() == "observe", 30, "the release")
        released = {command.id: command for command in commands(deployment)}
        (freed,) = (one for one in released.values() if one.action is Action.RELEASE_SESSION)
        assert set(freed.lifts) == set(released) - {freed.id}
        sent = Counter(deployment.ids("commands"))
        until(lambda: worker.metric("chainbrake_commands_pending") == 1, 30, "only the release to be pending")
        after = Counter(deployment.ids("commands")) - sent
        assert set(after) <= {freed.id}
        assert worker.metric("chainbrake_commands_escalated_total") == 0
        assert verdict() == "observe"
        assert worker.stop() == 0


@pytest.mark.timeout(180)
def test_an_acknowledged_stop_is_left_alone(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """A hook's answer ends the waiting; an answer that nothing was hit does not; garbage is counted."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("commands: {acknowledge_within_ms: 2000, resends_max: 1}\n")
    with Deployment(kafka, valkey, tmp_path, policy=str(policy)) as deployment:
        worker = deployment.worker().wait_ready()
        deployment.send(chain_of_one())
        until(lambda: len(deployment.ids("commands")) >= 2, 60, "two commands")
        by_action = {command.action: command for command in commands(deployment)}
        outcomes = {Action.KILL_SESSION: Hit.DONE, Action.REVOKE_TOKEN: Hit.UNSUPPORTED}
        producer = deployment.producer()
        producer.send(deployment.topic("acks"), b"{garbage")
        for action, outcome in outcomes.items():
            ack = Acknowledgement(command=by_action[action].id, hook="test", outcome=outcome, at_ms=1)
            producer.send(deployment.topic("acks"), msgspec.json.encode(ack))
        producer.flush()
        producer.close()
        until(lambda: worker.metric("chainbrake_acks_total") == 2, 60, "both answers to be heard")
        until(lambda: worker.metric("chainbrake_commands_escalated_total") == 1, 60, "the escalation")
        escalated = [command for command in commands(deployment) if command.escalates]
        assert {command.escalates for command in escalated} == {by_action[Action.REVOKE_TOKEN].id}
        assert Counter(deployment.ids("commands"))[by_action[Action.KILL_SESSION].id] == 1
        assert worker.metric("chainbrake_acks_unreadable_total") == 1
        assert worker.stop() == 0


@pytest.mark.timeout(180)
def test_a_recreated_topic_is_noticed_and_adopted_on_request(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """Stored positions mean nothing on another topic: the worker refuses, and says what to do."""
    with Deployment(kafka, valkey, tmp_path) as deployment:
        worker = deployment.worker().wait_ready()
        deployment.send(chain_of_one())
        deployment.wait_stored(60, 60)
        assert worker.stop() == 0
        admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        admin.delete_topics([deployment.topic("actions")])
        until(lambda: deployment.topic("actions") not in admin.list_topics(), 30, "the topic to go")
        until(lambda: _created(admin, deployment.topic("actions")), 30, "the topic to come back")
        admin.close()
        refused = deployment.worker()
        until(lambda: refused.process.poll() is not None, 60, "the worker to refuse")
        assert refused.process.returncode == 2
        assert "--adopt-topic" in refused.log.read_text()
        rows = chain_of_one(seed=4)
        deployment.send(rows)
        adopted = deployment.worker("--adopt-topic").wait_ready()
        deployment.wait_stored(60, 60)
        assert deployment.folded() == 60
        assert adopted.stop() == 0


def _created(admin: KafkaAdminClient, topic: str) -> bool:
    """Whether the topic could be made; a deletion takes its time."""
    try:
        admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    except Exception:  # noqa: BLE001 - kafka-python's errors for this differ by version
        return False
    return True
