"""The way down the trees of a forest, apart from its record: of a shape not seen before, it is long."""

from collections.abc import Sequence


def steps_in(
    roots: list[int],
    feature: list[int],
    threshold: list[int],
    right: list[int],
    length: list[float],
    vector: Sequence[int],
) -> float:
    """Steps from every root to the leaf that a vector belongs to, and those expected below it."""
    steps = 0.0
    for root in roots:
        node = root
        compared = feature[node]
        while compared >= 0:
            node = node + 1 if vector[compared] <= threshold[node] else right[node]
            compared = feature[node]
        steps += length[node]
    return steps
