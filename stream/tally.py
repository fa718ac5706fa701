"""The judge's counts as metrics: the judge is pure and only counts, this tells the difference."""

from msgspec.structs import asdict, replace

from detectors.judge import Tally
from stream import metrics


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
