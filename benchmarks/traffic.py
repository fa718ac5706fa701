"""Events as agents make them, the same for the same seed, with chains whose commands are known beforehand.

Five roles with habits of their own, about 70 % reads, changes mostly approved, some sessions delegated, one
operation in a hundred denied. Every session ends after 20 to 60 operations and another one begins.
"""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from models.command import Action, stable_id
from models.event import (
    GRANTS,
    READS,
    AnyEvent,
    Approval,
    CredentialKind,
    Delegation,
    OpClass,
    Operation,
    Outcome,
    SessionEnd,
)

SOURCE = "gw"
SESSION_OPERATIONS = (20, 60)
DELEGATED_SHARE = 0.1
DENIED_SHARE = 0.01
APPROVAL_TOOK_MS = 60_000
CHAIN_STEP_S = 0.5
EVENTS_PER_CHAIN = 80_000
"""One dangerous chain per about 2,000 sessions."""

_encode = msgspec.json.Encoder().encode


class Act(NamedTuple):
    """One kind of operation; `targets` is how many there are of that kind."""

    op_class: OpClass
    operation: str
    system: str
    target_kind: str
    targets: int


LIST = Act(OpClass.DISCOVERY, "ListRoles", "iam", "account", 4)
GROUPS = Act(OpClass.DISCOVERY, "ListGroups", "ad", "tenant", 2)
POLICY = Act(OpClass.POLICY_READ, "GetRolePolicy", "iam", "role", 300)
SECRET = Act(OpClass.SECRET_READ, "GetSecretValue", "secrets", "secret", 500)
GRANT = Act(OpClass.PRIVILEGE_CHANGE, "AttachRolePolicy", "iam", "role", 300)
MEMBER = Act(OpClass.ROLE_MAPPING, "AddMember", "ad", "group", 200)
MINT = Act(OpClass.CREDENTIAL_MINT, "IssueCertificate", "vault", "workload", 100)
TICKET = Act(OpClass.EXCHANGE, "GetTicket", "tickets", "ticket", 5_000)
DEPLOY = Act(OpClass.UNCLASSIFIED, "Apply", "k8s", "deployment", 400)
COMMIT = Act(OpClass.UNCLASSIFIED, "GetFile", "git", "file", 5_000)

ROLES: dict[str, tuple[tuple[Act, int], ...]] = {
    "auditor": ((LIST, 30), (GROUPS, 15), (POLICY, 45), (TICKET, 10)),
    "deployer": ((GROUPS, 15), (SECRET, 50), (DEPLOY, 20), (COMMIT, 15)),
    "infrastructure": ((LIST, 30), (POLICY, 50), (GRANT, 10), (COMMIT, 10)),
    "support": ((GROUPS, 60), (MEMBER, 10), (TICKET, 30)),
    "rotator": ((SECRET, 65), (MINT, 15), (TICKET, 10), (COMMIT, 10)),
}
"""What agents of a role do, and how often. Only a rogue reads rules, then secrets, then changes who may."""

CHAIN = (TICKET, LIST, COMMIT, POLICY, SECRET, GRANT)


class Run:
    """One session while it lives."""

    def __init__(self, number: int, role: str, workflow: str, left: int) -> None:
        self.session = f"s-{number:06x}"
        self.workflow = workflow
        self.agent = f"{role}-{number % 97}"
        self.left = left
        self.delegated = False
        self.acts, weights = zip(*ROLES[role], strict=True)
        self.weights: tuple[int, ...] = weights
        self.shared: dict[str, Any] = {
            "source": SOURCE,
            "workflow": workflow,
            "session": self.session,
            "agent": self.agent,
            "principal": f"svc-{role}",
            "agent_role": role,
            "credential": f"{number:08x}",
            "credential_kind": CredentialKind.EPHEMERAL,
        }


