"""What is learned of surprise as it stands in the file, and back."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from models.baselines.calibration import Calibration, Peaks
from models.baselines.counts import SurpriseCounts
from models.baselines.joint import SCORES, Joint, Together
from models.baselines.packed import Natural
from models.baselines.stored import Cohorts, Lazy

_encode = msgspec.json.Encoder().encode
_peaks = msgspec.json.Decoder(Peaks)
_joint = msgspec.json.Decoder(Joint)


class PackedCalibration(Struct, kw_only=True):
    """Peaks by cohort, each read when asked for."""

    known: dict[str, Raw]
    new: dict[str, Raw]


class PackedSurprise(Struct, kw_only=True):
    """Counts and peaks by cohort, each read when asked for."""

    names: list[str]
    """What the numbers in the cohorts stand for."""
    sessions: dict[str, Natural]
    cohorts: dict[str, Raw]
    together: PackedCalibration
    score_with_end: PackedCalibration


def packed(counts: SurpriseCounts) -> PackedSurprise:
    """As it stands in the file."""
    cohorts = counts.cohorts
    assert isinstance(cohorts, Cohorts), "learned or read, cohorts are packed"
    return PackedSurprise(
        names=cohorts.names,
        sessions=counts.sessions,
        cohorts=dict(cohorts.packed),
        together=PackedCalibration(known=_packed(counts.together.known), new=_packed(counts.together.new)),
        score_with_end=PackedCalibration(
            known=_packed(counts.score_with_end.known), new=_packed(counts.score_with_end.new)
        ),
    )


def unpacked(told: PackedSurprise) -> SurpriseCounts:
    """Ready to be asked."""
    return SurpriseCounts(
        sessions=told.sessions,
        cohorts=Cohorts(told.cohorts, told.names),
        together=Together(*(Lazy(part, _read_joint) for part in (told.together.known, told.together.new))),
        score_with_end=Calibration(
            *(Lazy(part, _read_peaks) for part in (told.score_with_end.known, told.score_with_end.new))
        ),
    )


def unreadable(counts: SurpriseCounts) -> int:
    """Parts that were asked for and could not be read."""
    together, ended = counts.together, counts.score_with_end
    parts = (counts.cohorts, together.known, together.new, ended.known, ended.new)
    inside = counts.cohorts.broken if isinstance(counts.cohorts, Cohorts) else 0
    return inside + sum(len(part.refused) for part in parts if isinstance(part, Lazy))


def _packed(peaks: Mapping[str, Peaks] | Mapping[str, Joint]) -> dict[str, Raw]:
    return {key: Raw(_encode(told)) for key, told in peaks.items()}


def _read_peaks(raw: Raw) -> Peaks:
    peaks = _peaks.decode(raw)
    if peaks.highest != sorted(peaks.highest) or len(peaks.highest) > peaks.sessions or peaks.beyond < 0:
        raise ValueError("peaks must ascend")
    return peaks


def _read_joint(raw: Raw) -> Joint:
    joint = _joint.decode(raw)
    if "score" not in joint.highest or not joint.highest.keys() <= set(SCORES):
        raise ValueError(f"scores must be some of {', '.join(SCORES)}")
    if any(told != sorted(told) or len(told) > joint.sessions for told in joint.highest.values()):
        raise ValueError("peaks must ascend")
    if (
        joint.turns != sorted(joint.turns)
        or len(joint.turns) > joint.sessions
        or min(joint.turns, default=1) < 1
    ):
        raise ValueError("turns must ascend")
    if joint.beyond < 0:
        raise ValueError("sessions beyond a limit must be counted")
    return joint
