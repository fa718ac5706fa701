"""Events, policies and baselines for tests, a line each. Times are seconds after `START_MS`."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from detectors.judge import Judge
from detectors.policy import Policy
from detectors.thresholds import DetectorSettings
from models.attested import Effect, Registered
from models.baselines.baseline import Baseline, read_artifact, write_artifact
from models.baselines.learning import learn
from models.baselines.signing import Signer, Trusted
from models.command import Action, Command
from models.event import (
    AnyEvent,
    Approval,
    CredentialKind,
    Delegation,
    Disposition,
    Grade,
    Join,
    OpClass,
    Operation,
    Origin,
    Outcome,
    Provenance,
    Registration,
    Release,
    SessionEnd,
    SessionStart,
)
from models.finding import Finding
from models.registry import Agent, Client, Content, Job, Network, Pipeline, Protected, Registry
from models.session import Session, Workflow

Stories = dict[str, dict[str, list[AnyEvent]]]
"""Detector: what is special about a session, and the session."""

START_MS = 1_790_000_000_000
AGENT = "agent-7"
PRINCIPAL = "svc-agent-7"
HUMAN = "ann@example.org"

MEANINGS = {
    "D": (OpClass.DISCOVERY, "iam:ListRoles", "", ""),
    "P": (OpClass.POLICY_READ, "iam:ListAttachedRolePolicies", "role/app", "role"),
    "S": (OpClass.SECRET_READ, "secretsmanager:GetSecretValue", "secret/db", "secret"),
    "R": (OpClass.ROLE_MAPPING, "iam:AddUserToGroup", "role/app", "role"),
    "V": (OpClass.PRIVILEGE_CHANGE, "iam:AttachRolePolicy", "role/app", "role"),
    "T": (OpClass.TRUST_CHANGE, "iam:UpdateAssumeRolePolicy", "role/app", "role"),
    "C": (OpClass.CREDENTIAL_MINT, "iam:CreateAccessKey", "user/app", "user"),
    "L": (OpClass.GUARDRAIL_CHANGE, "cloudtrail:StopLogging", "trail/main", "trail"),
    "X": (OpClass.EXCHANGE, "ticket:Get", "ticket/17", "ticket"),
    "U": (OpClass.UNCLASSIFIED, "s3:GetObject", "bucket/logs", "bucket"),
}
"""Letter of a class: the class, an operation of it, its target and the target's kind."""


def at(seconds: float) -> int:
    """Milliseconds since the epoch."""
    return START_MS + round(seconds * 1000)


def op(letter: str, seconds: float, **changed: Any) -> Operation:
    """One operation of the class with that letter; `changed` are fields that matter to the test."""
    op_class, operation, target, target_kind = MEANINGS[letter]
    fields: dict[str, Any] = {
        "source": "aws",
        "at_ms": at(seconds),
        "workflow": "w1",
        "session": "s1",
        "agent": AGENT,
        "principal": PRINCIPAL,
        "operation": operation,
        "op_class": op_class,
        "system": "aws",
        "target": target,
        "target_kind": target_kind,
        "credential": "cred-7",
        "credential_kind": CredentialKind.EPHEMERAL,
    }
    fields |= changed
    fields["outcome"] = Outcome(fields.get("outcome", "ok"))
    fields.setdefault("id", f"{fields['workflow']}/{fields['session']}/{letter}@{seconds:g}")
    return Operation(**fields)


def told(story: str, **changed: Any) -> list[AnyEvent]:
    """A session in one line: "D@0 P@30 S@60 V@90:denied" is what it did, and at which second."""
    events: list[AnyEvent] = []
    for word in story.split():
        act, _, outcome = word.partition(":")
        letter, _, seconds = act.partition("@")
        events.append(op(letter, float(seconds), outcome=Outcome(outcome or "ok"), **changed))
    return events


