"""State on a real store: idle sessions, counters over all workers, a store that takes no more."""

import asyncio
import json
import time
from pathlib import Path

import msgspec
import pytest
import redis
from redis.asyncio import Redis

from models.cloudevent import read_event
from models.errors import SettingsError
from models.event import CredentialKind, OpClass, Operation, SessionEnd
from sandbox.kafka import Kafka
from sandbox.valkey import Valkey
from stream.state.store import Store
from tests.servers.deployment import Deployment, until
from tests.servers.traffic import traffic


def reads(count: int, principal: str) -> list[tuple[str, bytes]]:
    """Secret reads by one principal, each in a workflow of its own: no session does much."""
    now_ms = int(time.time() * 1000)
    return [
        (
            f"wf-{number}",
            msgspec.json.encode(
                Operation(
                    id=f"r-{number}",
                    source="test",
                    at_ms=now_ms + number,
                    workflow=f"wf-{number}",
                    session=f"sess-{number}",
                    agent=f"agent-{number}",
                    principal=principal,
                    operation="secretsmanager:GetSecretValue",
                    op_class=OpClass.SECRET_READ,
                    credential_kind=CredentialKind.SHARED,
                )
            ),
        )
        for number in range(count)
    ]


@pytest.mark.timeout(120)
def test_a_session_in_which_nothing_happens_is_ended_on_the_log(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """The end is an event like any other, told once, and the session's state goes; a stop stays."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("idle_ms: 1500\nlateness_ms: 500\ncommands: {acknowledge_within_ms: 86400000}\n")
    now_ms = int(time.time() * 1000)
    with Deployment(kafka, valkey, tmp_path, policy=str(policy)) as deployment:
        worker = deployment.worker().wait_ready()
        deployment.send(traffic(60, 3, 1, seed=3, start_ms=now_ms - 200))
        until(lambda: worker.metric("chainbrake_sessions_idle_total") >= 2, 30, "idle sessions to be told")
        deployment.wait_stored(62, 30)
        time.sleep(3)
        events = [read_event(record.value, record.headers) for record in deployment.read("actions")]
        ends = [event for event in events if isinstance(event, SessionEnd)]
        assert len(ends) == len({event.session for event in ends}) == 2
        assert {event.reason for event in ends} == {"idle"}
        left = [session.id for session in deployment.sessions()]
        assert len(left) == 1, "only the stopped session is remembered"
        assert left[0] not in {event.session for event in ends}
        assert worker.stop() == 0


@pytest.mark.timeout(120)
def test_who_falls_idle_is_found_whichever_worker_and_memory_knew_the_session(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """Neither a restart nor a workflow that had to leave the memory makes a session endless."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("idle_ms: 5000\nlateness_ms: 500\n")
    now_ms = int(time.time() * 1000)
    with Deployment(kafka, valkey, tmp_path, policy=str(policy), workflows_max="1") as deployment:
        worker = deployment.worker().wait_ready()
        deployment.send(traffic(60, 6, 0, seed=3, start_ms=now_ms - 200))
        deployment.wait_stored(60, 30)
        assert worker.metric("chainbrake_sessions_idle_total") == 0
        assert worker.stop() == 0
        worker = deployment.worker().wait_ready()
        until(lambda: worker.metric("chainbrake_sessions_idle_total") >= 6, 30, "idle sessions to be told")
        deployment.wait_stored(66, 30)
        assert deployment.sessions() == []
        assert worker.stop() == 0


@pytest.mark.timeout(120)
def test_a_principal_busy_over_many_sessions_is_told_once_and_stops_nobody(
    kafka: Kafka, valkey: Valkey, tmp_path: Path
) -> None:
    """What no single session shows: the finding says what the counter said, and no command follows."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("fleet: {principal_operations_per_minute_max: 50}\n")
    with Deployment(kafka, valkey, tmp_path, policy=str(policy)) as deployment:
        workers = [deployment.worker().wait_ready(), deployment.worker().wait_ready()]
        deployment.send(reads(40, "quiet"))
        deployment.send(reads(120, "busy"))
        until(lambda: bool(deployment.ids("findings")), 30, "a finding")
        deployment.wait_stored(160, 30)
        findings = [json.loads(record.value) for record in deployment.read("findings")]
        titles = {row["finding_info"]["title"] for row in findings}
        assert titles == {"principal_surge"}
        assert {row["unmapped"]["chainbrake"]["principal"] for row in findings} == {"busy"}
        assert len(findings) <= 2, "at most one a minute, and the test may cross a minute"
        assert deployment.read("commands") == []
        assert [worker.stop() for worker in workers] == [0, 0]


@pytest.mark.timeout(180)
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # clients whose server was killed
def test_a_full_store_is_waited_for_and_nothing_is_lost(tmp_path: Path) -> None:
    """An error of the store in the middle of a flush: what it was to take is written later."""
    rows = traffic(6_000, 200, 10, seed=31)
    policy = tmp_path / "policy.yaml"
    policy.write_text("commands: {acknowledge_within_ms: 86400000}\nbudget: {stops_per_minute_max: 1000}\n")
    with (
        Kafka() as kafka,
        Valkey() as valkey,
        Deployment(kafka, valkey, tmp_path, policy=str(policy)) as deployment,
    ):
        worker = deployment.worker().wait_ready()
        deployment.send(rows[:3_000])
        deployment.wait_stored(3_000, 30)
        deployment.store.config_set("maxmemory", "1")
        deployment.send(rows[3_000:])
        until(lambda: not worker.ready(), 30, "/readyz to say that the store takes nothing")
        until(lambda: worker.metric("chainbrake_store_fullness_ratio") > 1, 30, "it to say why: full")
        assert deployment.stored() < len(rows)
        deployment.store.config_set("maxmemory", "0")
        deployment.wait_stored(len(rows), 60)
        until(lambda: 0 < worker.metric("chainbrake_store_fullness_ratio") < 1, 30, "room to be told")
        assert worker.stop() == 0
        replayed = deployment.replay(value for _, value in rows)
        assert set(deployment.ids("commands")) == {row["id"] for row in replayed if row["kind"] == "command"}
        assert deployment.folded() == len(rows)


def test_a_store_that_takes_no_writes_for_now_is_away(valkey: Valkey) -> None:
    """Its replicas are missing: that answer is waited out like silence."""
    heard: list[bool] = []

    async def story() -> None:
        told = asyncio.Event()

        def on_away(*, away: bool) -> None:
            heard.append(away)
            told.set()

        async with Store(valkey.url, "refusing", on_away) as store:
            claim = await store.claim(0)
            with redis.Redis.from_url(valkey.url) as client:
                client.config_set("min-replicas-to-write", "1")
                try:
                    writing = asyncio.create_task(store.save(0, claim.epoch, [("w1", b"state")], [], 60_000))
                    await told.wait()
                    assert not writing.done()
                finally:
                    client.config_set("min-replicas-to-write", "0")
            await writing
            assert await store.load(0, ["w1"]) == [b"state"]

    asyncio.run(asyncio.wait_for(story(), 20))
    assert heard[0] is True
    assert heard[-1] is False


def test_a_release_of_another_workflow_leaves_the_verdict(valkey: Valkey) -> None:
    """A gateway that asks the store goes on refusing."""

    async def story() -> list[str]:
        said = []
        async with Store(valkey.url, "verdicts", _silent) as store:
            client = Redis.from_url(valkey.url)
            for verdict, workflow, released in (
                ("kill_session", "w", ""),
                ("observe", "wrong", "wrong"),
                ("observe", "w", "w"),
            ):
                content = json.dumps({"verdict": verdict, "workflow": workflow}).encode()
                await store.set_verdict("s", content, 60_000, released)
                said.append(json.loads(await client.get("verdicts:verdict:s") or b"{}")["verdict"])
            await client.aclose()
        return said

    assert asyncio.run(story()) == ["kill_session", "kill_session", "observe"]


def test_a_kill_that_comes_late_does_not_undo_its_release(valkey: Valkey) -> None:
    """Nor does what escalates it; a stop that was earned after the release does stand."""

    async def story() -> list[str]:
        said = []
        async with Store(valkey.url, "lifted", _silent) as store:
            for verdict, released, ids in (
                ("kill_session", "", ("k1", "")),
                ("observe", "w", ("r", "")),
                ("kill_session", "", ("k1", "")),
                ("quarantine_workflow", "", ("q", "k1")),
                ("step_up", "", ("k2", "")),
            ):
                lifts = ["k0", "k1"] if released else []
                content = json.dumps({"verdict": verdict, "workflow": "w", "lifts": lifts}).encode()
                await store.set_verdict("s", content, 60_000, released, ids)
                said.append(json.loads(await store.verdict("s") or b"{}")["verdict"])
        return said

    assert asyncio.run(story()) == ["kill_session", "observe", "observe", "observe", "step_up"]


def _silent(*, away: bool) -> None:
    """The store of this test is never away."""
    assert not away


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1", "redis://127.0.0.1:port/0"])
def test_a_wrong_address_of_the_store_is_a_message(url: str) -> None:
    """It names the setting."""
    with pytest.raises(SettingsError, match="CHAINBRAKE_REDIS"):
        Store(url, "x", _silent)
