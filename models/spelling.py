"""What somebody may have meant by a name that there is not."""

from collections.abc import Iterable
from difflib import get_close_matches


def meant(written: str, known: Iterable[str]) -> str:
    """`did you mean X? `, to be said before what is valid; empty where nothing is near."""
    near = get_close_matches(written, list(known), 1)
    return f"did you mean {near[0]}? " if near else ""
