"""Learns how fast sessions are, for every cohort that they belong to.

Of every session the peak of each decayed count is taken. Peaks are modelled as Gamma-Poisson (negative
binomial): variance = mean + dispersion · mean². A cohort's mean is drawn towards that of the broader one, as
logarithms, since paces differ by orders of magnitude; the broader one weighs as much as `PRIOR_SESSIONS`
sessions where jobs are alike, and less the more jobs differ and the steadier each is (empirical Bayes: the
within-job share of the variance). The dispersion is drawn with `PRIOR_SESSIONS`, and larger by 1 / sessions,
so that what never varied still has a tail. A limit is the quantile, and at least the highest peak seen.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from operator import attrgetter

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import nbinom

from models.baselines.cohorts import EVERYBODY, job_key, pair_key, tally, told_keys
from models.baselines.counting import Run
from models.baselines.pace import TAILS, TIMED, CohortPace
from models.baselines.paces import paces_of
from models.baselines.rates import HORIZONS_MS, count
from models.baselines.surprise_learning import NOBODY, Beyond
from models.event import CHANGES, READS, OpClass, Outcome

PRIOR_SESSIONS = 5.0
"""What the broader cohort is worth: a handful, so that a job speaks for itself after a day or two."""

PAUSES_MIN = 20

DISPERSION_MIN = 0.05
"""Never narrower than nearly Poisson: steady can be broken."""

SPREAD_MAX = 10.0
"""Dispersion between jobs; beyond it a limit of everybody would be no limit."""

HORIZONS = range(len(HORIZONS_MS))

Floats = NDArray[np.float64]


class Seen(Struct):
    """What was seen of a cohort."""

    places: list[int]
    """Of its sessions."""
    parent: str
    """The broader cohort that it is drawn towards."""


class Fit(Struct):
    """Of one cohort; arrays of shape (classes, horizons)."""

    mean: Floats
    dispersion: Floats


def peaks_of_runs(once: Sequence[Run]) -> Floats:
    """Of runs with each act told once; shape (sessions, classes, horizons)."""
    return np.array([rate_peaks(run) for run in once]).reshape(-1, len(TIMED), len(HORIZONS_MS))


def learn_pace(runs: Sequence[Run], peaks: Floats, hasty: Beyond = NOBODY) -> dict[str, CohortPace]:
    """By cohort. `peaks` of the same sessions, as in `peaks_of_runs`.

    `hasty` counts those that did not teach for having been faster than the live floor.
    """
    if not runs:
        return {}
    pauses = [_pauses_ms(run) for run in runs]
    spans = [(len(run), _lasted_ms(run)) for run in runs]  # a session counts what every witness tells
    sessions = [(run[0].agent, run[0].agent_role) for run in runs]
    prior = Prior(sessions, peaks)
    cohorts = cohorts_of(sessions)
    faster = Counter[str]()
    for (agent, role), many in hasty.items():
        faster.update(dict.fromkeys({EVERYBODY, *told_keys(agent, role), pair_key(agent, role)}, many))
    fits = {EVERYBODY: prior.everybody}
    for key, seen in cohorts.items():
        if key != EVERYBODY:
            fits[key] = prior.drawn(peaks[seen.places], fits[seen.parent])
    highest = np.array([peaks[seen.places].max(axis=0) for seen in cohorts.values()])
    limits = limits_of([fits[key] for key in cohorts], highest)
    return {
        key: CohortPace(
            sessions=len(seen.places),
            events=sum(len(runs[place]) for place in seen.places),
            rate_limits=_by_class(limits[:, number]),
            pause_floor_ms=_floor_ms(
                [pause for place in seen.places for pause in pauses[place]], faster[key]
            ),
            paces=paces_of(spans[place] for place in seen.places),
        )
        for number, (key, seen) in enumerate(cohorts.items())
    }


def rate_peaks(run: Run) -> list[list[float]]:
    """Peak of each decayed count; shape (classes, horizons)."""
    cells: dict[str, list[float]] = {}
    peaks = {op_class: [0.0] * len(HORIZONS_MS) for op_class in TIMED}
    for event in run:
        if event.op_class is OpClass.UNCLASSIFIED:
            continue
        cell = count(cells, event.op_class, event.at_ms)
        row = peaks[event.op_class]
        for h in HORIZONS:
            if cell[h + 1] > row[h]:  # noqa: PLR1730 - a call to `max` costs as much as all else here
                row[h] = cell[h + 1]
    return [peaks[op_class] for op_class in TIMED]


def cohorts_of(sessions: Sequence[tuple[str, str]]) -> dict[str, Seen]:
    """Every cohort after the one that it is drawn towards: agent and role, the broader first, then the pair.

    A pair of which its agent or its role is all there was is no cohort of its own; what an agent does without
    a role is one always, since it is a job.
    """
    seen = tally(sessions)
    places: dict[str, list[int]] = defaultdict(list)
    parents: dict[str, Counter[str]] = defaultdict(Counter)
    for place, (agent, role) in enumerate(sessions):
        keys = sorted(told_keys(agent, role), key=lambda key: -seen[key])
        pair = pair_key(agent, role)
        if not role or (len(keys) > 1 and seen[pair] < seen[keys[1]]):
            keys.append(pair)
        for parent, key in zip((EVERYBODY, *keys), keys, strict=False):
            places[key].append(place)
            parents[key][parent] += 1
    broad_first = sorted(places, key=lambda key: (-seen[key], key))
    told = {key: Seen(places[key], min(parents[key].items(), key=_most)[0]) for key in broad_first}
    return {EVERYBODY: Seen(list(range(len(sessions))), ""), **told}


def _most(counted: tuple[str, int]) -> tuple[int, str]:
    return -counted[1], counted[0]


class Prior:
    """What is known of a job before it is seen: each job has one voice."""

    def __init__(self, sessions: Sequence[tuple[str, str]], peaks: Floats) -> None:
        jobs: dict[str, list[int]] = defaultdict(list)
        for place, (agent, role) in enumerate(sessions):
            jobs[job_key(agent, role)].append(place)
        theirs = [peaks[places] for places in jobs.values()]
        logs = np.array([np.log(_mean(each)) for each in theirs])
        within = np.array([np.log1p(each).var(axis=0) for each in theirs]).mean(axis=0)
        between = logs.var(axis=0)
        self._weight = PRIOR_SESSIONS * within / np.maximum(within + between, 1e-12)
        """Sessions that the broader cohort's mean is worth."""
        self._dispersion = np.array([_dispersion(each) for each in theirs]).mean(axis=0)
        spread = np.minimum(np.expm1(np.minimum(between, 10.0)), SPREAD_MAX)
        self.everybody = Fit(np.exp(logs.mean(axis=0)), self._dispersion + spread)

    def drawn(self, peaks: Floats, towards: Fit) -> Fit:
        """A cohort's fit, drawn towards the broader one's; `peaks` of shape (sessions, classes, horizons)."""
        n = len(peaks)
        log_mean = (n * np.log(_mean(peaks)) + self._weight * np.log(towards.mean)) / (n + self._weight)
        dispersion = (n * _dispersion(peaks) + PRIOR_SESSIONS * self._dispersion) / (n + PRIOR_SESSIONS)
        return Fit(np.exp(log_mean), dispersion + 1.0 / n)


