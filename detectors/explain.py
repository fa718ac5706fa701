"""Says why, in words a person at 3 a.m. can act on, and what each finding weighed."""

from msgspec import Struct

from detectors import risk
from detectors.ceilings import Ceilings
from detectors.chains.hosted import NOTHING, Declared
from detectors.policy import Level, Policy
from models.finding import Noticed
from models.session import Alarm


def reason_of(level: Level, risk: float, alarms: dict[str, Alarm], words: list[Noticed]) -> str:
    """What was just noticed, then the level, the risk it stands on, and all findings, surest first."""
    latest = "; ".join(word.reason for word in sorted(words, key=lambda word: -word.confidence))
    ranked = sorted(alarms.items(), key=lambda item: (-item[1].confidence, item[0]))
    findings = " and ".join(f"{name} ({alarm.confidence:.2f})" for name, alarm in ranked)
    return f"{latest} [risk {risk:.2f} reached {level.name} at {level.risk_min:.2f}: {findings}]"


class Factor(Struct, frozen=True, kw_only=True):
    """One finding's part in reaching a level, at one time."""

    detector: str
    confidence: float
    """When it was noticed."""
    left: float
    """Of that, by now: findings fade."""
    counts: bool
    """Whether the policy lets it count towards this level."""
    risk_without: float
    """What the level would have been compared with, had this not been noticed."""


class Weighing(Struct, frozen=True, kw_only=True):
    """Why a session stands at a level."""

    level: str
    threshold: float
    risk: float
    """What was compared with the threshold; of a stop, only what may stop counts."""
    factors: tuple[Factor, ...]
    """The heaviest first."""
    fewest: tuple[str, ...]
    """The fewest findings without which the threshold would not have been reached; empty if it was not."""


def weighed(
    alarms: dict[str, Alarm], level: Level, policy: Policy, at_ms: int, declared: Declared = NOTHING
) -> Weighing:
    """What a session's findings weighed against a level at that time."""
    counted = Ceilings(policy, declared).counted_at(alarms, level)
    factors = [_factor(name, alarm, counted, policy, at_ms) for name, alarm in alarms.items()]
    factors.sort(key=lambda factor: (not factor.counts, -factor.left, factor.detector))
    return Weighing(
        level=level.name,
        threshold=level.risk_min,
        risk=_combined(counted, policy, at_ms),
        factors=tuple(factors),
        fewest=_fewest(
            [factor.detector for factor in factors if factor.counts], counted, level, policy, at_ms
        ),
    )


def _factor(name: str, alarm: Alarm, counted: dict[str, Alarm], policy: Policy, at_ms: int) -> Factor:
    others = {other: each for other, each in counted.items() if other != name}
    return Factor(
        detector=name,
        confidence=alarm.confidence,
        left=risk.faded(alarm, at_ms, policy.half_life_ms),
        counts=name in counted,
        risk_without=_combined(others, policy, at_ms),
    )


def _fewest(
    heaviest: list[str], counted: dict[str, Alarm], level: Level, policy: Policy, at_ms: int
) -> tuple[str, ...]:
    """Alarms are independent, so taking the heaviest away first takes the fewest."""
    left, gone = dict(counted), list[str]()
    for name in heaviest:
        if _combined(left, policy, at_ms) < level.risk_min:
            break
        del left[name]
        gone.append(name)
    return tuple(gone)


def _combined(alarms: dict[str, Alarm], policy: Policy, at_ms: int) -> float:
    return risk.combined(alarms.values(), at_ms, policy.half_life_ms)
