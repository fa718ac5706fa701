"""The way down the trees of a forest, apart from its record: of a shape not seen before, it is long.

In the record each column of nodes is a list: a walk would look at three places far apart for each of five
hundred nodes. Here a node is one object: what it compares, with what, and the two that it leads to.
"""

from collections.abc import Sequence
from typing import Any


class Trees:
    """A forest, ready to be walked."""

    __slots__ = ("_expected", "_roots")

    def __init__(
        self,
        roots: Sequence[int],
        feature: Sequence[int],
        threshold: Sequence[int],
        right: Sequence[int],
        length: Sequence[float],
        expected: float,
    ) -> None:
        """Of columns in which `forest.faults` found nothing wrong."""
        lengths = {each: each for each in length}  # few differ: one object each
        nodes: list[Any] = [0.0] * len(feature)
        for node in range(len(feature) - 1, -1, -1):  # a node leads to later ones
            compared = feature[node]
            if compared < 0:
                nodes[node] = lengths[length[node]]
            else:
                nodes[node] = (compared, threshold[node], nodes[node + 1], nodes[right[node]])
        self._roots = [nodes[root] for root in roots]
        self._expected = expected

    def oddness(self, vector: Sequence[int]) -> float:
        """0 to 100: 100 · 2^(-steps / expected). About 50 is as usual as can be; above 60 stands out.

        `steps` are those from every root to the leaf that the vector belongs to, and those expected below it.
        """
        steps = 0.0
        node: Any
        for node in self._roots:
            while type(node) is tuple:
                feature, threshold, left, right = node
                node = left if vector[feature] <= threshold else right  # noqa: PLW2901 - down from the root
            steps += node
        return float(100.0 * 2.0 ** (-steps / self._expected))
