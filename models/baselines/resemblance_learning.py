"""Learns from labels what hijacked sessions do, and what honest sessions reach that were held out.

Whoever is scored is scored by counts without its job; a hijacked session by counts without its goal, too:
else the other side knew what is asked of it. Honest sessions are held out with their job as for surprise, the
same ones in the same folds, hijacked ones of that job with them; the weights that a held-out session is
scored by are fitted without its fold. Those held out with their variant are not scored: jobs that are known
are judged by what they do themselves, as without labels (`docs/baselines.md`).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from msgspec import Struct

from models.baselines.cohorts import SESSIONS_MIN, job_key
from models.baselines.counting import Run
from models.baselines.counts import Row, add_to
from models.baselines.resemblance import (
    ResemblanceModel,
    doublings,
    leaf_contexts,
    leaf_symbol,
    speaker_contexts,
    speaker_of,
    taken,
)
from models.baselines.resemblance_counts import Labelled, ResemblanceCounts, Rows, Side, Weights
from models.baselines.resemblance_fit import Bag, Fitted, Floats
from models.baselines.surprise import remember
from models.baselines.surprise_learning import FOLDS, JOBS_MIN, HeldOut, Placed
from models.event import ERROR

GOAL_FOLDS = 5

GOALS_MIN = 4
"""Of an agent. With one of five held out the agents that this was measured on had four at the least."""

AUC_MIN = 0.75
"""Half-way from chance to certainty: labels that tell less would use up ranks of the other scores."""


class Hijacked(Struct, frozen=True):
    """A session that was labelled so."""

    run: Run
    first_bad: int = 0
    """Place of the first act that is held against it."""
    goal: str = ""
    """What it was made to do: sessions of one goal are held out together. Empty for nobody says."""

    @property
    def agent(self) -> str:
        """Whose session it was."""
        return self.run[0].agent

    @property
    def job(self) -> str:
        """What it was about."""
        return job_key(self.run[0].agent, self.run[0].agent_role)


class Learned(Struct):
    """What labels taught."""

    counts: ResemblanceCounts | None
    """None for too few of them."""
    told: Labelled


class Held(Struct):
    """A hijacked session, and the folds that it is held out with."""

    session: Hijacked
    job: int
    goal: int


Cell = tuple[int, int]


class ByFold:
    """What one side did, by fold, so that any of them can be left out."""

    def __init__(self) -> None:
        self._whole = Side()
        self._cells: dict[Cell, Side] = defaultdict(Side)

    def add(self, run: Run, cell: Cell, first: int = 0) -> None:
        """Count a session's acts from the so-manieth on."""
        results: dict[str, str] = {}
        sides = (self._whole, self._cells[cell])
        for place, event in enumerate(run):
            remember(results, event)
            if place < first or event.outcome is ERROR or not event.provenance:
                continue
            spoken, agent, operation = speaker_of(event), event.agent, event.operation
            for side in sides:
                for context in speaker_contexts(agent, operation):
                    add_to(side.spoken.setdefault(context, {}), spoken)
            for leaf in taken(event, results):
                symbol = leaf_symbol(leaf)
                for side in sides:
                    for context in leaf_contexts(agent, operation, leaf):
                        add_to(side.fields.setdefault(context, {}), symbol)

    def without(self, fold: int = -1, goal: int = -1) -> Side:
        """All of it but that fold, and that goal."""
        left = self._whole
        for (of_fold, of_goal), side in self._cells.items():
            if of_fold == fold or (goal >= 0 and of_goal == goal):
                left = Side(_less(left.spoken, side.spoken), _less(left.fields, side.fields))
        return left


def _less(rows: Rows, held: Rows) -> Rows:
    return rows | {context: _row_less(rows[context], row) for context, row in held.items()}


def _row_less(row: Row, held: Row) -> Row:
    return {symbol: left for symbol, times in row.items() if (left := times - held.get(symbol, 0))}


def learn_resemblance(held_out: HeldOut, hijacked: Sequence[Hijacked]) -> Learned:
    """Fills in what honest sessions reached that were held out with their job."""
    agents, lacking = _enough(held_out.placed, hijacked)
    told = Labelled(
        sessions=len(hijacked),
        jobs=len({each.job for each in hijacked}),
        goals=len({(each.agent, each.goal or each.job) for each in hijacked}),
        agents=[],
        lacking=lacking,
    )
    if not agents:
        return Learned(None, told)
    every = _Labels(held_out, _held(held_out.placed, hijacked, agents), agents)
    told.auc = round(every.auc(), 4)
    if told.auc < AUC_MIN:
        told.lacking = [
            *lacking,
            f"hijacked sessions look like honest ones: AUC {told.auc:.2f}, {AUC_MIN} at least",
        ]
        return Learned(None, told)
    every.reach()
    told.agents = agents
    return Learned(every.counts(), told)


def fit_resemblance(held_out: HeldOut, hijacked: Sequence[Hijacked]) -> ResemblanceCounts:
    """What is learned, whatever it is worth; nothing is calibrated."""
    agents = sorted({each.agent for each in hijacked})
    return _Labels(held_out, _held(held_out.placed, hijacked, agents), agents).counts()


