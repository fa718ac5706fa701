"""Learns a baseline from recorded sessions.

Rates: of every session, the peak of each decayed count is taken; over a role's sessions these peaks are
modelled as Gamma-Poisson (negative binomial), with mean and dispersion drawn towards all roles' by
`PRIOR_SESSIONS`, so a count that never varied still has a tail. A limit is that distribution's quantile,
and at least the highest peak seen. Sequences and origins: `models/baselines/surprise_learning.py`. Both count
an act once, by who told of it first, as judging does; habits are what all witnesses say.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nbinom

from models.baselines.baseline import (
    FEATURE_SET,
    FORMAT,
    FORMAT_VERSION,
    TAILS,
    Header,
    Payload,
    RoleBaseline,
)
from models.baselines.counting import Run
from models.baselines.habits import count_habits
from models.baselines.paces import paces_of
from models.baselines.rates import HORIZONS_MS, count
from models.baselines.surprise_file import packed
from models.baselines.surprise_learning import learn_surprise
from models.event import CHANGES, READS, OpClass, Outcome
from models.session import ACTS_MAX, remembered

PRIOR_SESSIONS = 5.0
PAUSES_MIN = 20
CLASSES = tuple(op_class for op_class in OpClass if op_class is not OpClass.UNCLASSIFIED)

Floats = NDArray[np.float64]


def learn(
    runs: Iterable[Run], left_out: dict[str, int], groups: Sequence[str] | None = None
) -> tuple[Header, Payload]:
    """A baseline of honest runs, each the operations of one session in the order in which they were told.

    `left_out` says which sessions the caller kept back, and why; it is recorded, not acted upon. `groups`
    names the variant of the agent behind each run (its language model, its version), where that is known.
    """
    honest = list(runs)
    assert all(honest), "a run without operations teaches nothing"
    if groups is None:
        honest.sort(key=_order)  # neighbours in time are held out together
    by_role: dict[str, list[Run]] = defaultdict(list)
    for run in honest:
        by_role[run[0].agent_role].append(run)
    once = [_told_first(run) for run in honest]
    by_role_once: dict[str, list[Run]] = defaultdict(list)
    for run in once:
        by_role_once[run[0].agent_role].append(run)
    peaks = {role: np.array([_rate_peaks(run) for run in theirs]) for role, theirs in by_role_once.items()}
    prior = _prior(list(peaks.values()))
    roles = {role: _role(theirs, by_role_once[role], peaks[role], prior) for role, theirs in by_role.items()}
    spans = [_span_ms(run) for run in honest]
    header = Header(
        format=FORMAT,
        version=FORMAT_VERSION,
        feature_set=FEATURE_SET,
        sessions=len(honest),
        events=sum(len(run) for run in honest),
        left_out=left_out,
        from_ms=min((first for first, _ in spans), default=0),
        to_ms=max((last for _, last in spans), default=0),
        data_digest=_digest(honest),
        checksum="",
    )
    habits = {role: count_habits(theirs) for role, theirs in by_role.items() if role}
    return header, Payload(roles=roles, surprise=packed(learn_surprise(once, groups)), habits=habits)


def _span_ms(run: Run) -> tuple[int, int]:
    """Its first and its last act."""
    times = [event.at_ms for event in run]
    return min(times), max(times)


def _order(run: Run) -> tuple[int, str, str]:
    first = run[0]
    return first.at_ms, first.workflow, first.session


def _told_first(run: Run) -> Run:
    """Every act once, as whoever told of it first told it; as the judge does."""
    acts: list[str] = []
    if not any(event.act for event in run):
        return run
    return [event for event in run if not event.act or remembered(acts, event.act, ACTS_MAX)]


def _digest(runs: Iterable[Run]) -> str:
    """Of what taught, whatever the order of the sessions."""
    whole = sha256()
    for digest in sorted(map(_run_digest, runs)):
        whole.update(digest)
    return whole.hexdigest()


def _run_digest(run: Run) -> bytes:
    told = sha256()
    for event in run:
        told.update(f"{event.source}\0{event.id}\0{event.at_ms}\0{event.operation}\n".encode())
    return told.digest()


def _role(runs: list[Run], once: list[Run], peaks: Floats, prior: tuple[Floats, Floats]) -> RoleBaseline:
    limits = _rate_limits(peaks, prior)
    return RoleBaseline(
        sessions=len(runs),
        events=sum(len(run) for run in runs),
        rate_limits={
            op_class: [[float(limits[t, c, h]) for h in range(len(HORIZONS_MS))] for t in range(len(TAILS))]
            for c, op_class in enumerate(CLASSES)
        },
        pause_floor_ms=_pause_floor_ms(runs),
        paces=paces_of((len(run), last - first) for run in once for first, last in (_span_ms(run),)),
    )


def _rate_peaks(run: Run) -> list[list[float]]:
    """Peak of each decayed count; shape (classes, horizons)."""
    cells: dict[str, list[float]] = {}
    peaks = {op_class: [0.0] * len(HORIZONS_MS) for op_class in CLASSES}
    for event in run:
        if event.op_class is OpClass.UNCLASSIFIED:
            continue
        cell = count(cells, event.op_class, event.at_ms)
        row = peaks[event.op_class]
        for h in range(len(HORIZONS_MS)):
            row[h] = max(row[h], cell[h + 1])
    return [peaks[op_class] for op_class in CLASSES]


def _prior(peaks: list[Floats]) -> tuple[Floats, Floats]:
    """Mean and variance over all roles, each role one voice; shapes (classes, horizons)."""
    if not peaks:
        nothing = np.zeros((len(CLASSES), len(HORIZONS_MS)))
        return nothing, nothing
    means = np.array([rows.mean(axis=0) for rows in peaks])
    spreads = np.array([rows.var(axis=0) for rows in peaks])
    return means.mean(axis=0), spreads.mean(axis=0)


def _rate_limits(peaks: Floats, prior: tuple[Floats, Floats]) -> Floats:
    """Quantiles of the negative binomial; shape (tails, classes, horizons)."""
    n = len(peaks)
    mean = (peaks.sum(axis=0) + PRIOR_SESSIONS * prior[0]) / (n + PRIOR_SESSIONS)
    spread = (n * peaks.var(axis=0) + PRIOR_SESSIONS * prior[1]) / (n + PRIOR_SESSIONS)
    mean = np.maximum(mean, 1.0 / (n + PRIOR_SESSIONS))
    variance = np.maximum(
        spread, 1.05 * mean
    )  # never narrower than Poisson: steady is not impossible to break
    size = mean**2 / (variance - mean)
    chance = size / (size + mean)
    quantiles = np.array([nbinom.ppf(1.0 - tail, size, chance) for tail in TAILS])
    limits: Floats = np.maximum(quantiles, peaks.max(axis=0)[None])
    return limits


def _pause_floor_ms(runs: list[Run]) -> int | None:
    """1 % quantile of the pauses from a read to the change after it."""
    pauses: list[int] = []
    for run in runs:
        read_ms = -1
        for event in sorted(run, key=attrgetter("at_ms")):
            if event.outcome is not Outcome.OK:
                continue
            if event.op_class in READS:
                read_ms = event.at_ms
            elif read_ms >= 0 and event.op_class in CHANGES:
                pauses.append(event.at_ms - read_ms)
    return int(np.quantile(pauses, 0.01)) if len(pauses) >= PAUSES_MIN else None
