"""A learned baseline: what it holds, and what the detectors ask it. Documented in `docs/artifact.md`.

The file is one JSON object, `{"header": {...}, "payload": {...}}`, plain data in any language; the header
names the format, the feature set and the SHA-256 of the payload's bytes as they stand in the file.
"""

from bisect import bisect_left
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from models.baselines.habits import Habit, Habits
from models.baselines.rates import HORIZONS_MS
from models.baselines.transitions import GAPS_MS, MEMORY, TransitionCounts, TransitionModel
from models.errors import ArtifactError
from models.event import OpClass

FORMAT = "chainbrake-baseline"
FORMAT_VERSION = 1
FEATURE_SET = 1
"""Raised when rates, symbols or gaps are computed in another way than before."""

ARTIFACT_BYTES_MAX = 256 * 1024 * 1024
SESSIONS_MIN = 30
"""A role seen in fewer sessions has no baseline: not enough seen."""

TAILS = (1e-3, 1e-4, 1e-5, 1e-6)
"""Chances of an honest peak for which limits are stored, largest first."""


class RoleBaseline(Struct, kw_only=True):
    """What was learned of one agent role."""

    sessions: int
    events: int
    rate_limits: dict[str, list[list[float]]]
    """Op class: per tail of `TAILS`, per horizon, the count that an honest session stays below."""
    transitions: TransitionCounts
    surprise_peaks: list[float]
    """Highest decayed surprise of each held-out session, ascending, in bits; at most 512 of them."""
    pause_floor_ms: int | None = None
    """The shortest pauses from a read to a change that honest sessions make (1 % quantile), if enough."""


class Payload(Struct, kw_only=True):
    """All roles."""

    roles: dict[str, RoleBaseline]
    habits: dict[str, Habit] = {}
    """Job: what it is used to."""


class Header(Struct, kw_only=True):
    """Says what the payload is, before anything trusts it."""

    format: str
    version: int
    feature_set: int
    horizons_ms: list[int]
    gaps_ms: list[int]
    memory: float
    sessions: int
    events: int
    left_out: dict[str, int]
    """Reason: sessions that did not teach."""
    from_ms: Annotated[int, Meta(ge=0)]
    to_ms: Annotated[int, Meta(ge=0)]
    checksum: str
    """SHA-256 of the payload's bytes, hex."""


class _File(Struct, kw_only=True):
    header: Header
    payload: Raw


class Baseline:
    """A loaded artifact. Immutable: workers swap it as a whole."""

    def __init__(self, header: Header, payload: Payload) -> None:
        self.header = header
        self.version = f"baseline@{header.checksum[:12]}"
        self.roles = {name: role for name, role in payload.roles.items() if role.sessions >= SESSIONS_MIN}
        """Those with enough seen; any other role is unknown to the detectors."""
        self.habits = Habits(payload.habits)

    def transition_models(self) -> dict[str, TransitionModel]:
        """Role: its model, logarithms taken."""
        return {name: TransitionModel(role.transitions) for name, role in self.roles.items()}

    def surprise_limits(self, p_max: float) -> dict[str, float]:
        """Role: the surprise that at most `p_max` of honest sessions reach, where enough were seen to say so.

        Split conformal on whole sessions: with n calibration peaks, a new honest session's peak exceeds the
        k-th largest with a chance of at most k / (n + 1); no k fits where p_max < 1 / (n + 1).
        """
        limits = {}
        for name, role in self.roles.items():
            allowed = int(p_max * (len(role.surprise_peaks) + 1))
            if allowed >= 1:
                limits[name] = role.surprise_peaks[-allowed]
        return limits

    def rate_limits(self, tail: float) -> dict[str, dict[str, tuple[float, ...]]]:
        """Role and op class: the count per horizon that an honest session stays below, but for `tail`."""
        ascending = [-level for level in TAILS]
        level = min(bisect_left(ascending, -tail), len(TAILS) - 1)
        return {
            name: {op_class: tuple(rows[level]) for op_class, rows in role.rate_limits.items()}
            for name, role in self.roles.items()
        }

    def pause_floors_ms(self) -> dict[str, int]:
        """Role: the shortest pause from read to change that it habitually makes."""
        return {
            name: role.pause_floor_ms for name, role in self.roles.items() if role.pause_floor_ms is not None
        }


def write_artifact(header: Header, payload: Payload) -> bytes:
    """The file's bytes; fills the checksum in."""
    content = msgspec.json.encode(payload, order="deterministic")
    header.checksum = sha256(content).hexdigest()
    return msgspec.json.encode({"header": header, "payload": Raw(content)})


def read_artifact(content: bytes, path: Path) -> Baseline:
    """The file's bytes as a baseline. Raises `ArtifactError` for anything but an intact file of ours."""
    if len(content) > ARTIFACT_BYTES_MAX:
        raise ArtifactError(f"{path}: {len(content)} bytes, at most {ARTIFACT_BYTES_MAX} are read")
    try:
        file = msgspec.json.decode(content, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(f"{path}: not a baseline: {error}; fetch or train it again") from error
    header = file.header
    if header.format != FORMAT or header.version != FORMAT_VERSION:
        raise ArtifactError(
            f"{path}: {header.format} version {header.version}; "
            f"this build reads {FORMAT} version {FORMAT_VERSION}. "
            f"Retrain it with: chainbrake train FILE… --out {path}"
        )
    computed = (FEATURE_SET, list(HORIZONS_MS), list(GAPS_MS), MEMORY)
    if (header.feature_set, header.horizons_ms, header.gaps_ms, header.memory) != computed:
        raise ArtifactError(
            f"{path} was trained on feature set {header.feature_set}, but this build computes {FEATURE_SET}. "
            f"Retrain it with: chainbrake train FILE… --out {path}"
        )
    if sha256(bytes(file.payload)).hexdigest() != header.checksum:
        raise ArtifactError(f"{path}: its checksum does not fit its content; fetch or train it again")
    try:
        payload = msgspec.json.decode(file.payload, type=Payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(f"{path}: not a baseline: {error}; fetch or train it again") from error
    _check(payload, path)
    return Baseline(header, payload)


def _check(payload: Payload, path: Path) -> None:
    for name, role in payload.roles.items():
        if role.surprise_peaks != sorted(role.surprise_peaks):
            raise ArtifactError(f"{path}: role {name}: surprise_peaks must ascend; train it again")
        missing = set(OpClass) - {OpClass.UNCLASSIFIED} - set(role.rate_limits)
        if missing:
            raise ArtifactError(
                f"{path}: role {name}: no rate_limits of {', '.join(sorted(missing))}; train it again"
            )
        for op_class, rows in role.rate_limits.items():
            if len(rows) != len(TAILS) or any(len(row) != len(HORIZONS_MS) for row in rows):
                raise ArtifactError(
                    f"{path}: role {name}: rate_limits of {op_class} have the wrong shape; train it again"
                )
        for op_class, row in role.transitions.gaps.items():
            if len(row) != len(GAPS_MS) + 1:
                raise ArtifactError(
                    f"{path}: role {name}: gaps of {op_class} have the wrong shape; train it again"
                )