def _enough(honest: Sequence[Placed], hijacked: Sequence[Hijacked]) -> tuple[list[str], list[str]]:
    """Agents of whom there is enough to learn from; what the others lack."""
    jobs, taught = defaultdict[str, set[str]](set), Counter(each.agent for each in honest)
    for each in honest:
        jobs[each.agent].add(job_key(each.agent, each.role))
    found, lacking = [], []
    for agent in sorted({each.agent for each in hijacked}):
        theirs = [each for each in hijacked if each.agent == agent]
        there = {
            "labelled sessions": (len(theirs), SESSIONS_MIN),
            "jobs of these": (len({each.job for each in theirs}), JOBS_MIN),
            "goals of these": (len({each.goal or each.job for each in theirs}), GOALS_MIN),
            "honest sessions": (taught[agent], SESSIONS_MIN),
            "jobs of honest sessions": (len(jobs[agent]), JOBS_MIN),
        }
        short = [f"{count} {what} (of {least})" for what, (count, least) in there.items() if count < least]
        if short:
            lacking.append(f"too few of {agent}: {', '.join(short)}")
        else:
            found.append(agent)
    return found, lacking


def _held(honest: Sequence[Placed], hijacked: Sequence[Hijacked], agents: Sequence[str]) -> list[Held]:
    """Hijacked sessions in the folds of honest ones of their job; other jobs, and goals, as they come."""
    jobs: dict[str, dict[str, int]] = {agent: {} for agent in agents}
    goals: dict[str, dict[str, int]] = {agent: {} for agent in agents}
    for each in honest:
        if each.agent in jobs:
            jobs[each.agent].setdefault(job_key(each.agent, each.role), each.job)
    found = []
    for told in (session for session in hijacked if session.agent in jobs):
        theirs, aims = jobs[told.agent], goals[told.agent]
        job = theirs.setdefault(told.job, len(theirs) % FOLDS)
        goal = aims.setdefault(told.goal or told.job, len(aims) % GOAL_FOLDS)
        found.append(Held(told, job, goal))
    return found


class _Labels:
    """Both kinds of sessions of some agents, counted."""

    def __init__(self, held_out: HeldOut, hijacked: Sequence[Held], agents: Sequence[str]) -> None:
        self._agents = agents
        self._honest, self._bad = ByFold(), ByFold()
        for each in held_out.placed:
            if each.agent in self._agents:
                self._honest.add(each.run, (each.job, -1))
        for held in hijacked:
            self._bad.add(held.session.run, (held.job, held.goal), held.session.first_bad)
        self._new = [(each, peak) for each, peak in held_out.new if each.agent in self._agents]
        self._models: dict[tuple[int, int], ResemblanceModel] = {}
        self._bags = [
            Bag(self._ratios(each.run, each.job), each.agent, hijacked=False) for each, _ in self._new
        ]
        for held in hijacked:
            acts = self._ratios(held.session.run, held.job, held.goal)
            self._bags.append(Bag(acts, held.session.agent, hijacked=True))
        self._folds = [each.job for each, _ in self._new] + [held.job for held in hijacked]
        self._final = Fitted(self._bags).weights()

    def counts(self) -> ResemblanceCounts:
        """All of it."""
        whole = (self._honest.without(), self._bad.without())
        return ResemblanceCounts(agents=self._final, honest=whole[0], hijacked=whole[1])

    def auc(self) -> float:
        """Of sessions whose job and goal were held out; mean over the agents."""
        peaks = self._peaks
        found = []
        for agent in self._agents:
            told = [
                (bag.hijacked, peak)
                for bag, peak in zip(self._bags, peaks, strict=True)
                if bag.agent == agent
            ]
            honest = np.sort([peak for hijacked, peak in told if not hijacked])
            bad = [peak for hijacked, peak in told if hijacked]
            wins = np.searchsorted(honest, bad, "left") + np.searchsorted(honest, bad, "right")
            found.append(float(wins.mean()) / (2 * len(honest)))
        return float(np.mean(found))

    def reach(self) -> None:
        """Fill in what held-out honest sessions reached."""
        for (_, reached), peak in zip(self._new, self._peaks, strict=False):
            reached.resemblance = doublings(peak)

    @cached_property
    def _peaks(self) -> list[float]:
        """Of each bag, by weights that were fitted without its fold, unless too little would be left."""
        without = {}
        for fold in set(self._folds):
            left = [bag for bag, place in zip(self._bags, self._folds, strict=True) if place != fold]
            enough = len({(bag.agent, bag.hijacked) for bag in left}) == 2 * len(self._agents)
            without[fold] = Fitted(left).weights() if enough else self._final
        return [_peak(bag, without[fold]) for bag, fold in zip(self._bags, self._folds, strict=True)]

    def _ratios(self, run: Run, job: int, goal: int = -1) -> Floats:
        model = self._models.get((job, goal))
        if model is None:
            honest, hijacked = self._honest.without(job), self._bad.without(job, goal)
            counts = ResemblanceCounts(agents={}, honest=honest, hijacked=hijacked)
            model = self._models[job, goal] = ResemblanceModel(counts)
        return _ratios(model, run)


def _ratios(model: ResemblanceModel, run: Run) -> Floats:
    """Of each act of which anything is told; one act without ratios where none is."""
    results: dict[str, str] = {}
    found = []
    for event in run:
        remember(results, event)
        if event.provenance and event.outcome is not ERROR:
            found.append(model.ratios(event, results)[:2])
    return np.array(found or [(0.0, 0.0)])


def _peak(bag: Bag, weights: Mapping[str, Weights]) -> float:
    added, *slopes = weights[bag.agent]
    return float((bag.acts @ np.array(slopes)).max() + added)
