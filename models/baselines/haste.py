"""How fast approvals are given: the fastest of each session, against those of honest sessions.

In doublings faster than a day, so that a larger number is the odder one, as elsewhere. Nothing is modelled:
what honest sessions reached is calibrated beside the other scores (`joint.py`).
"""

from collections.abc import Sequence
from math import log2

DAY_MS = 24 * 3_600_000


def haste_bits(took_ms: int) -> float:
    """Of an answer that came so long after the question."""
    return log2(DAY_MS / (1 + max(0, took_ms)))


def took_ms(bits: float) -> int:
    """The other way round, rounded down: at least so long."""
    return int(DAY_MS / 2.0**bits)


def fastest_bits(answers: Sequence[int]) -> float | None:
    """Of a session whose approvals took so long (ms); None for one that had none."""
    return haste_bits(min(answers)) if answers else None
