"""What comes out of the fold, as one digest, and what an event cost: to compare one build with another.

`python -m benchmarks.digest BASELINE EVENTS` prints a line of JSON. Half of the events are the benchmarks'
traffic, the other half are made at random of everything that detectors look at.
"""

import hashlib
import os
import random
import sys
from collections.abc import Iterator
from typing import Any

from msgspec import Struct, json, msgpack

from benchmarks.timing import timed
from benchmarks.traffic import ROLES, Traffic
from detectors.decision import Decision
from detectors.judge import Judge
from detectors.policy import Policy
from models.attested import Effect, Fact
from models.cloudevent import read_line
from models.event import AnyEvent, CredentialKind, Grade, OpClass, Operation, Outcome, SystemKind
from models.registry import EMPTY
from models.session import Workflow
from stream.build import fold_build
from stream.configuration.baseline_files import load_baseline
from stream.configuration.rule_files import load_declared
from stream.configuration.settings import read_settings

START_MS = 1_790_000_000_000
WORKFLOWS = 300
PAUSE_MS_MAX = 4_000
FACTS = (Fact.BENEFICIARY, Fact.GRANTED, Fact.ISSUER, Fact.ADDRESS, Fact.ACCOUNT, Fact.COUNT, Fact.MINTED)


class Digest(Struct):
    """What one build made of it."""

    fold: str
    events: int
    findings: int
    commands: int
    digest: str
    """Of all findings and commands in their order, then of all stored state."""
    us: float
    """Processor time of the fold an event; the first time that it sees these agents."""


def mixed(count: int, seed: int = 7) -> Iterator[Operation]:
    """Operations of every class, outcome, effect and credential, some late, some told twice."""
    chance = random.Random(seed)  # noqa: S311 - nothing secret: the same each time
    for number in range(count):
        workflow, late_ms = chance.randrange(WORKFLOWS), chance.choice((0, 0, 0, 0, 30_000))
        role, op_class = chance.choice(tuple(ROLES)), chance.choice(tuple(OpClass))
        told: dict[str, Any] = {
            fact: chance.choice(("1", "ann", "role/3", "10.0.0.7", f"account/{workflow % 3}"))
            for fact in chance.sample(FACTS, chance.randrange(3))
        }
        yield Operation(
            id=f"m-{number - chance.choice((0, 0, 0, 0, 0, 1)):07x}",
            source=chance.choice(("gw", "aws")),
            at_ms=START_MS + number * PAUSE_MS_MAX // WORKFLOWS - late_ms,
            workflow=f"mixed-{workflow}",
            session=f"mixed-{workflow}-{chance.randrange(3)}",
            agent=f"{role}-{workflow % 97}",
            agent_role=role,
            principal=f"svc-{role}",
            credential=f"key-{workflow}",
            credential_kind=chance.choice(tuple(CredentialKind)),
            operation=f"{op_class}-{chance.randrange(4)}",
            op_class=op_class,
            outcome=chance.choice((Outcome.OK, Outcome.OK, Outcome.OK, Outcome.DENIED, Outcome.ERROR)),
            system=chance.choice(("iam", "vault", "tickets")),
            system_kind=chance.choice(tuple(SystemKind)),
            target=chance.choice(("", *(f"role/{place}" for place in range(6)))),
            target_kind=chance.choice(("role", "secret", "ticket")),
            grade=chance.choice(tuple(Grade)),
            workload_proven=chance.random() < 0.2,  # noqa: PLR2004 - some
            act=chance.choice(("", f"act-{number // 2}")),
            effects=tuple(chance.sample(tuple(Effect), chance.randrange(3))),
            facts=told,
        )


def digest_of(baseline: str, count: int) -> Digest:
    """Fold them with everything on."""
    policy = Policy()
    judge = Judge(
        policy, load_baseline(read_settings(os.environ, baseline=baseline)), EMPTY, load_declared(policy)
    )
    made = Traffic(seed=11, start_ms=START_MS, events_per_chain=5_000)
    events: list[AnyEvent] = [read_line(line) for _, line in made.events(count // 2)]
    events += mixed(count - len(events))
    workflows: dict[str, Workflow] = {}
    decisions: list[Decision] = []

    def fold() -> None:
        for position, event in enumerate(events):
            workflow = workflows.get(event.workflow)
            if workflow is None:
                workflow = workflows[event.workflow] = Workflow(event.workflow)
            decision = judge.fold(workflow, event, position, event.at_ms)
            if decision is not None:
                decisions.append(decision)

    seconds = timed(fold)
    found = hashlib.sha256()
    for told in (*decisions, judge.tally, *workflows.values()):
        found.update(msgpack.encode(told))
    return Digest(
        fold=fold_build(),
        events=len(events),
        findings=sum(len(decision.findings) for decision in decisions),
        commands=sum(len(decision.commands) for decision in decisions),
        digest=found.hexdigest(),
        us=round(seconds / len(events) * 1e6, 3),
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(json.encode(digest_of(sys.argv[1], int(sys.argv[2]))) + b"\n")