def approval(seconds: float, asked_s: float | None = None, **changed: Any) -> Approval:
    """A human's approval of the change "V", asked for a minute before unless the test says when."""
    asked_s = seconds - 60 if asked_s is None else asked_s
    fields: dict[str, Any] = {
        "id": f"approval@{seconds:g}",
        "source": "approvals",
        "at_ms": at(seconds),
        "workflow": "w1",
        "session": "s1",
        "operation": MEANINGS["V"][1],
        "target": MEANINGS["V"][2],
        "decided_by": HUMAN,
        "requested_by": AGENT,
        "requested_ms": at(asked_s),
    }
    return Approval(**(fields | changed))


def _fact(name: str, seconds: float, changed: dict[str, Any]) -> dict[str, Any]:
    fields = {"id": f"{name}@{seconds:g}", "source": "gateway", "at_ms": at(seconds), "workflow": "w1"}
    return {**fields, "session": "s1", **changed}


def delegation(seconds: float, parent: str, child: str, **changed: Any) -> Delegation:
    """`parent` hands work to `child`."""
    return Delegation(parent_session=parent, **_fact("delegation", seconds, {"session": child, **changed}))


def started(session: str, agent: str = AGENT, parent: str = "", seconds: float = -60) -> SessionStart:
    """A gateway tells that a run begins, and whose order that is."""
    fields = {"session": session, "agent": agent, "parent_session": parent}
    return SessionStart(**_fact(f"start-{session}", seconds, fields))


def registered(what: str, seconds: float, reference: str = "ref-1", **changed: Any) -> Registration:
    """A fact of the control plane about the session."""
    fields = {"reference": reference, "decided_by": HUMAN, "grade": Grade.ATTESTED, **changed}
    return Registration(what=Registered(what), **_fact(f"{what}-{reference}", seconds, fields))


def join(seconds: float, **changed: Any) -> Join:
    """What ran under `s1` belongs to another session of another workflow."""
    into = {"into_session": "s9", "into_workflow": "w9", "session": "s1", **changed}
    return Join(**_fact("join", seconds, into))


def release(seconds: float, **changed: Any) -> Release:
    """A human lifts the stop."""
    return Release(**_fact("release", seconds, {"decided_by": HUMAN, **changed}))


def disposition(seconds: float, about: str, *, right: bool = False, **changed: Any) -> Disposition:
    """An analyst's word on a stop: a false alarm, unless the test says otherwise."""
    fields = {"id": f"disposition-{about}@{seconds:g}", "decided_by": HUMAN, **changed}
    return Disposition(about=about, true_positive=right, **_fact("disposition", seconds, fields))


def end(seconds: float, **changed: Any) -> SessionEnd:
    """The run says it is over."""
    return SessionEnd(**_fact("end", seconds, changed))


CHAIN = "D@0 P@30 S@60 V@90"
"""The chain this project exists for, at a pace that no other detector minds."""


def only(detector: str, **changed: Any) -> Policy:
    """The default policy with one detector switched on; `changed` are its settings."""
    groups = {}
    for name in DetectorSettings.__struct_fields__:
        group = getattr(DetectorSettings(), name)
        groups[name] = (
            replace(group, enabled=True, **changed) if name == detector else replace(group, enabled=False)
        )
    return Policy(detectors=DetectorSettings(**groups))


KNOWN_ISSUER = "token.actions.githubusercontent.com"
OFFICE = Registry(
    Content(
        issuers=(KNOWN_ISSUER,),
        pipelines=(Pipeline(repo="example-org/infra", ref="refs/heads/main", workflow="apply"),),
        networks=(Network(prefix="198.51.100.0/24", name="office"),),
        agents=(Agent(id="agent-of-ours"),),
        jobs=(
            Job(aws_role="scanner", scope="read metadata"),
            Job(aws_role="rotation", scope="secrets */db, user svc-reports"),
            Job(aws_role="issuer", names="*.svc.example.org (no wildcard names)"),
            Job(aws_role="installer", scope="namespaced"),
        ),
        clients=(
            Client(provider="aws", client="app-1", scope="read"),
            Client(provider="aws", client="app-2", scope="users and ordinary groups"),
        ),
        protected=(Protected(provider="aws", role="responder"),),
    )
)
"""What the tests' deployment has registered."""