class Traffic:
    """`events` goes on where it stopped; `chains` are those whose deciding event has been handed out."""

    def __init__(
        self,
        *,
        seed: int,
        start_ms: int,
        live: int = 4_000,
        per_s: float = 2_000,
        events_per_chain: int = EVENTS_PER_CHAIN,
        alone: bool = False,
        mid_life: bool = True,
    ) -> None:
        self.chains: dict[str, str] = {}
        """Event that decides: id of the kill_session command it must lead to."""
        self.sessions = 0
        self._random = random.Random(seed)  # noqa: S311 - nothing secret: the same each time
        self._seed = seed
        self._start_ms = start_ms
        self._per_s = per_s
        self._every = events_per_chain
        self._delegated_share = 0.0 if alone else DELEGATED_SHARE
        self._made = 0
        self._waiting: list[AnyEvent] = []
        self._planned: dict[int, tuple[Run, int]] = {}
        self._live = [self._begin() for _ in range(live)]
        for run in self._live if mid_life else ():
            run.left = self._random.randint(1, SESSION_OPERATIONS[1])

    def events(self, count: int) -> Iterator[tuple[str, bytes]]:
        """(workflow, JSON) of the next events, in the order of their dates."""
        for _ in range(count):
            event = self._next()
            yield event.workflow, _encode(event)

    def chain(self, workflow: str) -> Iterator[tuple[str, bytes]]:
        """A whole dangerous chain at once, in a workflow of that name."""
        run = self._begin(workflow)
        for step in range(len(CHAIN)):
            event = self._step(run, step)
            self._made += 1
            yield event.workflow, _encode(event)

    def _next(self) -> AnyEvent:
        if self._every and self._made % self._every == self._every // 2:
            self._plan_chain()
        planned = self._planned.pop(self._made, None)
        if planned is not None:
            event: AnyEvent = self._step(*planned)
        elif self._waiting:
            event = msgspec.structs.replace(self._waiting.pop(), at_ms=self._now_ms())
        else:
            event = self._honest()
        self._made += 1
        return event

    def _honest(self) -> AnyEvent:
        place = int(self._random.random() * len(self._live))
        run = self._live[place]
        run.left -= 1
        if run.left < 0:
            self._live[place] = self._begin()
            return SessionEnd(id=self._id("e"), at_ms=self._now_ms(), **self._names(run))
        (act,) = self._random.choices(run.acts, run.weights)
        target = f"{act.target_kind}/{int(self._random.random() * act.targets)}"
        outcome = Outcome.OK
        if act.op_class in READS and self._random.random() < DENIED_SHARE:
            outcome = Outcome.DENIED
        event = self._operation(run, act, target, self._id("e"), outcome)
        if act.op_class not in GRANTS:
            return event
        self._waiting.append(event)
        return Approval(
            id=self._id("a"),
            at_ms=self._now_ms(),
            operation=act.operation,
            target=target,
            decided_by="ann@example.org",
            requested_by=run.agent,
            requested_ms=self._now_ms() - APPROVAL_TOOK_MS,
            **self._names(run),
        )

    def _begin(self, workflow: str = "") -> Run:
        number = self.sessions = self.sessions + 1
        role = tuple(ROLES)[int(self._random.random() * len(ROLES))]
        left = self._random.randint(*SESSION_OPERATIONS)
        run = Run(self._seed << 24 | number, role, workflow or f"w-{self._seed:x}-{number:06x}", left)
        if workflow or number < len(ROLES) or self._random.random() >= self._delegated_share:
            return run
        parent = self._live[int(self._random.random() * len(self._live))] if self._made else None
        if parent is None or parent.delegated or parent.workflow.startswith("mark-"):
            return run
        child = Run(self._seed << 24 | number, role, parent.workflow, left)
        child.delegated = True
        names = self._names(child)
        handed = Delegation(id=f"d{number:07x}", at_ms=0, parent_session=parent.session, **names)
        self._waiting.append(handed)
        return child

    def _plan_chain(self) -> None:
        run = self._begin(f"w-{self._seed:x}-c{self._made:07x}")
        for step in range(len(CHAIN)):
            place = self._made + int(step * CHAIN_STEP_S * self._per_s)
            while place in self._planned:
                place += 1
            self._planned[place] = run, step

    def _step(self, run: Run, step: int) -> Operation:
        act = CHAIN[step]
        decides = step == len(CHAIN) - 1
        event_id = self._id("cut-" if decides else "c")
        if decides:
            self.chains[event_id] = stable_id("command", Action.KILL_SESSION, run.session, SOURCE, event_id)
        return self._operation(run, act, f"{act.target_kind}/7", event_id, Outcome.OK)

    def _operation(self, run: Run, act: Act, target: str, event_id: str, outcome: Outcome) -> Operation:
        return Operation(
            id=event_id,
            at_ms=self._now_ms(),
            operation=act.operation,
            op_class=act.op_class,
            outcome=outcome,
            system=act.system,
            target=target,
            target_kind=act.target_kind,
            **run.shared,
        )

    @staticmethod
    def _names(run: Run) -> dict[str, Any]:
        return {"source": SOURCE, "workflow": run.workflow, "session": run.session, "agent": run.agent}

    def _id(self, prefix: str) -> str:
        return f"{prefix}{self._seed:x}-{self._made:07x}"

    def _now_ms(self) -> int:
        return self._start_ms + int(self._made * 1000 / self._per_s)


def partition_of(workflow: str, partitions: int) -> int:
    """Where a workflow's events go: always to the same partition."""
    return crc32(workflow.encode()) % partitions


def train_baseline(folder: Path, start_ms: int, events: int = 120_000) -> Path:
    """A baseline learned by `chainbrake train` from the honest part of such traffic."""
    recorded, baseline = folder / "honest.ndjson", folder / "baseline.json"
    honest = Traffic(seed=1, start_ms=start_ms, events_per_chain=0)
    with recorded.open("wb") as stream:
        stream.writelines(value + b"\n" for _, value in honest.events(events))
    chainbrake = Path(sys.executable).with_name("chainbrake")
    subprocess.run([chainbrake, "train", recorded, "--out", baseline], check=True, capture_output=True)
    recorded.unlink()
    return baseline
