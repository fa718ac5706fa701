"""What is learned of pace as it stands in the file, read when a cohort is first asked for.

How many sessions each was seen in is read at once: whose pace counts is found out by that. A cohort of a
wrong shape counts as never seen.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from models.baselines.pace import CohortPace, Natural, fault
from models.baselines.stored import Lazy


class _Seen(Struct):
    sessions: Natural


_seen = msgspec.json.Decoder(_Seen).decode
_pace = msgspec.json.Decoder(CohortPace).decode


class Paces(Lazy[CohortPace]):
    """Paces by cohort."""

    def __init__(self, packed: Mapping[str, Raw]) -> None:
        """Raises `msgspec.DecodeError` where a cohort does not say how many sessions it was seen in."""
        super().__init__(packed, _read)
        self.sessions = {key: _seen(raw).sessions for key, raw in packed.items()}


def _read(raw: Raw) -> CohortPace:
    cohort = _pace(raw)
    if wrong := fault(cohort):
        raise ValueError(wrong)
    return cohort
