"""Whether an operation's values are to those of a match as it was declared."""

from detectors.chains.fields import alike
from detectors.chains.shape import Bond
from models.session import Hit, Partial


def bound(before: Partial, same: tuple[Bond, ...], differs: tuple[Bond, ...], hit: Hit) -> bool:
    """All of `same` name the same thing, all of `differs` another; what is not said is never so."""
    for bond in same:
        known = before.hits[bond.step]
        if known is None or not alike(hit.values[bond.slot], known.values[bond.of]):
            return False
    for bond in differs:
        known = before.hits[bond.step]
        mine, his = hit.values[bond.slot], known.values[bond.of] if known is not None else ""
        if not mine or not his or alike(mine, his):
            return False
    return True
