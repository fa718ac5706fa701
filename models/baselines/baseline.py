"""A learned baseline: what it holds, and what the detectors ask it. Documented in `docs/artifact.md`.

The file is one JSON object, `{"header": {...}, "signature": {...}, "payload": {...}}`, plain data in any
language; the header names the format, the feature set and the SHA-256 of the payload's bytes as they stand in
the file, and the signature is over the header's bytes as they stand there.
"""

from bisect import bisect_left
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from models.baselines.cohorts import EVERYBODY, SESSIONS_MIN
from models.baselines.counts import GAPS_MS, ORDER
from models.baselines.habits import Habit, Habits
from models.baselines.paces import CLASSES
from models.baselines.rates import HORIZONS_MS
from models.baselines.sequences import MEMORY
from models.baselines.signing import Signature, Signer, Trusted
from models.baselines.surprise import RESULTS_MAX, SurpriseCounts, SurpriseModel
from models.baselines.surprise_file import PackedSurprise, unpacked
from models.errors import ArtifactError
from models.event import OpClass

FORMAT = "chainbrake-baseline"
FORMAT_VERSION = 3
FEATURES = 2
"""Raised when rates, symbols, origins or gaps are computed in another way than before."""

COMPUTED = [FEATURES, list(HORIZONS_MS), list(GAPS_MS), MEMORY, ORDER, RESULTS_MAX]
FEATURE_SET = f"{FEATURES}-{sha256(msgspec.json.encode(COMPUTED)).hexdigest()[:12]}"
"""Names all that a number in the file depends on."""

ARTIFACT_BYTES_MAX = 256 * 1024 * 1024

TAILS = (1e-3, 1e-4, 1e-5, 1e-6)
"""Chances of an honest peak for which limits are stored, largest first."""


class RoleBaseline(Struct, kw_only=True):
    """The pace of one agent role."""

    sessions: int
    events: int
    rate_limits: dict[str, list[list[float]]]
    """Op class: per tail of `TAILS`, per horizon, the count that an honest session stays below."""
    pause_floor_ms: int | None = None
    """The shortest pauses from a read to a change that honest sessions make (1 % quantile), if enough."""
    paces: list[Annotated[int, Meta(ge=0)]] = []
    """Sessions by class of pace (`paces.py`)."""


class Payload(Struct, kw_only=True):
    """All that was learned."""

    roles: dict[str, RoleBaseline]
    surprise: PackedSurprise
    habits: dict[str, Habit] = {}
    """Job: what it is used to."""


class Header(Struct, kw_only=True):
    """Says what the payload is, before anything trusts it."""

    format: str
    version: int
    feature_set: str
    sessions: int
    events: int
    left_out: dict[str, int]
    """Reason: sessions that did not teach."""
    from_ms: Annotated[int, Meta(ge=0)]
    to_ms: Annotated[int, Meta(ge=0)]
    data_digest: str
    """SHA-256 over the sessions that taught, whatever their order, hex."""
    checksum: str
    """SHA-256 of the payload's bytes, hex."""


class _File(Struct, kw_only=True):
    """Parts that later versions have in other shapes, or not at all, are looked at in their turn."""

    header: Raw
    signature: Raw = Raw()
    payload: Raw


class Baseline:
    """A loaded artifact. Immutable: workers swap it as a whole."""

    def __init__(self, header: Header, payload: Payload) -> None:
        self.header = header
        self.version = f"baseline@{header.checksum[:12]}"
        self.roles = {name: role for name, role in payload.roles.items() if role.sessions >= SESSIONS_MIN}
        """Those whose pace was seen enough; any other role is unknown to the detectors of pace."""
        self.surprise = SurpriseModel(unpacked(payload.surprise), self.version)
        self.habits = Habits(payload.habits)

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


def write_artifact(header: Header, payload: Payload, signer: Signer) -> bytes:
    """The file's bytes; fills the checksum in."""
    content = msgspec.json.encode(payload, order="deterministic")
    header.checksum = sha256(content).hexdigest()
    told = msgspec.json.encode(header)
    return msgspec.json.encode({"header": Raw(told), "signature": signer.sign(told), "payload": Raw(content)})


def read_artifact(content: bytes, path: Path, trusted: Trusted) -> Baseline:
    """The file's bytes as a baseline. Raises `ArtifactError` for anything but an intact file of ours.

    Nothing is believed before its signature: what is read before only says why it cannot be read at all.
    """
    if len(content) > ARTIFACT_BYTES_MAX:
        raise ArtifactError(f"{path}: {len(content)} bytes, at most {ARTIFACT_BYTES_MAX} are read")
    try:
        file = msgspec.json.decode(content, type=_File)
        _check_version(msgspec.json.decode(file.header, type=_Named), path)
        signature = msgspec.json.decode(file.signature, type=Signature | None) if file.signature else None
        trusted.check(bytes(file.header), signature, path)
        header = msgspec.json.decode(file.header, type=Header)
        _check_features(header, path)
        if sha256(bytes(file.payload)).hexdigest() != header.checksum:
            raise ArtifactError(f"{path}: its checksum does not fit its content; fetch or train it again")
        payload = msgspec.json.decode(file.payload, type=Payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(f"{path}: not a baseline: {error}; fetch or train it again") from error
    baseline = Baseline(header, payload)
    for wrong in _wrong(payload, baseline.surprise.counts):
        raise ArtifactError(f"{path}: {wrong}; train it again")
    return baseline


class _Named(Struct, kw_only=True):
    """The part of a header that every version has."""

    format: str
    version: int


def _check_version(told: _Named, path: Path) -> None:
    if told.format != FORMAT or told.version != FORMAT_VERSION:
        raise ArtifactError(
            f"{path}: {told.format} version {told.version}; "
            f"this build reads {FORMAT} version {FORMAT_VERSION}. "
            f"Retrain it with: chainbrake train FILE… --out {path}"
        )


def _check_features(header: Header, path: Path) -> None:
    if header.feature_set != FEATURE_SET:
        raise ArtifactError(
            f"{path} was trained on feature set {header.feature_set}, but this build computes {FEATURE_SET}. "
            f"Retrain it with: chainbrake train FILE… --out {path}"
        )


def _wrong(payload: Payload, surprise: SurpriseCounts) -> Iterator[str]:
    """What the types cannot say about the shapes inside."""
    for name, role in payload.roles.items():
        missing = set(OpClass) - {OpClass.UNCLASSIFIED} - set(role.rate_limits)
        if missing:
            yield f"role {name}: no rate_limits of {', '.join(sorted(missing))}"
        for op_class, rows in role.rate_limits.items():
            if len(rows) != len(TAILS) or any(len(row) != len(HORIZONS_MS) for row in rows):
                yield f"role {name}: rate_limits of {op_class} have the wrong shape"
        if len(role.paces) not in (0, CLASSES):
            yield f"role {name}: {len(role.paces)} paces, not {CLASSES}"
    if surprise.cohorts.get(EVERYBODY) is None:
        yield "what everybody did cannot be read"
