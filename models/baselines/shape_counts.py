"""What was learned of shapes: the records, as they lie in the artifact or are read from it."""

from collections.abc import Mapping

from msgspec import Struct

from models.baselines.forest import Forest


class Usual(Struct, array_like=True, weakref=True):
    """Shapes of one cohort; each session is one voice."""

    sessions: int
    """With a change of their class of risk."""
    mean: list[float]
    """In quarters, as vectors are."""
    variance: list[float]
    """In sixteenths."""


class ShapeCounts(Struct, kw_only=True):
    """What is learned of shapes; in the file: `shape_file.PackedShape`."""

    forest: Forest
    usual: Mapping[str, Usual]
