"""Clerks with many jobs, and some of their sessions that were hijacked and labelled so."""

from functools import cache
from pathlib import Path

from models.baselines.baseline import Baseline, read_artifact, write_artifact
from models.baselines.learning import learn
from models.baselines.resemblance_learning import Hijacked
from models.event import Operation, Origin, Provenance
from tests.builders import SIGNER, TRUSTED, clerk_run, operations, origin

JOBS = 12
EACH = 15
"""Honest sessions of each job: a budget of 1 in 50 is backed by the agent's."""
GOALS = 5


def job(number: int) -> str:
    """A role of the clerks."""
    return f"clerk-{number % JOBS}"


def in_the_text(session: str) -> Provenance:
    """Whom to write to stood in the ticket's text."""
    return origin("to", Origin.TOOL, f"{session}#0", "body", "in")


def honest() -> list[list[Operation]]:
    """Sessions of all jobs."""
    return [
        operations(clerk_run(f"c{k}", 30_000 + k, agent_role=job(k), workflow=f"wc{k}"))
        for k in range(JOBS * EACH)
    ]


def hijacked(sessions: int = JOBS * GOALS, goals: int = GOALS) -> list[Hijacked]:
    """Sessions whose last act is another's wish."""
    found = []
    for k in range(sessions):
        run = operations(
            clerk_run(f"h{k}", 40_000 + k, in_the_text(f"h{k}"), agent_role=job(k), workflow=f"wh{k}")
        )
        found.append(Hijacked(run, len(run) - 1, f"goal-{k // JOBS % goals}"))
    return found


def learned(labels: list[Hijacked] | None) -> bytes:
    """The file of what honest sessions and these teach."""
    return write_artifact(*learn(honest(), {}, hijacked=labels), SIGNER)


@cache
def labelled() -> Baseline:
    """A baseline with what labels taught."""
    return read_artifact(learned(hijacked()), Path("baseline.json"), TRUSTED)
