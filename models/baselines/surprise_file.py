"""What is learned of surprise as it stands in the file, and back."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from models.baselines.calibration import Calibration, Peaks
from models.baselines.counts import SurpriseCounts
from models.baselines.stored import Cohorts, Lazy, Natural

_encode = msgspec.json.Encoder().encode
_peaks = msgspec.json.Decoder(Peaks)


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
    score: PackedCalibration
    score_with_end: PackedCalibration
    sequence: PackedCalibration


def packed(counts: SurpriseCounts) -> PackedSurprise:
    """As it stands in the file."""
    cohorts = counts.cohorts
    assert isinstance(cohorts, Cohorts), "learned or read, cohorts are packed"
    return PackedSurprise(
        names=cohorts.names,
        sessions=counts.sessions,
        cohorts=dict(cohorts.packed),
        score=packed_calibration(counts.score),
        score_with_end=packed_calibration(counts.score_with_end),
        sequence=packed_calibration(counts.sequence),
    )


def unpacked(told: PackedSurprise) -> SurpriseCounts:
    """Ready to be asked."""
    return SurpriseCounts(
        sessions=told.sessions,
        cohorts=Cohorts(told.cohorts, told.names),
        score=calibration_of(told.score),
        score_with_end=calibration_of(told.score_with_end),
        sequence=calibration_of(told.sequence),
    )


def unreadable(counts: SurpriseCounts) -> int:
    """Parts that were asked for and could not be read."""
    calibrations = (counts.score, counts.score_with_end, counts.sequence)
    parts = (counts.cohorts, *(part for each in calibrations for part in (each.known, each.new)))
    inside = counts.cohorts.broken if isinstance(counts.cohorts, Cohorts) else 0
    return inside + sum(len(part.refused) for part in parts if isinstance(part, Lazy))


def packed_calibration(calibration: Calibration) -> PackedCalibration:
    """As it stands in the file."""
    return PackedCalibration(known=packed_peaks(calibration.known), new=packed_peaks(calibration.new))


def packed_peaks(peaks: Mapping[str, Peaks]) -> dict[str, Raw]:
    """Peaks by cohort, as they stand in the file."""
    return {key: Raw(_encode(told)) for key, told in peaks.items()}


def calibration_of(told: PackedCalibration) -> Calibration:
    """Ready to be asked."""
    return Calibration(peaks_from(told.known), peaks_from(told.new))


def peaks_from(told: Mapping[str, Raw]) -> Mapping[str, Peaks]:
    """Ready to be asked."""
    return Lazy(told, _read_peaks)


def _read_peaks(raw: Raw) -> Peaks:
    peaks = _peaks.decode(raw)
    if peaks.highest != sorted(peaks.highest) or len(peaks.highest) > peaks.sessions:
        raise ValueError("peaks must ascend")
    return peaks
