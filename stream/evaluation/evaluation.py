"""What an evaluation says: the keys of `chainbrake evaluate --json`, described in docs/evaluating.md.

A share or a figure is None where there is nothing to take it from. Scores are running maxima in bits;
`with_end` is the same with the session's end as one more event.
"""

import msgspec
from msgspec import Struct

DIGITS = 6


class Interval(Struct, frozen=True):
    """A share that was counted, and where the true one lies (Clopper-Pearson, 95 %)."""

    count: int
    of: int
    share: float | None
    low: float
    high: float


class AtRate(Struct, frozen=True):
    """What is found at a threshold that so many of the benign sessions evaluated here exceed."""

    rate: float
    threshold: float | None
    recall: Interval
    resisted: Interval
    """Alarms among sessions that met an attack and resisted."""


class Curves(Struct, frozen=True):
    """How well a score tells benign and malicious sessions apart, whatever the threshold."""

    auc: float | None
    average_precision: float | None
    at_rates: list[AtRate]
    roc: list[tuple[float, float]]
    """False alarm share, recall."""
    precision_recall: list[tuple[float, float]]
    """Recall, precision."""


class Delays(Struct, frozen=True):
    """Operations from the first bad one to the alarm, of malicious sessions in which that one is known."""

    sessions: int
    alarmed_before: int
    missed: int
    median: float | None
    p90: float | None
    counts: list[tuple[int, int]]
    """Delay, and how many sessions had it; ascending."""


class AtBudget(Struct, frozen=True):
    """What the baseline's own limits do at a budget, without any label."""

    budget: float
    """Share of honest sessions that may raise an alarm."""
    false_alarms: Interval
    false_alarms_with_end: Interval
    recall: Interval
    recall_with_end: Interval
    resisted: Interval
    alarms: Interval
    """Of all sessions that were seen enough, labelled or not."""
    not_enough_seen: int
    """Sessions for which the baseline promises nothing at this budget."""
    delays: Delays


class Promise(Struct, frozen=True):
    """One point of the calibration curve."""

    promised: float
    achieved: Interval
    """Benign sessions that exceed a limit of that promise, in any score."""
    kept: bool | None
    """Whether the promised share lies within the interval, or above it."""


class Cohort(Struct, frozen=True):
    """The sessions of one agent, or of one job."""

    name: str
    sessions: int
    malicious: int
    auc: float | None
    false_alarms: Interval
    """At the policy's budget, and so the following."""
    recall: Interval
    not_enough_seen: int
    median_score: float | None


class Example(Struct, frozen=True):
    """One session that was judged wrongly, or not needfully."""

    session: str
    workflow: str
    agent: str
    role: str
    score: float
    limit: float | None
    p_value: float | None
    events: int
    at: int | None
    """0-based operation that alarmed, or scored highest where none did."""
    event: str
    """Its id."""
    why: str
    first_bad: int | None


class Examples(Struct, frozen=True):
    """A few of each kind of error, the gravest first, and how many there are."""

    false_alarms: list[Example]
    misses: list[Example]
    """Malicious sessions without an alarm."""
    resisted: list[Example]
    """Alarms of sessions that met an attack and resisted."""
    undecided: list[Example]
    """Malicious sessions that the baseline has not seen enough to judge."""


class Bin(Struct, frozen=True):
    """p-values above the last bin's end, up to and with this one's."""

    up_to: float
    sessions: int
    share: float | None
    expected: float
    """If nothing had changed since training."""


class Drift(Struct, frozen=True):
    """How the sessions compare with those that taught: the benign ones, or all where no labels are known."""

    sessions: int
    trained_from_ms: int
    trained_to_ms: int
    from_ms: int | None
    to_ms: int | None
    p_values: list[Bin]
    stability_index: float | None
    """Population stability of the p-values: below 0.1 stable, above 0.25 retrain (a rule of thumb)."""
    agents_never_seen: int
    """Sessions of such agents."""
    roles_never_seen: int
    """Sessions of such jobs."""
    operations_never_seen: Interval
    """Of all operations; names that training never saw."""


class Moved(Struct, frozen=True):
    """A session that one baseline alarms at and the other does not, at the policy's budget."""

    session: str
    workflow: str
    kind: str
    """What it was; empty for unknown."""
    alarm: bool | None
    live_alarm: bool | None
    score: float
    live_score: float
    why: str


class Delta(Struct, frozen=True):
    """One figure under both."""

    figure: str
    this: float | None
    live: float | None
    change: float | None


class Comparison(Struct, frozen=True):
    """The same sessions under the live baseline."""

    live: str
    """Its version."""
    both: int
    """Sessions that alarm under both."""
    only_this: int
    only_live: int
    neither: int
    moved: list[Moved]
    """Some of those that change sides."""
    deltas: list[Delta]
    roc: list[tuple[float, float]]
    """The live one's."""
    features_match: bool


class Counts(Struct, frozen=True):
    """What was evaluated."""

    sessions: int
    events: int
    benign: int
    malicious: int
    resisted: int
    unknown: int
    """Sessions that no label speaks of."""
    empty: int
    """Sessions without operations: in no figure."""


class Evaluation(Struct, frozen=True):
    """All of it."""

    format: str
    baseline: str
    """Its version."""
    source: str
    budget: float
    """The policy's."""
    counts: Counts
    streaming: Curves
    with_end: Curves
    macro: dict[str, float | None]
    """Means over the agents that have benign and malicious sessions, streaming."""
    budgets: list[AtBudget]
    calibration: list[Promise]
    agents: list[Cohort]
    roles: list[Cohort]
    """Those with most sessions."""
    examples: Examples
    drift: Drift
    comparison: Comparison | None = None


def as_json(evaluation: Evaluation) -> bytes:
    """One JSON object; the same evaluation is the same bytes."""
    return msgspec.json.encode(_rounded(msgspec.to_builtins(evaluation)))


def _rounded(value: object) -> object:
    match value:
        case float():
            return round(value, DIGITS)
        case dict():
            return {name: _rounded(each) for name, each in value.items()}
        case list() | tuple():
            return [_rounded(each) for each in value]
        case _:
            return value
