"""How fast approvals are given: the fastest of each session, against those of honest sessions.

In doublings faster than a day, so that a larger number is the odder one, as elsewhere. Nothing is modelled: a
session is compared with the honest ones that had an approval, of its job where these can back the promise,
else of its agent, else of everybody (split conformal).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import log2

from models.baselines.calibration import Peaks, narrowest, peaks_of
from models.baselines.cohorts import EVERYBODY, SESSIONS_MIN, agent_key, job_key

DAY_MS = 24 * 3_600_000


def haste_bits(took_ms: int) -> float:
    """Of an answer that came so long after the question."""
    return log2(DAY_MS / (1 + max(0, took_ms)))


def took_ms(bits: float) -> int:
    """The other way round, rounded down: at least so long."""
    return int(DAY_MS / 2.0**bits)


def learn_haste(sessions: Iterable[tuple[str, str, Sequence[int]]]) -> dict[str, Peaks]:
    """From agent, role and how long each approval took, of honest sessions; those without any say nothing."""
    peaks: dict[str, list[float]] = defaultdict(list)
    for agent, role, answers in sessions:
        if answers:
            for key in {EVERYBODY, agent_key(agent), job_key(agent, role)}:
                peaks[key].append(haste_bits(min(answers)))
    return {
        key: peaks_of(theirs)
        for key, theirs in peaks.items()
        if len(theirs) >= SESSIONS_MIN or key == EVERYBODY
    }


class Haste:
    """What is known of how fast approvals come."""

    def __init__(self, peaks: Mapping[str, Peaks]) -> None:
        self._peaks = peaks

    def floor_ms(self, agent: str, role: str, share: float) -> int | None:
        """All but `share` of honest sessions have no faster answer than this; None is "not enough seen"."""
        found = narrowest(self._peaks, (EVERYBODY, agent_key(agent), job_key(agent, role)), share)
        limit = found.limit(share) if found is not None else None
        return took_ms(limit) if limit is not None else None
