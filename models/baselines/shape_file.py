"""What is learned of shapes as it stands in the file, and back."""

import msgspec
from msgspec import Raw, Struct

from models.baselines.forest import Forest
from models.baselines.shape import FEATURES
from models.baselines.shape_counts import ShapeCounts, Usual
from models.baselines.stored import Lazy

_encode = msgspec.json.Encoder().encode
_usual = msgspec.json.Decoder(Usual)


class PackedShape(Struct, kw_only=True):
    """The forest; what is usual by cohort, read when asked for."""

    forest: Forest
    usual: dict[str, Raw]


def packed_shape(counts: ShapeCounts) -> PackedShape:
    """As it stands in the file."""
    return PackedShape(
        forest=counts.forest,
        usual={key: Raw(_encode(usual)) for key, usual in counts.usual.items()},
    )


def unpacked_shape(told: PackedShape) -> ShapeCounts:
    """Ready to be asked."""
    return ShapeCounts(
        forest=told.forest,
        usual=Lazy(told.usual, _read_usual),
    )


def _read_usual(raw: Raw) -> Usual:
    usual = _usual.decode(raw)
    if usual.sessions < 1 or min(usual.variance, default=0.0) < 0.0:
        raise ValueError("a cohort without sessions, or a variance below 0")
    if not len(usual.mean) == len(usual.variance) == len(FEATURES):
        raise ValueError(f"not {len(FEATURES)} features")
    return usual
