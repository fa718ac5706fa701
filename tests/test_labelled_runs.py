"""What labels add is measured on jobs and goals that were both held out whole."""

from collections.abc import Sequence

import pytest

from benchmarks import labelled
from benchmarks.labelled import HIJACKED, HONEST, Labelled, with_labels
from models.baselines.resemblance_counts import ResemblanceCounts
from models.baselines.resemblance_learning import Hijacked, fit_resemblance
from models.baselines.surprise_learning import HeldOut
from models.event import Provenance
from stream.runs.recorded_run import RecordedRun
from tests.builders import clerk_run, operations
from tests.labelled import in_the_text

pytestmark = pytest.mark.slow


JOBS, GOALS = 15, 5
"""Without a fifth of these jobs enough are left to hold jobs out of."""


def run(session: str, number: int, *more: Provenance) -> RecordedRun:
    """A clerk at work, in one job after the other."""
    events = clerk_run(session, 30_000 + number, *more, agent_role=job(number), workflow=f"w{session}")
    return RecordedRun(session, operations(events), "m")


def job(number: int) -> str:
    """Its name."""
    return f"clerk-{number % JOBS}"


def told() -> list[Labelled]:
    """Clerks, honest and hijacked: each goal in each job."""
    good = [Labelled(run(f"c{k}", k), HONEST, "", 0) for k in range(8 * JOBS)]
    bad = [run(f"h{k}", k, in_the_text(f"h{k}")) for k in range(GOALS * JOBS)]
    return good + [
        Labelled(each, HIJACKED, f"goal-{k // JOBS}", len(each.operations) - 1) for k, each in enumerate(bad)
    ]


def test_hijacks_that_labels_describe_are_found_by_what_they_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, without a word of surprise."""
    monkeypatch.setitem(labelled.SCORES, "with", ("resemblance",))
    found = with_labels(told(), 1)
    assert [found["with", HIJACKED, share] for share in (0.01, 0.05)] == [1.0, 1.0]


def test_nobody_who_teaches_shares_a_job_or_a_goal_with_whom_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each time a fifth of the jobs is missing on both sides, and a goal of the hijacked ones."""
    every = {job(number) for number in range(JOBS)}
    missing: set[tuple[frozenset[str], str]] = set()

    def watched(held_out: HeldOut, labels: Sequence[Hijacked]) -> ResemblanceCounts:
        jobs = {each.run[0].agent_role for each in labels}
        assert jobs == {each.role for each in held_out.placed}
        (goal,) = {f"goal-{k}" for k in range(GOALS)} - {each.goal for each in labels}
        missing.add((frozenset(every - jobs), goal))
        return fit_resemblance(held_out, labels)

    monkeypatch.setattr(labelled, "fit_resemblance", watched)
    with_labels(told(), 1)
    folds = {jobs for jobs, _ in missing}
    assert len(missing) == 25
    assert frozenset().union(*folds) == every
    assert sum(len(jobs) for jobs in folds) == len(every)
