"""What labels add where neither the job nor what the attacker wants was ever seen: both are held out whole.

Labels teach here, of other jobs and other goals; of the runs that are judged nobody has seen any.
"""

import gzip
import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from models.baselines.joint import joint_of
from models.baselines.resemblance import ResemblanceModel
from models.baselines.resemblance_learning import Hijacked, fit_resemblance
from models.baselines.surprise import SurpriseModel, remember
from models.baselines.surprise_learning import learn_held_out, reached
from stream.runs.agent_runs import SESSIONS, agent_runs
from stream.runs.recorded_run import RecordedRun

HONEST, HIJACKED, RESISTED = "benign", "injected_success", "injected_failed"
FOLDS = 5
SHARES = (0.01, 0.05)
SCORES = {"without": ("score",), "with": ("score", "resemblance")}
"""Without labels, and with: what is judged under one budget."""


class Labelled(NamedTuple):
    """A run, and what is known of it."""

    run: RecordedRun
    kind: str
    goal: str
    """What the attacker wanted; empty for an honest run."""
    first_bad: int

    @property
    def agent(self) -> str:
        """Its suite."""
        return self.run.operations[0].agent


class Peaks(NamedTuple):
    """Of every run, in their order."""

    score: list[float]
    resemblance: list[list[float]]
    """By the fold of goals that did not teach: of honest runs, and of those whose goal is in that fold."""


def labelled_runs(folder: Path) -> list[Labelled]:
    """Honest, hijacked, and a fifth of those that resisted what they had read."""
    with gzip.open(folder / SESSIONS, "rt") as lines:
        truth = {row["s"]: row for row in map(json.loads, lines) if not row["error"]}
    found = []
    for place, run in enumerate(agent_runs(str(folder))):
        row = truth.get(run.session, {})
        kind, exposed = row.get("kind"), row.get("exposed_at")
        resisted = kind == RESISTED and exposed is not None and place % 5 == 0
        if run.operations and (kind in {HONEST, HIJACKED} or resisted):
            found.append(Labelled(run, kind, row["injection_task"] or "", exposed or 0))
    return found


def folds(keys: Sequence[str], seed: int) -> list[int]:
    """Whole keys at random into folds, in the order of `keys`."""
    names = sorted(set(keys))
    random.Random(seed).shuffle(names)  # noqa: S311 - the same folds every time
    return [names.index(key) % FOLDS for key in keys]


def with_labels(told: Sequence[Labelled], seed: int) -> dict[tuple[str, str, float], float]:
    """`without` or `with` labels, kind, budget: share of these runs that alarm, mean over the suites.

    Limits are what that share of the honest runs of the suite exceeds: all of them were held out.
    """
    goals = _goal_folds(told, seed)
    peaks = _peaks(told, folds([each.run.operations[0].agent_role for each in told], seed), goals)
    found: dict[tuple[str, str, float], list[float]] = defaultdict(list)
    for suite in sorted({each.agent for each in told}):
        ours = [place for place, each in enumerate(told) if each.agent == suite]
        hits: dict[tuple[str, str, float], list[bool]] = defaultdict(list)
        for left_out in range(FOLDS):
            reached_here = {"score": peaks.score, "resemblance": peaks.resemblance[left_out]}
            honest = [place for place in ours if goals[place] < 0]
            for name, scores in SCORES.items():
                joint = joint_of({each: [reached_here[each][place] for place in honest] for each in scores})
                for share in SHARES:
                    limits = joint.limits(share)._asdict()
                    for place in (place for place in ours if goals[place] == left_out):
                        over = _over({each: reached_here[each][place] for each in scores}, limits)
                        hits[name, told[place].kind, share].append(over)
        for what, each in hits.items():
            found[what].append(mean(each))
    return {what: mean(shares) for what, shares in found.items()}


def _over(peaks: Mapping[str, float], limits: Mapping[str, float | None]) -> bool:
    return any((limit := limits[name]) is not None and peak > limit for name, peak in peaks.items())


def _goal_folds(told: Sequence[Labelled], seed: int) -> list[int]:
    """Whole goals at random into folds, those of each suite evenly; -1 for an honest run."""
    goals = sorted({(each.agent, each.goal) for each in told if each.goal})
    random.Random(seed).shuffle(goals)  # noqa: S311 - the same folds every time
    placed: dict[tuple[str, str], int] = {}
    for agent, goal in goals:
        placed[agent, goal] = sum(other == agent for other, _ in placed) % FOLDS
    return [placed.get((each.agent, each.goal), -1) for each in told]


def _peaks(told: Sequence[Labelled], jobs: Sequence[int], goals: Sequence[int]) -> Peaks:
    """By what honest runs of other jobs taught, and hijacked ones of other jobs and goals."""
    found = Peaks([0.0] * len(told), [[0.0] * len(told) for _ in range(FOLDS)])
    for fold in range(FOLDS):
        asked = [place for place, job in enumerate(jobs) if job == fold]
        others = [place for place, job in enumerate(jobs) if job != fold]
        taught = [told[place].run for place in others if told[place].kind == HONEST]
        counts, held_out = learn_held_out([run.operations for run in taught], [run.variant for run in taught])
        model = SurpriseModel(counts)
        for place in asked:
            run = told[place].run.operations
            expectation = model.expectation(run[0].agent, run[0].agent_role)
            found.score[place] = reached(expectation, run).score
        for left_out, peaks in enumerate(found.resemblance):
            labels = [
                Hijacked(told[place].run.operations, told[place].first_bad, told[place].goal)
                for place in others
                if told[place].kind == HIJACKED and goals[place] != left_out
            ]
            alike = ResemblanceModel(fit_resemblance(held_out, labels))
            for place in asked:
                if goals[place] in {-1, left_out}:
                    peaks[place] = _resemblance(alike, told[place].run)
    return found


def _resemblance(model: ResemblanceModel, run: RecordedRun) -> float:
    """Its running maximum."""
    results: dict[str, str] = {}
    peak = 0.0
    for event in run.operations:
        remember(results, event)
        peak = max(peak, model.likeness(event, results).score)
    return peak
