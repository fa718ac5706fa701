"""Risk: alarms combined like independent ones, fading with the event's own time.

risk = 1 - Π (1 - confidence_i · 2^(-age_i / half-life)), the noisy-or of Pearl (1988); order does not
matter, and the logarithm of the calm splits into one share per alarm.
"""

from collections.abc import Iterable
from math import exp2, log1p

from models.command import Contribution
from models.session import Alarm

CONFIDENCE_MAX = 0.999
"""Nothing is certain: a confidence of 1 would never fade out of a product, nor leave others a share."""


def faded(alarm: Alarm, at_ms: int, half_life_ms: int) -> float:
    """What is left of an alarm's confidence; an alarm dated later than `at_ms` counts in full."""
    age_ms = at_ms - alarm.at_ms
    return alarm.confidence if age_ms <= 0 else alarm.confidence * exp2(-age_ms / half_life_ms)


def combined(alarms: Iterable[Alarm], at_ms: int, half_life_ms: int) -> float:
    """The risk of a session with these alarms, 0 to 1."""
    calm = 1.0
    for alarm in alarms:
        calm *= 1.0 - min(CONFIDENCE_MAX, faded(alarm, at_ms, half_life_ms))
    return 1.0 - calm


def contributions(alarms: dict[str, Alarm], at_ms: int, half_life_ms: int) -> tuple[Contribution, ...]:
    """Each alarm's part in the combined risk, largest first."""
    left = {name: min(CONFIDENCE_MAX, faded(alarm, at_ms, half_life_ms)) for name, alarm in alarms.items()}
    calm = sum(log1p(-confidence) for confidence in left.values())
    rows = [
        Contribution(
            detector=name,
            confidence=round(alarm.confidence, 4),
            faded=round(left[name], 4),
            share=round(log1p(-left[name]) / calm, 4) if calm else 0.0,
            grade=alarm.grade,
            evidence=alarm.evidence,
        )
        for name, alarm in alarms.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.share, row.detector)))
