"""How fast sessions are as a whole: the mean pause between operations, in classes of a factor of four."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

EDGES_MS = tuple(4**power for power in range(1, 12))
"""4 ms to 70 min; one class below, one above."""

CLASSES = len(EDGES_MS) + 1


def pace_class(operations: int, lasted_ms: int) -> int | None:
    """The class of a session; None for one of a single operation, which has no pace."""
    if operations < 2:  # noqa: PLR2004 - a pause has two ends
        return None
    return bisect_right(EDGES_MS, max(0, lasted_ms) / (operations - 1))


def paces_of(sessions: Iterable[tuple[int, int]]) -> list[int]:
    """Sessions by class, from their operations and how long they lasted (ms)."""
    counts = [0] * CLASSES
    for operations, lasted_ms in sessions:
        found = pace_class(operations, lasted_ms)
        if found is not None:
            counts[found] += 1
    return counts


def shares(counts: Sequence[int]) -> tuple[float, ...]:
    """Of each class; empty for no session."""
    whole = sum(counts)
    return tuple(count / whole for count in counts) if whole else ()
