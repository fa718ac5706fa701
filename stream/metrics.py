"""Every metric, in one place. Labels are bounded: no session, agent or operation is ever one.

Each has a panel in `grafana/dashboards/chainbrake.json`, and a line in `docs/operating.md`.
"""

from collections.abc import Iterable
from itertools import product
from math import nan

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from detectors.catalog import NAMES
from models.acknowledgement import Certainty, Hit
from models.command import Action
from models.errors import Unreadable
from models.finding import Verdict
from stream.model_registry.announcement import Slot
from stream.sources.known import SOURCES

UNTOLD = "untold"
"""Of a disposition of which nobody says, and the worker does not remember, on whose findings it is."""

REGISTRY = CollectorRegistry()
disable_created_metrics()  # type: ignore[no-untyped-call]  # each counter and histogram would have a second series that nothing reads

ORDERED = tuple(action for action in Action if action is not Action.OBSERVE)
_LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LAG_S = (0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600)


def _counter(name: str, text: str, **labels: Iterable[str]) -> Counter:
    """Labels with all their values: each series is there from the start, at 0.

    Prometheus sees no rise in a series that begins at 1: the first failure of its kind would page nobody.
    """
    counter = Counter(f"chainbrake_{name}", text, tuple(labels), registry=REGISTRY)
    for values in product(*labels.values()) if labels else ():
        counter.labels(*values)
    return counter


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"chainbrake_{name}", text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"chainbrake_{name}", text, labels, buckets=buckets, registry=REGISTRY)


EVENTS = _counter(
    "events_total",
    "Events read, by what became of them; late and unclassified ones, and those whose id was used "
    "before for another act, are judged, too",
    result=("judged", "duplicate", "redelivered", "late", "unclassified", "id_reused"),
)
DEAD_LETTERS = _counter(
    "dead_letters_total", "Records that could not be judged, by reason", reason=Unreadable
)
FINDINGS = _counter("findings_total", "Findings, by detector", detector=(*NAMES, "stop_unacknowledged"))
DISPOSITIONS = _counter(
    "dispositions_total",
    "What analysts said of stops and findings, by each detector that these rest on, and verdict",
    detector=(*NAMES, UNTOLD),
    verdict=Verdict,
)
COMMANDS = _counter("commands_total", "Commands decided, by action", action=ORDERED)
COMMANDS_DEGRADED = _counter("commands_degraded_total", "Stops degraded to step-up by budget or protection")
COMMANDS_RESENT = _counter("commands_resent_total", "Commands sent again for want of an acknowledgement")
COMMANDS_ESCALATED = _counter("commands_escalated_total", "Stops escalated after their last resend")
COMMANDS_UNACKNOWLEDGED = _counter("commands_unacknowledged_total", "Commands given up on, unacknowledged")
COMMANDS_PENDING = _gauge("commands_pending", "Commands that wait for an acknowledgement")
ACKS = _counter(
    "acks_total", "Acknowledgements read, by outcome and certainty", outcome=Hit, certainty=Certainty
)
ACKS_UNREADABLE = _counter("acks_unreadable_total", "Records of the acknowledgement topic that are none")

SOURCE_LAG = _histogram(
    "source_lag_seconds", "From an operation to its arrival on the log: the newest one of each batch", _LAG_S
)
DECISION = _histogram("decision_seconds", "From arrival on the log to the command at the broker", _LATENCY_S)
ACKNOWLEDGEMENT = _histogram(
    "acknowledgement_seconds", "From arrival on the log to a hook's acknowledgement", _LATENCY_S
)
BATCH = _histogram("batch_seconds", "Time to judge one batch", _LATENCY_S)
FLUSH = _histogram("flush_seconds", "Time to store what changed in one partition", _LATENCY_S)

