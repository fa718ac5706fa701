"""A deployment with a gateway in front of its agents."""

import http.client
import json
import subprocess
import time
from typing import Any, Self
from uuid import uuid4

from msgspec.structs import asdict

from models.caep import to_caep
from models.command import Action, Command
from models.remediation import read_acknowledgement
from sandbox.ports import HOST, free_port
from tests.builders import command_of
from tests.servers.deployment import CHAINBRAKE, Deployment, until

READY_S_MAX = 30.0
STOP_S_MAX = 30.0
HOUR_MS = 3_600_000

CHAIN = (
    {"operation": "iam:ListRoles", "op_class": "discovery"},
    {
        "operation": "iam:GetRolePolicy",
        "op_class": "policy_read",
        "target": "role/admin",
        "target_kind": "role",
    },
    {"operation": "vault:Read", "op_class": "secret_read", "target": "kv/db", "target_kind": "secret"},
    {
        "operation": "iam:AttachRolePolicy",
        "op_class": "privilege_change",
        "target": "role/admin",
        "target_kind": "role",
    },
)


class Gateway:
    """One gateway process, and a client of it."""

    def __init__(self, deployment: Deployment, name: str = "gateway") -> None:
        self.port = free_port()
        self.log = deployment.folder / f"{name}-{self.port}.log"
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                [CHAINBRAKE, "hook", "gateway", "--port", str(self.port), "--name", name],
                env=deployment.environment,
                stdout=stream,
                stderr=stream,
                stdin=subprocess.DEVNULL,
            )

    def __enter__(self) -> Self:
        until(
            lambda: self.process.poll() is not None or self.get("/healthz")[0] == 200,
            READY_S_MAX,
            "a gateway",
        )
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """End in order, within `STOP_S_MAX`; returns the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=STOP_S_MAX)

    def get(self, path: str) -> tuple[int, Any]:
        """Status and body; 0 if nobody answers."""
        return self._ask("GET", path, b"")

    def post(self, path: str, body: object) -> tuple[int, Any]:
        """Status and body of an answer to a JSON body; bytes are sent as they are."""
        return self._ask("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())

    def call(self, session: str, **fields: str) -> tuple[int, Any]:
        """One operation of an agent in a workflow of its own."""
        call = {
            "workflow": f"wf-{session}",
            "session": session,
            "agent": "agent-1",
            "operation": "s3:GetObject",
        }
        return self.post("/v1/call", {**call, **fields})

    def _ask(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            content = answer.read()
            is_json = (answer.getheader("content-type") or "").startswith("application/json")
            return answer.status, json.loads(content) if is_json else content
        except OSError:
            return 0, None
        finally:
            connection.close()


def ordered(action: Action, session: str, **fields: object) -> Command:
    """A command as a worker would send it."""
    known = {"id": uuid4().hex, "session": session, "workflow": f"wf-{session}", "agent": "agent-1"}
    return command_of(action, int(time.time() * 1000), HOUR_MS, **{**known, **fields})


def send(deployment: Deployment, *messages: Command | bytes | None) -> None:
    """Put commands, or whatever else, on the commands topic."""
    producer = deployment.producer()
    for message in messages:
        value = (
            json.dumps(to_caep(message, "https://test.invalid")).encode()
            if isinstance(message, Command)
            else message
        )
        producer.send(deployment.topic("commands"), value, key=b"key")
    producer.flush()
    producer.close()


def acknowledged(deployment: Deployment, command: str, hook: str = "gateway") -> dict[str, Any]:
    """A hook's newest answer as the acknowledgement topic has it; empty if there is none."""
    answers = [asdict(read_acknowledgement(record.value)) for record in deployment.read("acks")]
    own = [answer for answer in answers if (answer["command"], answer["hook"]) == (command, hook)]
    return own[-1] if own else {}
