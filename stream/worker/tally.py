"""The judge's counts as metrics: the judge is pure and only counts, this tells the difference."""

from math import nan

from msgspec.structs import asdict, replace

from detectors.judge import Judge
from detectors.tally import Tally
from stream import metrics
from stream.model_registry.announcement import Slot


def publish_tally(now: Tally, before: Tally) -> Tally:
    """Add what was counted since `before`; returns what to pass next time."""
    grown = {name: value - getattr(before, name) for name, value in asdict(now).items()}
    metrics.EVENTS.labels("judged").inc(grown["events"] - grown["duplicates"])
    metrics.EVENTS.labels("duplicate").inc(grown["duplicates"])
    metrics.EVENTS.labels("redelivered").inc(grown["redelivered"])
    metrics.EVENTS.labels("late").inc(grown["late"])
    metrics.EVENTS.labels("id_reused").inc(grown["ids_reused"])
    metrics.EVENTS.labels("unclassified").inc(grown["unclassified"])
    metrics.NOT_ENOUGH_SEEN.inc(grown["not_enough_seen"])
    metrics.SESSIONS_BEGUN.inc(grown["sessions_begun"])
    metrics.SESSIONS_FORGOTTEN.inc(grown["sessions_forgotten"])
    return replace(now)


def publish_baseline(slot: Slot, judge: Judge | None) -> None:
    """How far the last sessions are from what a slot's baseline expects, and what of it cannot be read."""
    baseline, drift = (judge.baseline, judge.drift) if judge is not None else (None, None)
    metrics.BASELINE_UNREADABLE.labels(slot).set(baseline.unreadable if baseline is not None else 0)
    metrics.DRIFT_SESSIONS.labels(slot).set(drift.sessions if drift else 0)
    indices = {"surprise": drift.surprise_index(), "pace": drift.pace_index()} if drift else {}
    errors = {"surprise": drift.calibration_error(), "together": drift.joint_error()} if drift else {}
    for gauge, found, parts in (
        (metrics.DRIFT_INDEX, indices, metrics.DRIFTING),
        (metrics.CALIBRATION_ERROR, errors, metrics.CALIBRATED),
    ):
        for of in parts:
            value = found.get(of)
            gauge.labels(slot, of).set(nan if value is None else value)
