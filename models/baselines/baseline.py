"""A learned baseline: what it holds, and what the detectors ask it. Documented in `docs/artifact.md`.

The file is one JSON object, `{"header": {...}, "signature": {...}, "payload": {...}}`, plain data in any
language; the header names the format, the feature set and the SHA-256 of the payload's bytes as they stand in
the file, and the signature is over the header's bytes as they stand there.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.structs import asdict

from models.baselines.cohorts import EVERYBODY
from models.baselines.counts import GAPS_MS, ORDER, SurpriseCounts
from models.baselines.expected import Expecting
from models.baselines.forest import faults as forest_faults
from models.baselines.habit import Habit
from models.baselines.habits import Habits
from models.baselines.pace import CohortPace, PaceModel
from models.baselines.pace_file import Paces
from models.baselines.pieces import pieces_of
from models.baselines.rates import HORIZONS_MS
from models.baselines.resemblance import ResemblanceModel
from models.baselines.resemblance_counts import Labelled, ResemblanceCounts
from models.baselines.resemblance_counts import faults as resemblance_faults
from models.baselines.sequences import MEMORY
from models.baselines.shape import FEATURES as SHAPE_FEATURES
from models.baselines.shape import STAGES, STEPS
from models.baselines.shape_file import PackedShape, unpacked_shape
from models.baselines.shape_model import FAR, NEAR, PRIOR_SESSIONS, SPREAD_MIN, ShapeModel
from models.baselines.signing import Signature, Signer, Trusted
from models.baselines.stored import Lazy
from models.baselines.surprise import RESULTS_MAX, SurpriseModel
from models.baselines.surprise_file import PackedSurprise, unpacked, unreadable
from models.errors import ArtifactError

FORMAT = "chainbrake-baseline"
FORMAT_VERSION = 5
LABELLED_VERSION = 6
"""Of a file that labels taught, too: whoever reads version 5 alone would misread what it promises."""
FEATURES = 3
"""Raised when rates, symbols, origins, gaps or shapes are computed in another way than before."""

COMPUTED = [FEATURES, list(HORIZONS_MS), list(GAPS_MS), MEMORY, ORDER, RESULTS_MAX]
COMPUTED += [list(SHAPE_FEATURES), sorted(STAGES), STEPS, FAR, NEAR, SPREAD_MIN, PRIOR_SESSIONS]
FEATURE_SET = f"{FEATURES}-{sha256(msgspec.json.encode(COMPUTED)).hexdigest()[:12]}"
"""Names all that a number in the file depends on."""

ARTIFACT_BYTES_MAX = 256 * 1024 * 1024

PAYLOAD_BEGINS = b',"payload":'
"""In what `write_artifact` writes; no string in a header can hold it, since its quotes would be escaped."""


class Payload(Struct, kw_only=True):
    """All that was learned."""

    pace: Mapping[str, CohortPace]
    """By cohort, everybody's under the empty key."""
    surprise: PackedSurprise
    habits: Mapping[str, Habit] = {}
    """Job: what it is used to."""
    shape: PackedShape | None = None
    """Shapes of sessions; None is "not enough seen"."""
    resemblance: ResemblanceCounts | UnsetType = UNSET
    """What hijacked sessions do; left out where no labels were given, or too few."""


class _Parts(Payload, kw_only=True):
    """The same, with cohorts and jobs as they stand in the file."""

    pace: dict[str, Raw]  # type: ignore[assignment]
    habits: dict[str, Raw] = {}  # type: ignore[assignment]


class Share(Struct):
    """What one agent contributed."""

    agent: str
    sessions: int
    """That taught."""
    left_out: dict[str, int]
    """Reason: its sessions that did not teach."""


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
    metrics: dict[str, dict[str, float]] = {}
    """How odd honest sessions look to a baseline of the others; see `fit`."""
    agents: list[Share] = []
    """Who taught how much; of very many agents those of which something was left out, and the busiest."""
    labelled: Labelled | UnsetType = UNSET
    """What labels taught; left out where none were asked for."""


class _Heading(Struct, kw_only=True):
    """Parts that later versions have in other shapes, or not at all, are looked at in their turn."""

    header: Raw
    signature: Raw = Raw()


class _File(_Heading, kw_only=True):
    """All of it."""

    payload: Raw


class Baseline:
    """A loaded artifact. Immutable: workers swap it as a whole."""

    def __init__(self, header: Header, payload: Payload) -> None:
        self.header = header
        self.version = version_of(header)
        self.pace = PaceModel(
            payload.pace, payload.pace.sessions if isinstance(payload.pace, Paces) else None
        )
        self.surprise = SurpriseModel(unpacked(payload.surprise), self.version)
        self.expected = Expecting(self.pace, self.surprise)
        """Both of these, for an agent in a role."""
        self.habits = Habits(payload.habits)
        self.shape = ShapeModel(unpacked_shape(payload.shape)) if payload.shape is not None else None
        """None is "not enough seen"."""
        told = payload.resemblance
        self.resemblance = ResemblanceModel(told) if told is not UNSET else None
        """None where no labels taught it."""

    @property
    def unreadable(self) -> int:
        """Parts that were asked for and have the wrong shape: as if never seen."""
        paces = len(self.pace.cohorts.refused) if isinstance(self.pace.cohorts, Paces) else 0
        return paces + unreadable(self.surprise.counts) + self.habits.unreadable


def version_of(header: Header) -> str:
    """What findings and commands call the baseline."""
    return f"baseline@{header.checksum[:12]}"