class Judged:
    """A judge at work: what it found and ordered so far, and the workflows it keeps."""

    def __init__(self, policy: Policy | None = None, baseline: Baseline | None = None) -> None:
        self.judge = Judge(policy or Policy(), baseline, OFFICE)
        self.workflows: dict[str, Workflow] = {}
        self.findings: list[Finding] = []
        self.commands: list[Command] = []
        self._position = 0

    def fold(self, events: Iterable[AnyEvent]) -> Self:
        """Fold them in, in the order given."""
        for event in events:
            workflow = self.workflows.setdefault(event.workflow, Workflow(event.workflow))
            decision = self.judge.fold(workflow, event, self._position, event.at_ms)
            self._position += 1
            if decision is not None:
                self.findings += decision.findings
                self.commands += decision.commands
        return self

    @property
    def actions(self) -> list[Action]:
        """Of the commands, in their order."""
        return [command.action for command in self.commands]

    @property
    def detectors(self) -> list[str]:
        """Of the findings, in their order."""
        return [finding.detector for finding in self.findings]

    @property
    def stopped(self) -> set[str]:
        """Sessions that were to be killed."""
        return {command.session for command in self.commands if command.action is Action.KILL_SESSION}

    def session(self, name: str = "s1", workflow: str = "w1") -> Session:
        """What is remembered of a session."""
        return self.workflows[workflow].sessions[name]


def judged(
    events: Iterable[AnyEvent], policy: Policy | None = None, baseline: Baseline | None = None
) -> Judged:
    """What comes of these events."""
    return Judged(policy, baseline).fold(events)


FAST, SLOW, RARE, CLERK, ROTATOR = "deployer", "helpdesk", "intern", "clerk", "rotator"
"""Roles of the trained baseline: hundreds of operations a minute; a few; too seldom seen; one of another
agent that says where its arguments come from; and one that does the same every time."""

CLERKS = "agent-9"
"""The agent of all clerks."""


def fast_run(session: str, seed: int, **changed: Any) -> list[AnyEvent]:
    """An infrastructure-as-code job: reads and changes, some 50 ms apart."""
    random = np.random.default_rng(seed)
    seconds, events = 0.0, list[AnyEvent]()
    for k in range(80 + int(random.integers(40))):
        seconds += 0.02 + float(random.exponential(0.03))
        letter = "P" if k % 2 == 0 else "V"
        fields = {"session": session, "agent_role": FAST, "target": f"role/r{k // 2}"} | changed
        events.append(op(letter, round(seconds, 3), **fields))
    return events


def operations(run: Iterable[AnyEvent]) -> list[Operation]:
    """Those of a run: what teaches, counts and is scored."""
    return [event for event in run if isinstance(event, Operation)]


def slow_run(session: str, seed: int, **changed: Any) -> list[AnyEvent]:
    """A support agent: a ticket, a look-up or two, rarely a change; a minute between them."""
    random = np.random.default_rng(seed)
    seconds, events = 0.0, list[AnyEvent]()
    for _ in range(6 + int(random.integers(6))):
        letter = str(random.choice(["X", "D", "X", "D", "R"]))
        fields = {"session": session, "agent_role": SLOW} | changed
        events.append(op(letter, round(seconds, 3), **fields))
        seconds += 20 + float(random.exponential(40))
    return events


def rotation(session: str, **changed: Any) -> list[AnyEvent]:
    """A rotation job: the same secrets and the same owner's key every time."""
    fields = {"session": session, "agent_role": ROTATOR} | changed
    minted = {
        "effects": (Effect.MINTS, Effect.LONG_LIVED),
        "facts": {"beneficiary": "svc-reports", "issuer": "sts.example.org"},
    }
    home = {"facts": {"address": "10.0.0.1"}}
    return [
        *(op("S", k, **({"target": f"secret/app{k}/db"} | home | fields)) for k in range(3)),
        op("C", 60, **({"target": "svc-reports", **minted} | fields)),
    ]


