"""Learns what is expected of sequences and origins, and what whole held-out sessions reach under them.

Limits are cross-conformal (Vovk 2015): a model without one fold of the sessions is what was counted in all
less what that fold counted, and the fold's sessions are scored by it. Folds are held out whole: once by the
variant of the agent that ran the session (or else its stretch of time), once by its job.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from typing import TypeVar

from msgspec import Struct

from models.baselines.calibration import Calibration, Peaks, peaks_of
from models.baselines.cohorts import EVERYBODY, SESSIONS_MIN, agent_key, job_key, levels, tally
from models.baselines.counting import Common, Member, Run, members
from models.baselines.counts import SurpriseCounts
from models.baselines.held_out import Fold, Reached, count_cohorts
from models.baselines.joint import Joint, Together, joint_of
from models.baselines.surprise import Expectation, score_of
from models.session import Session

FOLDS = 10

JOBS_MIN = 10
"""With fewer jobs, nobody can say what an honest session of an unseen one looks like."""

CALIBRATED_MAX = 5_000
"""Sessions that are enough to calibrate with: where one fold has more, the others need not be held out."""


class Placed(Member):
    """An honest session, its cohorts, and the folds that it is held out with."""

    agent: str
    role: str
    group: int
    job: int


Found = list[tuple[Placed, Reached]]
Beyond = Mapping[tuple[str, str], int]
"""By agent and role: sessions that did not teach, for nothing but that they exceed a live limit. A share of
honest ones does: learned as if there had been none, the limits of each generation would be narrower."""
NOBODY: Beyond = {}
Part = TypeVar("Part")


class HeldOut(Struct):
    """Honest sessions, and what those that were held out reached under what all others taught."""

    placed: list[Placed]
    known: Found
    """Held out with their agent's variant or their stretch of time."""
    new: Found
    """Held out with their job."""
    beyond: Beyond


def learn_held_out(
    runs: Sequence[Run], groups: Sequence[str] | None = None, beyond: Beyond = NOBODY
) -> tuple[SurpriseCounts, HeldOut]:
    """From honest runs in order of time; `groups` names the variant of the agent of each, if told.

    With it the sessions that were held out: whatever else is calibrated holds out the same.
    """
    seen = tally((run[0].agent, run[0].agent_role) for run in runs)
    placed = _placed(runs, seen, groups)
    by_key, many = members(placed), _of_many_jobs(placed)
    sessions = {key: len(theirs) for key, theirs in by_key.items()}
    by_group = _folds([[s for s in placed if s.group == fold] for fold in range(FOLDS)], sessions)
    by_job = _folds([[s for s in many if s.job == fold] for fold in range(FOLDS)], sessions)
    total = count_cohorts(by_key, [*by_group, *by_job])
    known, new = ([pair for fold in folds for pair in fold.reached()] for folds in (by_group, by_job))
    held_out = HeldOut(placed, known, new, beyond)
    counts = SurpriseCounts(
        sessions=dict(seen),
        cohorts=total,
        together=together(held_out, ("score",)),
        score_with_end=Calibration(*_by_cohort(held_out, _ended)),
    )
    return counts, held_out


def together(held_out: HeldOut, scores: Sequence[str]) -> Together:
    """The peaks of these scores by cohort, once all are filled in.

    How fast approvals come counts where `SESSIONS_MIN` sessions of a cohort had one, and what labels tell
    where they tell of so many.
    """

    def joint(reached: Sequence[Reached], beyond: int) -> Joint:
        few = {
            name
            for name in ("haste", "resemblance")
            if sum(getattr(peak, name) is not None for peak in reached) < SESSIONS_MIN
        }
        told = [name for name in scores if name not in few]
        return joint_of({name: [getattr(peak, name) or 0.0 for peak in reached] for name in told}, beyond)

    return Together(*_by_cohort(held_out, joint))


def reach_haste(held_out: HeldOut, hastes: Sequence[float | None]) -> None:
    """Fills in the fastest approval of those that were held out; `hastes` are those of `held_out.placed`."""
    bits = {id(placed): haste for placed, haste in zip(held_out.placed, hastes, strict=True)}
    for found in (held_out.known, held_out.new):
        for placed, peak in found:
            peak.haste = bits[id(placed)]


def _ended(reached: Sequence[Reached], beyond: int) -> Peaks:
    return peaks_of([peak.score_with_end for peak in reached], beyond)


