"""Says why, in words a person at 3 a.m. can act on."""

from detectors.policy import Level
from models.finding import Noticed
from models.session import Alarm


def reason_of(level: Level, risk: float, alarms: dict[str, Alarm], words: list[Noticed]) -> str:
    """What was just noticed, then the level, the risk it stands on, and all findings, surest first."""
    latest = "; ".join(word.reason for word in sorted(words, key=lambda word: -word.confidence))
    ranked = sorted(alarms.items(), key=lambda item: (-item[1].confidence, item[0]))
    findings = " and ".join(f"{name} ({alarm.confidence:.2f})" for name, alarm in ranked)
    return f"{latest} [risk {risk:.2f} reached {level.name} at {level.risk_min:.2f}: {findings}]"