def write_artifact(header: Header, payload: Payload, signer: Signer) -> bytes:
    """The file's bytes; fills the checksum in."""
    return b"".join(signed_parts(header, encoded(payload), signer))


def encoded(payload: Payload) -> bytes:
    """The payload's bytes."""
    return msgspec.json.encode(payload, order="deterministic")


def signed_parts(header: Header, content: bytes, signer: Signer) -> tuple[bytes, bytes, bytes]:
    """The same in parts, of an encoded payload, which is as large as the file: nothing here copies it."""
    header.checksum = sha256(content).hexdigest()
    told = msgspec.json.encode(header)
    heading = msgspec.json.encode({"header": Raw(told), "signature": signer.sign(told)})
    return heading.removesuffix(b"}") + PAYLOAD_BEGINS, content, b"}"


def read_artifact(content: bytes, path: Path, trusted: Trusted) -> Baseline:
    """The file's bytes as a baseline. Raises `ArtifactError` for anything but an intact file of ours.

    Nothing is believed before its signature: what is read before only says why it cannot be read at all.
    """
    if len(content) > ARTIFACT_BYTES_MAX:
        raise ArtifactError(f"{path}: {len(content)} bytes, at most {ARTIFACT_BYTES_MAX} are read")
    try:
        file = _as_written(content)
        ours = file is not None
        if file is None:
            file = msgspec.json.decode(content, type=_File)
        header = _header(file, path, trusted)
        if sha256(memoryview(file.payload)).hexdigest() != header.checksum:
            raise ArtifactError(f"{path}: its checksum does not fit its content; fetch or train it again")
        payload = (_piecewise(content) if ours else None) or _payload(file.payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(f"{path}: not a baseline: {error}; fetch or train it again") from error
    baseline = Baseline(header, payload)
    for wrong in _wrong(payload, baseline.surprise.counts):
        raise ArtifactError(f"{path}: {wrong}; train it again")
    return baseline


def _as_written(content: bytes) -> _File | None:
    """The file's parts where they stand as we write them, the payload last: so that is read once, not twice.

    Where it ends is seen from the end of the file; had something else stood behind it, the checksum would not
    fit. None for a file that another writer has put together otherwise.
    """
    end = content.find(PAYLOAD_BEGINS)
    if end < 0 or not content.endswith(b"}}"):
        return None
    heading = _heading(content[:end])
    if not heading.signature:
        return None
    payload = Raw(memoryview(content)[end + len(PAYLOAD_BEGINS) : -1])
    return _File(header=heading.header, signature=heading.signature, payload=payload)


def read_header(beginning: bytes, path: Path, trusted: Trusted) -> Header | None:
    """The header of a file that begins so; None where its payload does not begin in there.

    Raises `ArtifactError` as `read_artifact` does, but what is wrong behind the header nobody has seen.
    """
    end = beginning.find(PAYLOAD_BEGINS)
    if end < 0:
        return None
    try:
        return _header(_heading(beginning[:end]), path, trusted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(f"{path}: not a baseline: {error}; fetch or train it again") from error


def _heading(before_payload: bytes) -> _Heading:
    return msgspec.json.decode(before_payload + b"}", type=_Heading)


def _header(file: _Heading, path: Path, trusted: Trusted) -> Header:
    _check_version(msgspec.json.decode(file.header, type=_Named), path)
    signature = msgspec.json.decode(file.signature, type=Signature | None) if file.signature else None
    trusted.check(bytes(file.header), signature, path)
    header = msgspec.json.decode(file.header, type=Header)
    _check_features(header, path)
    return header


_habit = msgspec.json.Decoder(Habit).decode


_shape = msgspec.json.Decoder(PackedShape | None).decode


_resemblance = msgspec.json.Decoder(ResemblanceCounts).decode


def _piecewise(content: bytes) -> Payload | None:
    """Of a file as we write it: in one call nothing else of a worker would get a turn for 0.3 s.

    None where it looks so and is not: then it is read whole, and what is wrong with it is found there.
    """
    begin = content.find(PAYLOAD_BEGINS) + len(PAYLOAD_BEGINS)
    try:
        pieces = pieces_of(content, begin, len(content) - 1)
        if pieces is None:
            return None
        return Payload(
            pace=Paces(pieces.pace),
            surprise=pieces.surprise,
            habits=Lazy(pieces.habits, _habit),
            shape=_shape(pieces.shape),
            resemblance=_resemblance(pieces.resemblance) if pieces.resemblance else UNSET,
        )
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _payload(told: Raw) -> Payload:
    parts = msgspec.json.decode(told, type=_Parts)
    jobs = {"pace": Paces(parts.pace), "habits": Lazy(parts.habits, _habit)}
    return Payload(**{**asdict(parts), **jobs})


class _Named(Struct, kw_only=True):
    """The part of a header that every version has."""

    format: str
    version: int


def _check_version(told: _Named, path: Path) -> None:
    if told.format != FORMAT or told.version not in {FORMAT_VERSION, LABELLED_VERSION}:
        raise ArtifactError(
            f"{path}: {told.format} version {told.version}; "
            f"this build reads {FORMAT} versions {FORMAT_VERSION} and {LABELLED_VERSION}. "
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
    if EVERYBODY not in payload.pace:
        yield "the pace of everybody cannot be read"
    if surprise.cohorts.get(EVERYBODY) is None:
        yield "what everybody did cannot be read"
    if payload.shape is not None and (fault := forest_faults(payload.shape.forest, len(SHAPE_FEATURES))):
        yield f"its forest cannot be walked: {fault}"
    if payload.resemblance is not UNSET:
        yield from resemblance_faults(payload.resemblance)
