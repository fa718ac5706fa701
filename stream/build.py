"""Which build this is: `compiled`, with the fold in machine code, or `pure`. Both judge alike."""

from pathlib import Path
from typing import Literal

from detectors import judge

Fold = Literal["compiled", "pure"]


def fold_build() -> Fold:
    """By what was loaded, not by what was asked for."""
    return "pure" if Path(judge.__file__).suffix == ".py" else "compiled"