LAG = _gauge("lag_records", "Records of the actions topic not judged yet, over this worker's partitions")
PARTITIONS = _gauge("partitions", "Partitions of the actions topic that this worker owns")
WORKFLOWS = _gauge("workflows", "Workflows in this worker's memory")
SESSIONS_BEGUN = _counter("sessions_begun_total", "Sessions seen for the first time, or again after idling")
SESSIONS_FORGOTTEN = _counter("sessions_forgotten_total", "Sessions dropped from a workflow with too many")
NOT_ENOUGH_SEEN = _counter("not_enough_seen_total", "Operations on which the baseline had no opinion")
OWED = _gauge("owed_messages", "Messages stored but not known to be at the broker")
FENCED = _counter("fenced_total", "Writes refused since another worker owns the partition")
STATE_UNREADABLE = _counter("state_unreadable_total", "Stored workflows that could not be read")
SESSIONS_IDLE = _counter("sessions_idle_total", "Sessions ended since nothing happened in them")
GAPS = _counter("gap_records_total", "Records that retention removed before they were read")
NOTES = _counter(
    "notes_total",
    "Steps of chains over workflows, by what became of them: told to all workers; put off, since the store "
    "was away; dropped, since there were too many",
    result=("told", "put_off", "dropped"),
)
DEPENDENCY_UP = _gauge("dependency_up", "1 if it answers, 0 if it is being waited for", "dependency")
STORE_FULLNESS = _gauge(
    "store_fullness_ratio",
    "Memory that Redis uses, of what it may take (maxmemory, else its machine's), of its fullest node",
)
BUILD = _gauge(
    "build_info",
    "1; the policy and model in use, whether stops are meant, and whether the fold is compiled",
    *("policy", "model", "mode", "fold"),
)
BASELINE_INFO = _gauge("baseline_info", "1; the baseline that fills a slot, or none", "slot", "model")
BASELINE_BEHIND = _gauge("baseline_behind", "1 if a slot's baseline is not the one announced", "slot")
BASELINE_CHANGES = _counter(
    "baseline_changes_total",
    "Announced baselines, by slot and whether they were put to work; what could not be had is tried again",
    slot=Slot,
    result=("changed", "refused", "unanswered"),
)
BASELINE_UNREADABLE = _gauge(
    "baseline_unreadable_parts",
    "Cohorts and limits of a slot's baseline that were asked for and have the wrong shape: as if never seen",
    "slot",
)
DRIFT_SESSIONS = _gauge(
    "drift_sessions", "Last sessions that drift is told from; fewer than 200 say nothing yet", "slot"
)
DRIFTING = ("surprise", "pace")
CALIBRATED = ("surprise", "together")
"""What the two below are told of."""
DRIFT_INDEX = _gauge(
    "drift_index",
    "Population stability index of the last sessions: below 0.1 stable, above 0.25 retrain; NaN is not "
    "enough seen",
    "slot",
    "of",
)
CALIBRATION_ERROR = _gauge(
    "calibration_error",
    "Share of the last sessions over a limit, less the promised share: of surprise alone, and of all "
    "calibrated scores together; NaN is not enough seen",
    "slot",
    "of",
)
SHADOW_EVENTS = _counter("shadow_events_total", "Events that the shadow baseline has judged, too")
SHADOW_DROPPED = _counter("shadow_dropped_total", "Workflows idle longest that a full shadow has dropped")
SHADOW_FINDINGS = _counter("shadow_findings_total", "Findings with the shadow baseline", detector=NAMES)
SHADOW_VERDICTS = _counter(
    "shadow_verdicts_total",
    "Verdicts on sessions that both judge, by action and by who came to them",
    action=ORDERED,
    told=("both", "live", "shadow"),
)

RECORDS = _counter(
    "records_total",
    "Records of raw topics, by source and what became of them; late and unclassified ones are "
    "judged, too; the log says which names to add",
    source=SOURCES,
    result=("read", "duplicate", "unreadable", "late", "unclassified"),
)
PROVISIONAL = _counter("provisional_total", "Events sent under a session that may not be the last word")
JOINED = _counter("joined_total", "Events sent again under their true session, since a link arrived")
WAITING = _gauge("waiting_events", "Events kept in case a link to their true session arrives")
SOURCE_SILENT = _gauge("source_silent_seconds", "Since a source that has talked was last heard", "source")

for _slot in Slot:
    BASELINE_BEHIND.labels(_slot).set(0)
    BASELINE_UNREADABLE.labels(_slot).set(0)
    DRIFT_SESSIONS.labels(_slot).set(0)
    for _of in CALIBRATED:
        CALIBRATION_ERROR.labels(_slot, _of).set(nan)
    for _of in DRIFTING:
        DRIFT_INDEX.labels(_slot, _of).set(nan)
for _dependency in ("kafka", "redis"):
    DEPENDENCY_UP.labels(_dependency).set(0)


def tell_baseline(slot: Slot, version: str) -> None:
    """One series a slot: the version that was there before is gone."""
    for labels in [sample.labels for metric in BASELINE_INFO.collect() for sample in metric.samples]:
        if labels["slot"] == slot:
            BASELINE_INFO.remove(slot, labels["model"])
    BASELINE_INFO.labels(slot, version).set(1)