def _mean(peaks: Floats) -> Floats:
    """Never nothing: what was not done in so many sessions is rare, and not impossible."""
    mean: Floats = np.maximum(peaks.mean(axis=0), 1.0 / (len(peaks) + PRIOR_SESSIONS))
    return mean


def _dispersion(peaks: Floats) -> Floats:
    """Beyond that of a Poisson count; 0 where it varies less."""
    mean = _mean(peaks)
    dispersion: Floats = np.maximum(peaks.var(axis=0) - mean, 0.0) / mean**2
    return dispersion


def limits_of(fits: Sequence[Fit], highest: Floats, tails: Sequence[float] = TAILS) -> Floats:
    """Quantiles of the negative binomial, of shape (tails, cohorts, classes, horizons).

    `highest`: what each cohort was seen to reach, of shape (cohorts, classes, horizons): no limit is less.
    """
    mean = np.array([fit.mean for fit in fits])
    size = 1.0 / np.maximum(np.array([fit.dispersion for fit in fits]), DISPERSION_MIN)
    pairs, back = np.unique(np.stack([mean.ravel(), size.ravel()]), axis=1, return_inverse=True)
    chance = pairs[1] / (pairs[1] + pairs[0])
    quantiles = [nbinom.ppf(1.0 - tail, pairs[1], chance)[back.ravel()].reshape(mean.shape) for tail in tails]
    limits: Floats = np.maximum(np.array(quantiles), highest[None])
    return limits


def _by_class(limits: Floats) -> dict[str, list[list[float]]]:
    """As they stand in the file, to a hundredth: never below what was seen."""
    told = np.ceil(limits * 100) / 100
    return {op_class: told[:, c].tolist() for c, op_class in enumerate(TIMED)}


def _lasted_ms(run: Run) -> int:
    times = [event.at_ms for event in run]
    return max(times) - min(times)


def _pauses_ms(run: Run) -> list[int]:
    """From each read to the change after it."""
    pauses: list[int] = []
    read_ms = -1
    for event in sorted(run, key=attrgetter("at_ms")):
        if event.outcome is not Outcome.OK:
            continue
        if event.op_class in READS:
            read_ms = event.at_ms
        elif read_ms >= 0 and event.op_class in CHANGES:
            pauses.append(event.at_ms - read_ms)
    return pauses


def _floor_ms(pauses: Sequence[int], faster: int) -> int | None:
    """1 % quantile, if there are enough.

    Each of those that were `faster` than the live floor counts as one pause more, as short as the shortest
    that taught: the share that is below a floor is always missing from the next history, and without it each
    generation's floor would be higher. It is never below what taught, however many they are.
    """
    if len(pauses) < PAUSES_MIN:
        return None
    return int(np.quantile([*pauses, *[min(pauses)] * faster], 0.01))
