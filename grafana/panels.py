"""What the dashboard shows, and what to do about it: from "is it stopping things" to "is it healthy"."""

from typing import Literal

from msgspec import Struct

WORKER = 'instance=~"$worker"'
STOPS = 'action=~"revoke_token|kill_session|quarantine_workflow"'
JUDGED = 'result="judged"'


class Query(Struct, frozen=True):
    """PromQL, and how its series are named."""

    expr: str
    legend: str = ""


class Panel(Struct, frozen=True, kw_only=True):
    """One panel. From `warn` on it is yellow, from `bad` on red; where `low_is_bad`, red below `warn`."""

    title: str
    description: str
    queries: tuple[Query, ...]
    kind: Literal["stat", "timeseries", "state-timeline"] = "timeseries"
    unit: str = "short"
    width: int = 6
    warn: float | None = None
    bad: float | None = None
    low_is_bad: bool = False
    names: bool = False
    """A stat that shows the names of its series."""
    states: tuple[str, str] | None = None
    """Words for 0 and 1."""


class Row(Struct, frozen=True):
    """A heading and its panels, left to right."""

    title: str
    panels: tuple[Panel, ...]


def series(metric: str, *selectors: str) -> str:
    """The series of a metric, of the workers chosen."""
    return f"chainbrake_{metric}{{{', '.join((*selectors, WORKER))}}}"


def summed(expr: str, by: str = "") -> str:
    """Over all workers; apart by some labels."""
    return f"sum by ({by}) ({expr})" if by else f"sum({expr})"


def per_s(metric: str, by: str = "", *selectors: str) -> str:
    """How often, a second."""
    return summed(f"rate({series(metric, *selectors)}[$__rate_interval])", by)


def per_min(metric: str, by: str = "", *selectors: str) -> str:
    """How often, a minute: for what happens seldom."""
    return f"60 * {per_s(metric, by, *selectors)}"


def happened(metric: str, *selectors: str) -> tuple[Query, ...]:
    """How often in the time shown; whole numbers, since Prometheus extrapolates."""
    return (Query(f"round({summed(f'increase({series(metric, *selectors)}[$__range])')})"),)


def quantiles(metric: str) -> tuple[Query, ...]:
    """Median and slowest of a hundred, over all workers."""
    rates = f"sum by (le) (rate({series(f'{metric}_bucket')}[$__rate_interval]))"
    return (
        Query(f"histogram_quantile(0.5, {rates})", "p50"),
        Query(f"histogram_quantile(0.99, {rates})", "p99"),
    )


STOPPING = Row(
    "Is it stopping things",
    (
        Panel(
            title="Firing alerts",
            description="Open docs/operating.md at the heading of the same name: it says what to do.",
            queries=(
                Query(
                    'count by (alertname, severity) (ALERTS{service="chainbrake", alertstate="firing"})',
                    "{{alertname}} ({{severity}})",
                ),
            ),
            kind="stat",
            width=24,
            bad=1,
            names=True,
        ),
        Panel(
            title="Stops ordered",
            description="Kill, revoke and quarantine commands in the time shown. What each hit is in its "
            "acknowledgement; why it was ordered is in its `reason`, on the commands topic.",
            queries=happened("commands_total", STOPS),
            kind="stat",
            width=4,
        ),
        Panel(
            title="Waiting for an acknowledgement",
            description="Commands sent whose time to be acknowledged is not up. A few are normal after a "
            "stop; a number that stays says that a hook is silent: see whether it runs.",
            queries=(Query(summed(series("commands_pending"))),),
            kind="stat",
            width=4,
            warn=20,
            bad=100,
        ),
        Panel(
            title="Sent again",
            description="No hook said in time that a command worked, so it was sent again under its own id. "
            "See the acknowledgements beside: failed and unsupported do not count as an answer.",
            queries=happened("commands_resent_total"),
            kind="stat",
            width=4,
            warn=1,
        ),
        Panel(
            title="Stops escalated",
            description="Stops that nobody acknowledged: the session may still be running. Stop it by hand, "
            "then mend the hook. Alert: StopEscalated.",
            queries=happened("commands_escalated_total"),
            kind="stat",
            width=4,
            bad=1,
        ),
        Panel(
            title="Given up on",
            description="Commands of any kind that got no answer through all resends, or expired before one "
            "came. Alert: CommandUnacknowledged.",
            queries=happened("commands_unacknowledged_total"),
            kind="stat",
            width=4,
            bad=1,
        ),
        Panel(
            title="Degraded to step-up",
            description="Stops that were due but not ordered: the budget was used up or the identity is "
            "protected. Look at each of these sessions now. Alert: StopsDegraded.",
            queries=happened("commands_degraded_total"),
            kind="stat",
            width=4,
            bad=1,
        ),
        Panel(
            title="Commands by action",
            description="In shadow mode (see build, below) they are decided and published, but no hook acts "
            "on them. A burst of one kind: read some of their reasons before trusting them.",
            queries=(Query(per_min("commands_total", "action"), "{{action}}"),),
            unit="cpm",
            width=10,
        ),
        Panel(
            title="Acknowledgements by outcome and certainty",
            description="Verified: a probe that worked before is refused now. Accepted: the target only "
            "answered. Failed, unsupported and not found stop nobody: look at that hook's log.",
            queries=(Query(per_min("acks_total", "outcome, certainty"), "{{outcome}}, {{certainty}}"),),
            unit="cpm",
            width=10,
        ),
        Panel(
            title="Acknowledgements unreadable",
            description="A hook writes what is no acknowledgement, so its commands count as unanswered. The "
            "worker's log shows the beginning of each. Alert: AcknowledgementsUnreadable.",
            queries=(Query(per_min("acks_unreadable_total"), "unreadable"),),
            unit="cpm",
            width=4,
            bad=0.001,
        ),
    ),
)

