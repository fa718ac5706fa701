"""Learns an isolation forest with scikit-learn, and writes its trees down as plain arrays."""

from collections.abc import Iterable

import numpy as np
from sklearn.ensemble import IsolationForest

from models.baselines.forest import LEAF, Floats, Forest, Whole

TREES = 64
SAMPLE = 256
"""Vectors that each tree is made from: enough to tell odd from usual, too few to learn the odd."""
SEED = 1

EULER_GAMMA = 0.5772156649015329


def fitted(vectors: Whole) -> IsolationForest:
    """scikit-learn's own; the same vectors in the same order give the same trees."""
    forest = IsolationForest(
        n_estimators=TREES, max_samples=min(SAMPLE, len(vectors)), random_state=SEED, n_jobs=1
    )
    return forest.fit(vectors.astype(float))


def exported(forest: IsolationForest) -> Forest:
    """Its trees as arrays. Features are whole numbers, so what lies between two of them is the lower one."""
    told = Forest(roots=[], feature=[], threshold=[], right=[], length=[], expected=0.0)
    for estimator in forest.estimators_:
        _append(told, estimator.tree_)
    told.expected = len(forest.estimators_) * float(_expected([forest.max_samples_])[0])
    return told


def _append(told: Forest, tree: "object") -> None:
    root = len(told.feature)
    told.roots.append(root)
    left, right = tree.children_left.tolist(), tree.children_right.tolist()  # type: ignore[attr-defined]
    inner = [child != LEAF for child in left]
    assert all(left[node] == node + 1 for node, goes_on in enumerate(inner) if goes_on), "not depth first"
    depth = [0] * len(left)
    for node, goes_on in enumerate(inner):
        if goes_on:
            depth[left[node]] = depth[right[node]] = depth[node] + 1
    below = _expected(tree.n_node_samples.tolist()).tolist()  # type: ignore[attr-defined]
    thresholds = np.floor(tree.threshold).astype(int).tolist()  # type: ignore[attr-defined]
    features = tree.feature.tolist()  # type: ignore[attr-defined]
    for node, goes_on in enumerate(inner):
        told.feature.append(features[node] if goes_on else LEAF)
        told.threshold.append(thresholds[node] if goes_on else 0)
        told.right.append(root + right[node] if goes_on else 0)
        told.length.append(0.0 if goes_on else depth[node] + below[node])


def _expected(samples: Iterable[int]) -> Floats:
    """Mean steps of an unsuccessful search in a tree of so many (Preiss 1999), as scikit-learn has it."""
    n = np.array(list(samples), dtype=float)
    many = np.maximum(n, 3.0)
    long = 2.0 * (np.log(many - 1.0) + EULER_GAMMA) - 2.0 * (many - 1.0) / many
    found: Floats = np.where(n <= 1, 0.0, np.where(n == 2, 1.0, long))  # noqa: PLR2004 - as published
    return found