def origin(argument: str, told: Origin, source: str = "", field: str = "", shape: str = "=") -> Provenance:
    """Where one argument came from; `source` is the id of the event whose result held it."""
    return Provenance(argument=argument, origin=told, source_event=source, source_field=field, shape=shape)


def asked(argument: str) -> Provenance:
    """The user named it."""
    return origin(argument, Origin.USER)


def clerk_run(session: str, seed: int, mail_to: Provenance | None = None, **changed: Any) -> list[AnyEvent]:
    """Reads the ticket that the user named, finds the requester, writes to the address in the directory."""
    random = np.random.default_rng(seed)
    fields = {"session": session, "agent": CLERKS, "agent_role": CLERK} | changed

    def call(letter: str, place: int, operation: str, *told: Provenance) -> Operation:
        return op(
            letter, 30.0 * place, id=f"{session}#{place}", operation=operation, provenance=told, **fields
        )

    events = [call("X", 0, "ticket:Get", asked("ticket"))]
    if random.random() < 0.5:
        events.append(call("X", 1, "ticket:Comments", origin("ticket", Origin.TOOL, f"{session}#0", "id")))
    events.append(call("D", 2, "directory:Find", origin("name", Origin.TOOL, f"{session}#0", "requester")))
    to = mail_to or origin("to", Origin.TOOL, f"{session}#2", "email")
    text = origin("text", Origin.UNSEEN, shape="text")
    events.append(call("X", 3, "mail:Send", to, text))
    return list[AnyEvent](events)


def recorded(sessions: int = 120) -> list[list[AnyEvent]]:
    """Honest sessions of all four roles, each a workflow of its own."""
    runs = [fast_run(f"f{k}", k, workflow=f"wf{k}") for k in range(sessions)]
    runs += [slow_run(f"h{k}", 10_000 + k, workflow=f"wh{k}") for k in range(sessions)]
    runs += [slow_run(f"i{k}", 20_000 + k, workflow=f"wi{k}", agent_role=RARE) for k in range(9)]
    runs += [clerk_run(f"c{k}", 30_000 + k, workflow=f"wc{k}") for k in range(sessions)]
    runs += [rotation(f"r{k}", workflow=f"wr{k}") for k in range(sessions // 6)]
    return runs


PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Signer(PRIVATE)
TRUSTED = Trusted({SIGNER.key: SIGNER.public}, "the tests' key")


@cache
def artifact() -> bytes:
    """The file of a baseline trained on `recorded()`."""
    runs = [[event for event in run if isinstance(event, Operation)] for run in recorded()]
    return write_artifact(*learn(runs, {}, answered_ms=answers(len(runs))), SIGNER)


def answers(runs: int) -> list[list[int]]:
    """How long approvals took: ten minutes to an hour, one a session."""
    return [[600_000 + 3_000_000 * k // runs] for k in range(runs)]


@cache
def trained() -> Baseline:
    """That baseline, loaded."""
    return read_artifact(artifact(), Path("baseline.json"), TRUSTED)


def command_of(action: Action, at_ms: int, lasts_ms: int, **fields: Any) -> Command:
    """A command that was decided on and reached the log at one time."""
    known: dict[str, Any] = {
        "id": "c",
        "action": action,
        "session": "s",
        "workflow": "wf",
        "agent": "agent",
        "at_ms": at_ms,
        "seen_ms": at_ms,
        "expires_ms": at_ms + lasts_ms,
        "event_id": "e",
        "event_source": "test",
        "risk": 0.9,
        "reason": "a test",
    }
    return Command(**{**known, **fields})


def structured_value(named: dict[str, str], data: bytes) -> bytes:
    """A record's value in structured mode; goes with `content-type: application/cloudevents+json`."""
    return msgspec.json.encode({**named, "datacontenttype": "application/json", "data": msgspec.Raw(data)})