SPEED = Row(
    "How fast",
    (
        Panel(
            title="Decision: arrival to command at the broker",
            description="What is ours of the time to a stop. High: see lag, flush and dependencies below. "
            "After an outage it holds the outage. Alert: DecisionSlow.",
            queries=quantiles("decision_seconds"),
            unit="s",
            width=8,
            warn=0.1,
            bad=1,
        ),
        Panel(
            title="Acknowledgement: arrival to a hook's answer",
            description="The whole way to a stop, as far as hooks hand back when the event arrived. Far "
            "above the decision: the hook or its target is slow.",
            queries=quantiles("acknowledgement_seconds"),
            unit="s",
            width=8,
            warn=5,
            bad=15,
        ),
        Panel(
            title="Source lag: event to arrival",
            description="Not ours: how late producers deliver; the newest operation of each batch is "
            "measured. "
            "Cloud audit logs are minutes late: stops that rest on them cannot be faster.",
            queries=quantiles("source_lag_seconds"),
            unit="s",
            width=8,
            warn=60,
            bad=300,
        ),
        Panel(
            title="Time to judge a batch",
            description="Of one partition, loading of cold workflows included. High and full batches: the "
            "worker has no more to give, add one.",
            queries=quantiles("batch_seconds"),
            unit="s",
            width=12,
            warn=0.25,
            bad=1,
        ),
        Panel(
            title="Time to store a partition's changes",
            description="One flush to Redis, what it owes handed to Kafka included. High: look at Redis "
            "(slow log, a rewrite of its file, network).",
            queries=quantiles("flush_seconds"),
            unit="s",
            width=12,
            warn=0.5,
            bad=5,
        ),
    ),
)

SIGHT = Row(
    "What it sees",
    (
        Panel(
            title="Events by result",
            description="Judged holds late and unclassified ones, too. Redelivered is normal after a "
            "restart. Many duplicates: a producer sends twice. id_reused: another act under an id that "
            "was used before; its producer counts wrongly, or an agent chooses its ids and hides behind "
            "them. Many unclassified: operations without an op class match no chain.",
            queries=(Query(per_s("events_total", "result"), "{{result}}"),),
            unit="cps",
            width=8,
        ),
        Panel(
            title="Findings by detector",
            description="One detector suddenly loud: a new agent version, an old baseline, or an attack. "
            "Read some of its findings, then tune it in the policy.",
            queries=(Query(per_min("findings_total", "detector"), "{{detector}}"),),
            unit="cpm",
            width=8,
        ),
        Panel(
            title="Dead letters by reason",
            description="What could not be judged, kept with its reason on the dead-letter topic. "
            "judge_failed is a mistake in chainbrake. Alerts: JudgeFailed, DeadLettersRising.",
            queries=(Query(per_min("dead_letters_total", "reason"), "{{reason}}"),),
            unit="cpm",
            width=8,
            warn=1,
        ),
        Panel(
            title="What analysts said, by detector",
            description="Dispositions of 7 days: false_positive are wrong stops and false alarms. A detector "
            "that is wrong more often than right: raise its threshold, or take it out of may_stop. "
            "Nothing here though there are stops: nobody says what came of them (chainbrake dispose).",
            queries=(
                Query(
                    summed(f"increase({series('dispositions_total')}[7d])", "detector, verdict") + " > 0",
                    "{{detector}} {{verdict}}",
                ),
            ),
            width=24,
        ),
        Panel(
            title="Not enough seen",
            description="Share of judged events from agents in roles that the baseline does not know: "
            "learned detectors say nothing there, neither good nor bad. 100 % without a "
            "baseline. Alert: NotEnoughSeenHigh.",
            queries=(
                Query(
                    f"{per_s('not_enough_seen_total')} / {per_s('events_total', '', JUDGED)}",
                    "not enough seen",
                ),
            ),
            unit="percentunit",
            width=12,
            warn=0.5,
        ),
        Panel(
            title="Sessions begun, idle and forgotten",
            description="Forgotten: a workflow had more sessions than are kept, and the one silent longest "
            "gave way. Any number of these: does a producer put everything into one workflow?",
            queries=(
                Query(per_min("sessions_begun_total"), "begun"),
                Query(per_min("sessions_idle_total"), "idle"),
                Query(per_min("sessions_forgotten_total"), "forgotten"),
            ),
            unit="cpm",
            width=12,
        ),
    ),
)
