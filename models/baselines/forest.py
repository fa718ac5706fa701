"""An isolation forest (Liu, Ting & Zhou 2008) as plain arrays: how easily a point is told from all others.

Learned by scikit-learn (`models/baselines/forest_learning.py`), evaluated here: one point in plain Python,
many at once with numpy, both adding the trees up in the same order, so that they say the same to the bit.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.baselines.forest_walk import Trees

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

LEAF = -1
NODES_MAX = 200_000
TREES_MAX = 1_000


class Forest(Struct, kw_only=True):
    """All trees in one: node by node, each tree from its root on; the left child is the next node."""

    roots: list[int]
    """First node of each tree, ascending."""
    feature: list[int]
    """What a node compares; -1 for a leaf."""
    threshold: list[int]
    """To the left goes what is at most this; 0 for a leaf."""
    right: list[int]
    """Node that is gone to otherwise; 0 for a leaf."""
    length: list[float]
    """Of a leaf: steps from the root, and those expected below it; 0 for what is no leaf."""
    expected: float
    """Steps to tell any one of a sample apart, over all trees: what `length` is measured by."""

    def trees(self) -> Trees:
        """As they are walked for one vector, a list of whole numbers."""
        return Trees(self.roots, self.feature, self.threshold, self.right, self.length, self.expected)

    def oddness_of(self, vectors: Whole) -> Floats:
        """What `Trees.oddness` says, of many vectors: of shape (vectors, features), one number each."""
        feature, threshold, right = (np.array(told) for told in (self.feature, self.threshold, self.right))
        length = np.array(self.length)
        rows = np.arange(len(vectors))
        steps = np.zeros(len(vectors))
        for root in self.roots:
            node = np.full(len(vectors), root)
            while True:
                compared = feature[node]
                inner = compared >= 0
                if not inner.any():
                    break
                goes_left = vectors[rows, compared] <= threshold[node]
                node = np.where(inner, np.where(goes_left, node + 1, right[node]), node)
            steps += length[node]
        return np.array([100.0 * 2.0 ** (-total / self.expected) for total in steps.tolist()])


def faults(forest: Forest, features: int) -> str:
    """What is wrong with a forest that was read; empty for nothing, and then every walk ends at a leaf."""
    nodes = len(forest.feature)
    if not 0 < nodes <= NODES_MAX or not 0 < len(forest.roots) <= TREES_MAX:
        return f"{nodes} nodes in {len(forest.roots)} trees"
    if {len(forest.threshold), len(forest.right), len(forest.length)} != {nodes}:
        return "its arrays differ in length"
    if forest.roots[0] != 0 or forest.roots != sorted(set(forest.roots)) or forest.expected <= 0.0:
        return "its roots do not ascend, or it expects no steps"
    ends = [*forest.roots[1:], nodes]
    for root, end in zip(forest.roots, ends, strict=True):
        for node in range(root, end):
            compared = forest.feature[node]
            if compared == LEAF:
                continue
            if not 0 <= compared < features or not node + 1 < forest.right[node] < end:
                return f"node {node} leads nowhere"
    return ""