def _placed(runs: Sequence[Run], seen: Counter[str], groups: Sequence[str] | None) -> list[Placed]:
    """Whole groups and whole jobs share a fold; without groups, so do neighbours in time."""
    names = sorted(set(groups or ()))
    stems = {name: _stem(name, names) for name in names}
    stem_fold = {stem: place % FOLDS for place, stem in enumerate(sorted(set(stems.values())))}
    jobs: dict[str, dict[str, int]] = defaultdict(dict)
    common = Common()
    placed = []
    for place, run in enumerate(runs):
        agent, role = run[0].agent, run[0].agent_role
        theirs = jobs[agent]
        job = theirs.setdefault(job_key(agent, role), len(theirs))
        group = stem_fold[stems[groups[place]]] if groups is not None else place * FOLDS // len(runs)
        keys = levels(seen, agent, role)
        placed.append(Placed(run, keys, common.deeds_of(run), agent, role, group, job % FOLDS))
    return placed


def _stem(name: str, names: Sequence[str]) -> str:
    """A variant is held out with what it is a variant of: `m-filtered` with `m`."""
    return next((other for other in names if name == other or name.startswith(f"{other}-")), name)


def _of_many_jobs(placed: Sequence[Placed]) -> list[Placed]:
    jobs: dict[str, set[str]] = defaultdict(set)
    for session in placed:
        jobs[session.agent].add(job_key(session.agent, session.role))
    return [session for session in placed if len(jobs[session.agent]) >= JOBS_MIN]


def _folds(folds: Iterable[list[Placed]], sessions: Mapping[str, int]) -> list[Fold[Placed]]:
    """Those whose sessions are scored by what all other folds taught, until enough are."""
    told, scored = list[Fold[Placed]](), 0
    for held_out in folds:
        if not held_out or scored >= CALIBRATED_MAX:
            continue
        asked = sorted(held_out[:: -(-len(held_out) // CALIBRATED_MAX)], key=_cohorts)
        told.append(Fold(held_out, asked, sessions))
        scored += len(asked)
    return told


def _cohorts(session: Placed) -> tuple[tuple[str, ...], str, str]:
    """Whoever shares cohorts is scored in a row."""
    return session.keys, session.agent, session.role


def reached(expectation: Expectation, run: Run) -> Reached:
    """The running maxima of a run."""
    session = Session(id="")
    peak = Reached()
    for event in run:
        session.events += 1
        expectation.follow(session, event)
        peak.score = max(peak.score, score_of(session, event))
    peak.score_with_end = max(peak.score, expectation.ended(session))
    return peak


def _by_cohort(
    held_out: HeldOut, made: Callable[[Sequence[Reached], int], Part]
) -> tuple[dict[str, Part], dict[str, Part]]:
    """Per cohort with enough sessions, and pooled; of unseen jobs, per agent."""
    return (
        _made(held_out, held_out.known, _known_keys, made),
        _made(held_out, held_out.new, _new_keys, made),
    )


def _made(
    held_out: HeldOut,
    found: Found,
    keys_of: Callable[[str, str], set[str]],
    made: Callable[[Sequence[Reached], int], Part],
) -> dict[str, Part]:
    """Of those beyond a live limit as many count as of those that taught were held out."""
    values: dict[str, list[Reached]] = defaultdict(list)
    for session, peak in found:
        for key in keys_of(session.agent, session.role):
            values[key].append(peak)
    agents = {session.agent for session, _ in found}
    odd, taught = Counter[str](), Counter[str]()
    for (agent, role), count in held_out.beyond.items():
        if agent in agents:
            odd.update(dict.fromkeys(keys_of(agent, role), count))
    if odd:
        jobs = Counter((each.agent, each.role) for each in held_out.placed if each.agent in agents)
        for job, count in jobs.items():
            taught.update(dict.fromkeys(keys_of(*job), count))
    return {
        key: made(theirs, ceil(odd[key] * len(theirs) / taught[key]) if odd[key] else 0)
        for key, theirs in values.items()
        if len(theirs) >= SESSIONS_MIN or key == EVERYBODY
    }


def _known_keys(agent: str, role: str) -> set[str]:
    return {EVERYBODY, agent_key(agent), job_key(agent, role)}


def _new_keys(agent: str, _role: str) -> set[str]:
    return {EVERYBODY, agent_key(agent)}
