"""The gateway and its hook, beside a real worker, broker and store."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from models.acknowledgement import Certainty
from models.command import Action
from models.remediation import read_acknowledgement
from sandbox.kafka import Kafka
from sandbox.valkey import Valkey
from tests.servers.deployment import Deployment, Worker, until
from tests.servers.hooked import CHAIN, Gateway, acknowledged, ordered, send

SOON_S = 30.0
BACK_S = 40.0
"""After an outage: the broker starts again, clients find it again, and the producer's old batches expire."""

MANUAL = Path(__file__).parents[2] / "docs" / "hooks.md"
GARBAGE = (b"{", None, b"\xff\xfe", b"[" * 100_000, b"null", b'{"events": []}')


@pytest.fixture(scope="module")
def deployment(
    kafka: Kafka, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """One deployment for all of these: every test has sessions of its own."""
    with Deployment(kafka, valkey, tmp_path_factory.mktemp("hook")) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def worker(deployment: Deployment) -> Worker:
    """A worker that judges."""
    return deployment.worker().wait_ready()


@pytest.fixture(scope="module")
def gateway(deployment: Deployment) -> Iterator[Gateway]:
    """A gateway that follows."""
    with Gateway(deployment) as started:
        yield started


def refused(gateway: Gateway, session: str, **fields: str) -> bool:
    """Whether a call is answered with 403."""
    return gateway.call(session, **fields)[0] == 403


def answers(deployment: Deployment, command: str) -> dict[str, Any]:
    """What the ledger keeps of a command, by hook."""
    found: Any = deployment.store.hgetall(f"{deployment.prefix}:ack:{command}")
    return {hook.decode(): json.loads(content) for hook, content in found.items()}


def run_chain(gateway: Gateway, session: str) -> None:
    """Look, read the rules, read a secret, change the role."""
    for step in CHAIN:
        status, body = gateway.call(session, **step)
        assert status == 200, body


def test_a_rogue_chain_is_refused_its_next_call_and_a_release_lifts_that(
    deployment: Deployment, worker: Worker, gateway: Gateway
) -> None:
    """Event, command, block, acknowledgement, proof, release: the whole way, on real parts."""
    run_chain(gateway, "rogue")
    until(lambda: refused(gateway, "rogue"), SOON_S, "the rogue's next call is refused")
    status, body = gateway.call("rogue")
    assert (status, body["reason"]) == (403, "this session was stopped")
    command = body["command"]

    def verified() -> bool:
        return bool(answers(deployment, command).get("gateway", {}).get("certainty") == Certainty.VERIFIED)

    until(verified, SOON_S, "the ledger knows that the stop holds")
    assert answers(deployment, command)["gateway"]["outcome"] == "done"
    rows = [f'chainbrake_acks_total{{certainty="{certainty}",outcome="done"}} 1.0' for certainty in Certainty]
    until(  # what is kept is counted a moment later
        lambda: all(row in worker.get("/metrics")[1] for row in rows), SOON_S, "both answers are counted"
    )
    assert not refused(gateway, "bystander")
    stands = deployment.run("stops", command, "--in-force").stdout
    assert "kill_session: gateway done, verified" in stands
    assert "chainbrake release rogue --workflow wf-rogue" in stands

    deployment.run(
        "release", "rogue", "--workflow", "wf-rogue", "--by", "ann@example.org", "--reason", "a drill"
    )
    until(lambda: not refused(gateway, "rogue"), SOON_S, "the released session may go on")
    told = [json.loads(line) for line in deployment.run("stops", "rogue", "--json").stdout.splitlines()]
    assert {row["standing"] for row in told} == {"lifted", "release"}
    assert "0 in force" in deployment.run("stops", "rogue", "--in-force").stdout

    by = ("--workflow", "wf-rogue", "--by", "ann@example.org")
    deployment.run("dispose", "rogue", *by, "--about", command, "--false-positive")

    def on_record() -> bool:
        records = [json.loads(record.value) for record in deployment.read("findings")]
        return any(record.get("verdict_id") == 1 for record in records)

    until(on_record, SOON_S, "the word that it was a false alarm is on record")
    wrong = 'chainbrake_dispositions_total{detector="read_then_write_chain",verdict="false_positive"} 1.0'
    until(lambda: wrong in worker.get("/metrics")[1], SOON_S, "it is counted")
    assert f"{command} was a false alarm, says ann@example.org" in deployment.run("stops", "rogue").stdout
    noticed = [json.loads(line) for line in deployment.run("findings", "rogue", "--json").stdout.splitlines()]
    assert {"read_then_write_chain", "disposition"} <= {row["detector"] for row in noticed}


def test_a_refused_call_is_on_the_log_as_denied(deployment: Deployment, gateway: Gateway) -> None:
    """The monitor must see that a stopped agent goes on trying."""
    send(deployment, ordered(Action.KILL_SESSION, "stubborn"))
    until(lambda: refused(gateway, "stubborn", operation="iam:Again"), SOON_S, "the call is refused")

    status, body = gateway.call("stubborn", operation="iam:Again")
    assert status == 403

    def denied() -> set[str]:
        events = [json.loads(record.value) for record in deployment.read("actions")]
        return {event["id"] for event in events if event.get("outcome") == "denied"}

    until(lambda: body["event"] in denied(), SOON_S, "the refused call is published, as the answer calls it")


def test_a_restarted_gateway_keeps_what_is_in_force_and_does_not_answer_again(deployment: Deployment) -> None:
    """What is in force follows from the topic alone, and before that is read no call passes."""
    standing, lifted = ordered(Action.KILL_SESSION, "kept"), ordered(Action.KILL_SESSION, "lifted")
    with Gateway(deployment, "restarted") as first:
        send(deployment, standing, lifted, ordered(Action.RELEASE_SESSION, "lifted"), lifted)
        until(lambda: refused(first, "kept"), SOON_S, "the session is refused")

        def verified() -> bool:
            return acknowledged(deployment, standing.id, "restarted").get("certainty") == Certainty.VERIFIED

        until(verified, SOON_S, "the answer is out")
        assert first.stop() == 0
    before = [record.value for record in deployment.read("acks")]
    with Gateway(deployment, "restarted") as second:
        assert refused(second, "kept")
        assert not refused(second, "lifted")
        time.sleep(0.5)
        assert second.stop() == 0
    news = [read_acknowledgement(record.value) for record in deployment.read("acks")][len(before) :]
    assert [answer for answer in news if answer.hook == "restarted"] == []


def test_garbage_and_shadow_commands_change_nothing(deployment: Deployment, gateway: Gateway) -> None:
    """Whatever lies on the topic, the next command is obeyed; what is not to be acted on is not answered."""
    command = ordered(Action.KILL_SESSION, "after-garbage")
    shadow = ordered(Action.KILL_SESSION, "shadowed", shadow=True)
    everybody = ordered(Action.KILL_SESSION, "x")
    nobody = json.dumps(
        {"events": {"type": {"chainbrake": {"session": "", "action": "kill_session"}}}}
    ).encode()
    send(deployment, *GARBAGE, nobody)
    unknown = json.dumps(
        {"events": {"t": {"chainbrake": {"id": everybody.id, "action": "explode"}}}}
    ).encode()
    send(deployment, unknown, shadow, command)
    until(lambda: refused(gateway, "after-garbage"), SOON_S, "the command after the garbage is obeyed")
    assert not refused(gateway, "shadowed")
    assert acknowledged(deployment, shadow.id) == {}


def test_an_expired_command_is_answered_as_failed(deployment: Deployment, gateway: Gateway) -> None:
    """A stop that comes too late must not be taken for one."""
    late = ordered(Action.KILL_SESSION, "late", expires_ms=int(time.time() * 1000) - 1)
    send(deployment, late)
    until(lambda: acknowledged(deployment, late.id) != {}, SOON_S, "an answer")
    answer = acknowledged(deployment, late.id)
    assert (answer["outcome"], answer["detail"]) == ("failed", "expired")
    assert not refused(gateway, "late")


def test_a_revoked_credential_is_refused_here_and_the_answer_says_what_stays_open(
    deployment: Deployment, gateway: Gateway
) -> None:
    """A gateway cannot revoke what another issued: partial, and why."""
    command = ordered(Action.REVOKE_TOKEN, "holder", credential="cred-1")
    send(deployment, command)
    until(lambda: refused(gateway, "another", credential="cred-1"), SOON_S, "the credential is refused")
    assert not refused(gateway, "another", credential="cred-2")

    def verified() -> bool:
        return acknowledged(deployment, command.id).get("certainty") == Certainty.VERIFIED

    until(verified, SOON_S, "the proof")
    answer = acknowledged(deployment, command.id)
    assert answer["outcome"] == "partial"
    assert answer["scope"] == "the credential at this gateway"
    assert "until its issuer revokes it" in answer["residual"]


def test_bad_input_is_answered_with_what_is_wrong(gateway: Gateway) -> None:
    """400 with the field, 413 for too much; the gateway goes on."""
    assert gateway.post("/v1/call", b"{")[0] == 400
    assert gateway.post("/v1/call", b"[1]")[0] == 400
    assert gateway.post("/v1/call", b"\xff")[0] == 400
    assert gateway.post("/v1/call", b'{"a":' * 50_00 + b"1" + b"}" * 5_000)[0] == 400
    status, body = gateway.post("/v1/call", {"workflow": "w", "session": "s", "agent": "a"})
    assert (status, "operation" in body["error"]) == (400, True)
    assert gateway.call("s", id="chosen-by-the-agent")[0] == 400
    assert (
        gateway.post("/v1/events", {"kind": "release", "workflow": "w", "session": "s", "decided_by": "me"})[
            0
        ]
        == 400
    )
    assert gateway.post("/v1/call", b" " * 70_000)[0] == 413
    assert gateway.call("still-here")[0] == 200


def test_a_session_can_be_asked_for(deployment: Deployment, gateway: Gateway) -> None:
    """An operator sees what stands, whatever the session is called."""
    name = "job/7 ä"
    assert gateway.call(name)[0] == 200
    send(deployment, ordered(Action.STEP_UP, name))
    change = {"op_class": "role_mapping"}
    until(lambda: gateway.call(name, **change)[1].get("reason") == "approval required", SOON_S, "a step-up")
    status, body = gateway.get("/v1/sessions/job%2F7%20%C3%A4")
    assert (status, body["session"], body["verdict"]) == (200, name, "step_up")
    assert gateway.call(name, op_class="discovery")[0] == 200


def test_under_a_step_up_a_change_goes_through_once_a_person_approved_it_and_no_other_does(
    deployment: Deployment, gateway: Gateway
) -> None:
    """What the agent is told is needed is what helps it."""
    change = {"op_class": "privilege_change", "operation": "iam:AttachRolePolicy", "target": "role/app"}
    assert gateway.call("asks")[0] == 200
    send(deployment, ordered(Action.STEP_UP, "asks"))
    until(lambda: refused(gateway, "asks", **change), SOON_S, "a step-up")
    told = {name: change[name] for name in ("operation", "target")} | {"decided_by": "ann@example.org"}
    known = {"kind": "approval", "workflow": "wf-asks", "session": "asks", "agent": "agent-1"}
    assert gateway.post("/v1/events", {**known, **told})[0] == 200
    assert refused(gateway, "asks", **{**change, "target": "role/admin"})
    assert gateway.call("asks", **change)[0] == 200
    assert refused(gateway, "asks", **change)


@contextmanager
def example(deployment: Deployment, folder: Path, *edits: tuple[str, str]) -> Iterator[None]:
    """The hook of the manual, as it stands there but for some edits, as long as the block lasts."""
    (code,) = re.findall(r"```python\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    assert len(code.splitlines()) <= 60
    for old, new in edits:
        assert old in code
        code = code.replace(old, new)
    log = folder / "example.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=deployment.environment, stdout=stream, stderr=stream
        )
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.kill()
        process.wait()


def test_the_example_of_the_manual_is_a_hook_that_works(deployment: Deployment, tmp_path: Path) -> None:
    """Whoever starts from it starts from something that was tried."""
    kill, release = ordered(Action.KILL_SESSION, "by-example"), ordered(Action.RELEASE_SESSION, "by-example")
    late = ordered(Action.KILL_SESSION, "by-example", expires_ms=1)
    shadow = ordered(Action.KILL_SESSION, "by-example", shadow=True)
    revoke = ordered(Action.REVOKE_TOKEN, "by-example", credential="cred-1")
    send(deployment, *GARBAGE, kill, late, shadow, revoke, release)
    with example(deployment, tmp_path):
        until(
            lambda: acknowledged(deployment, release.id, "example") != {}, SOON_S, "the example's last answer"
        )
    outcomes = [
        acknowledged(deployment, command.id, "example").get("outcome") for command in (kill, late, revoke)
    ]
    assert outcomes == ["done", "failed", "unsupported"]
    assert acknowledged(deployment, shadow.id, "example") == {}


def test_a_gateway_outlives_its_broker_and_allows_nothing_meanwhile(valkey: Valkey, tmp_path: Path) -> None:
    """What nobody could judge is not let through; when the broker is back, calls and commands are."""
    with (
        Kafka(tmp_path / "kafka") as own,
        Deployment(own, valkey, tmp_path) as deployed,
        Gateway(deployed) as gateway,
    ):
        send(deployed, ordered(Action.KILL_SESSION, "before"))
        until(lambda: refused(gateway, "before"), SOON_S, "a command before the outage")
        own.kill()
        assert gateway.call("meanwhile")[0] == 503
        assert refused(gateway, "before")
        own.restart()
        until(lambda: gateway.call("after")[0] == 200, BACK_S, "calls are let through again")
        send(deployed, ordered(Action.KILL_SESSION, "after"))
        until(lambda: refused(gateway, "after"), BACK_S, "commands are heard again")
        assert gateway.stop() == 0


def test_hooks_that_keep_the_rules_pass_the_trial(
    deployment: Deployment, gateway: Gateway, tmp_path: Path
) -> None:
    """The reference, and the one of the manual, which says what it cannot do; nobody else is concerned."""
    told = deployment.run("hook", "try", "gateway").stdout
    assert "gateway keeps what can be seen of the rules" in told
    assert "note" not in told
    with example(deployment, tmp_path):
        told = deployment.run("hook", "try", "example").stdout
    assert "example keeps what can be seen of the rules" in told
    assert "note    200 is not dead: accepted only" in told
    assert "kept    read_only is answered: unsupported, accepted: only sessions can be stopped here" in told
    assert not refused(gateway, "bystander")


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        ('and not command.get("shadow")', "", "shadow: do nothing, answer nothing: done, accepted"),
        ('return FAILED, "expired"', 'return DONE, ""', "expired: do nothing, answer failed: done, accepted"),
        ('"time": now_ms', '"at": now_ms', "every answer can be read: "),
        (
            'return UNSUPPORTED, f"only',
            'raise ValueError(f"only',
            "read_only is answered: no answer: it will be sent again, then escalated",
        ),
    ],
    ids=["shadow", "expired", "unreadable", "silent"],
)
def test_a_rule_that_is_broken_is_named(
    deployment: Deployment, tmp_path: Path, old: str, new: str, broken: str
) -> None:
    """Each by an edit of the hook that keeps them all."""
    edits = [(old, new)]
    if new.startswith("raise"):
        edits.append(("not {command['action']}\"", "not {command['action']}\")"))
    with example(deployment, tmp_path, *edits):
        done = deployment.ended("hook", "try", "example", "--within", "3", within_s=120)
    assert done.returncode == 1, done.stderr
    assert f"broken  {broken}" in done.stdout


def test_a_hook_that_is_not_there_is_told_with_those_that_are(
    deployment: Deployment, gateway: Gateway
) -> None:
    """The usual mistake is its name."""
    assert gateway.get("/healthz")[0] == 200
    done = deployment.ended("hook", "try", "gatevay", "--within", "3", within_s=60)
    assert done.returncode == 1
    assert "no answer of gatevay within 3 s; answers came of gateway" in done.stdout
