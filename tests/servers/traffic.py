"""Recorded-looking traffic with known chains, the same for the same seed."""

import random
import time
from collections.abc import Iterator

import msgspec

from models.event import CredentialKind, OpClass, Operation

HONEST = (
    ("iam:ListRoles", OpClass.DISCOVERY, "role"),
    ("iam:GetPolicy", OpClass.POLICY_READ, "policy"),
    ("tickets:Get", OpClass.EXCHANGE, "ticket"),
    ("s3:GetObject", OpClass.UNCLASSIFIED, "object"),
)
CHAIN = (
    ("iam:ListRoles", OpClass.DISCOVERY, "role", ""),
    ("iam:GetRolePolicy", OpClass.POLICY_READ, "role", "role/admin"),
    ("secretsmanager:GetSecretValue", OpClass.SECRET_READ, "secret", "db/root"),
    ("iam:AttachRolePolicy", OpClass.PRIVILEGE_CHANGE, "role", "role/admin"),
)
_encode = msgspec.json.Encoder().encode


def traffic(
    events: int, sessions: int, chains: int, seed: int, start_ms: int | None = None
) -> list[tuple[str, bytes]]:
    """(workflow, value) pairs in event-time order; exactly `chains` sessions complete the chain."""
    rng = random.Random(seed)
    at_ms = start_ms if start_ms is not None else int(time.time() * 1000) - events * 2
    rogues = set(rng.sample(range(sessions), chains))
    written = [0] * sessions
    progress = dict.fromkeys(rogues, 0)
    rows = []
    for number in range(events):
        session = rng.randrange(sessions)
        at_ms += rng.randrange(1, 4)
        left = events - number
        forced = next((rogue for rogue, step in progress.items() if step < len(CHAIN)), None)
        if forced is not None and left <= sum(len(CHAIN) - step for step in progress.values()):
            session = forced
        step = progress.get(session, len(CHAIN))
        if step < len(CHAIN) and (left < events // 2 or rng.random() < 0.5):
            operation, op_class, kind, target = CHAIN[step]
            progress[session] += 1
        else:
            operation, op_class, kind = rng.choice(HONEST)
            target = f"{kind}/{rng.randrange(20)}"
        written[session] += 1
        rows.append(_row(seed, session, written[session], at_ms, operation, op_class, kind, target))
    return rows


def _row(
    seed: int, session: int, count: int, at_ms: int, operation: str, op_class: OpClass, kind: str, target: str
) -> tuple[str, bytes]:
    event = Operation(
        id=f"{seed}-{session}-{count}",
        source="test",
        at_ms=at_ms,
        workflow=f"wf-{session}",
        session=f"sess-{session}",
        agent=f"agent-{session % 50}",
        agent_role="worker",
        principal=f"svc-{session % 50}",
        operation=operation,
        op_class=op_class,
        system="aws",
        target=target,
        target_kind=kind,
        credential=f"cred-{session}",
        credential_kind=CredentialKind.EPHEMERAL,
    )
    return event.workflow, _encode(event)


def paced(rows: list[tuple[str, bytes]], per_s: float) -> Iterator[tuple[str, bytes]]:
    """The rows at a rate, in small bursts."""
    began_s = time.monotonic()
    for number, row in enumerate(rows):
        if number % 50 == 0:
            ahead_s = began_s + number / per_s - time.monotonic()
            if ahead_s > 0:
                time.sleep(ahead_s)
        yield row
