"""Learns a baseline from recorded sessions.

Rates: of every session, the peak of each decayed count is taken; over a role's sessions these peaks are
modelled as Gamma-Poisson (negative binomial), with mean and dispersion drawn towards all roles' by
`PRIOR_SESSIONS`, so a count that never varied still has a tail. A limit is that distribution's quantile,
and at least the highest peak seen. Surprise: the model is fitted `FOLDS` times without one part of the
sessions, and the peaks of the part left out calibrate the limit.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nbinom
from sklearn.model_selection import KFold

from models.baselines.baseline import (
    FEATURE_SET,
    FORMAT,
    FORMAT_VERSION,
    SESSIONS_MIN,
    TAILS,
    Header,
    Payload,
    RoleBaseline,
)
from models.baselines.habits import count_habits
from models.baselines.rates import HORIZONS_MS, count
from models.baselines.transitions import (
    GAPS_MS,
    MEMORY,
    START,
    TransitionModel,
    averaged,
    count_transitions,
    symbol_of,
)
from models.event import CHANGES, READS, OpClass, Operation, Outcome

FOLDS = 5
PEAKS_MAX = 512
PRIOR_SESSIONS = 5.0
PAUSES_MIN = 20
CLASSES = tuple(op_class for op_class in OpClass if op_class is not OpClass.UNCLASSIFIED)

Run = Sequence[Operation]
Floats = NDArray[np.float64]


def learn(runs: Iterable[Run], left_out: dict[str, int]) -> tuple[Header, Payload]:
    """A baseline of honest runs, each the operations of one session in event-time order.

    `left_out` says which sessions the caller kept back, and why; it is recorded, not acted upon.
    """
    by_role: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run:
            by_role[run[0].agent_role].append(run)
    peaks = {role: np.array([_rate_peaks(run) for run in theirs]) for role, theirs in by_role.items()}
    prior = _prior(list(peaks.values()))
    roles = {role: _role(theirs, peaks[role], prior) for role, theirs in by_role.items()}
    times = [event.at_ms for theirs in by_role.values() for run in theirs for event in (run[0], run[-1])]
    header = Header(
        format=FORMAT,
        version=FORMAT_VERSION,
        feature_set=FEATURE_SET,
        horizons_ms=list(HORIZONS_MS),
        gaps_ms=list(GAPS_MS),
        memory=MEMORY,
        sessions=sum(role.sessions for role in roles.values()),
        events=sum(role.events for role in roles.values()),
        left_out=left_out,
        from_ms=min(times, default=0),
        to_ms=max(times, default=0),
        checksum="",
    )
    habits = {role: count_habits(theirs) for role, theirs in by_role.items() if role}
    return header, Payload(roles=roles, habits=habits)


def _role(runs: list[Run], peaks: Floats, prior: tuple[Floats, Floats]) -> RoleBaseline:
    limits = _rate_limits(peaks, prior)
    enough = len(runs) >= SESSIONS_MIN
    return RoleBaseline(
        sessions=len(runs),
        events=sum(len(run) for run in runs),
        rate_limits={
            op_class: [[float(limits[t, c, h]) for h in range(len(HORIZONS_MS))] for t in range(len(TAILS))]
            for c, op_class in enumerate(CLASSES)
        },
        transitions=count_transitions(_symbols(run) for run in runs),
        surprise_peaks=_surprise_peaks(runs) if enough else [],
        pause_floor_ms=_pause_floor_ms(runs),
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


def _symbols(run: Run) -> list[tuple[str, str, int]]:
    return [
        (symbol_of(event.operation, event.target_kind), event.op_class.value, event.at_ms) for event in run
    ]


def _surprise_peaks(runs: list[Run]) -> list[float]:
    """Peak surprise of each session under a model that has not seen it, ascending."""
    symbols = [_symbols(run) for run in runs]
    peaks: list[float] = []
    for kept, held_out in KFold(FOLDS, shuffle=True, random_state=0).split(symbols):
        model = TransitionModel(count_transitions(symbols[i] for i in kept))
        peaks.extend(_surprise_peak(model, symbols[i]) for i in held_out)
    peaks.sort()
    if len(peaks) > PEAKS_MAX:
        ranks = np.linspace(0, len(peaks) - 1, PEAKS_MAX).round().astype(int)
        peaks = [peaks[i] for i in ranks]
    return peaks


def _surprise_peak(model: TransitionModel, symbols: list[tuple[str, str, int]]) -> float:
    average = peak = 0.0
    previous, previous_ms = START, -1
    for symbol, op_class, at_ms in symbols:
        if previous_ms >= 0:
            bits = model.surprise(previous, symbol, op_class, at_ms - previous_ms)
        else:
            bits = model.bits(START, symbol)
        average = averaged(average, bits)
        peak = max(peak, average)
        previous, previous_ms = symbol, at_ms
    return peak


def _pause_floor_ms(runs: list[Run]) -> int | None:
    """1 % quantile of the pauses from a read to the change after it."""
    pauses: list[int] = []
    for run in runs:
        read_ms = -1
        for event in run:
            if event.outcome is not Outcome.OK:
                continue
            if event.op_class in READS:
                read_ms = event.at_ms
            elif read_ms >= 0 and event.op_class in CHANGES:
                pauses.append(event.at_ms - read_ms)
    return int(np.quantile(pauses, 0.01)) if len(pauses) >= PAUSES_MIN else None
