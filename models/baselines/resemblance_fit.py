"""Weighs what tells hijacked sessions from honest ones, with scikit-learn's logistic regression.

A session is as odd as its oddest act, and which act that is depends on the weights: so both are found in
turn (a session is a bag of acts, of which one gave it its label: multiple-instance learning, by the turns of
MI-SVM, Andrews et al. 2003).
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from models.baselines.resemblance_counts import Weights

Floats = NDArray[np.float64]

RATIOS = 2
"""Of an act: of who spoke of it, and of its oddest argument."""

TURNS = 4
"""Weights, then each session's oddest act, and again."""

STRENGTH = 0.03
"""Inverse of the penalty (`C` of scikit-learn): one agent's weights differ little from all agents'."""


SPREAD_MIN = 0.1
"""Bits: a ratio that varies less says nothing, and must not be made to."""


class Bag:
    """One session: its acts, whose they are, and what it was."""

    __slots__ = ("acts", "agent", "hijacked")

    def __init__(self, acts: Floats, agent: str, *, hijacked: bool) -> None:
        """`acts`: of shape (acts, `RATIOS`), at least one."""
        self.acts, self.agent, self.hijacked = acts, agent, hijacked


class Fitted:
    """scikit-learn's own, and what it was given."""

    def __init__(self, bags: Sequence[Bag]) -> None:
        """Both kinds have to be there."""
        self.agents = sorted({bag.agent for bag in bags})
        self._whole = np.concatenate([bag.acts for bag in bags])
        self._mean = self._whole.mean(axis=0)
        self._spread = np.maximum(self._whole.std(axis=0), SPREAD_MIN)
        self.model = self._fit(bags)

    def design(self, acts: Floats, agents: Sequence[str]) -> Floats:
        """Ratios in spreads, once for everybody and once in the place of the agent.

        `acts`: of shape (acts, `RATIOS`), `agents` says whose; to (acts, `RATIOS` · (1 + agents)).
        """
        scaled = (acts - self._mean) / self._spread
        wide = np.zeros((len(acts), RATIOS * (1 + len(self.agents))))
        wide[:, :RATIOS] = scaled
        for place, agent in enumerate(self.agents, 1):
            theirs = np.array([name == agent for name in agents], dtype=bool)
            wide[theirs, RATIOS * place : RATIOS * (place + 1)] = scaled[theirs]
        return wide

    def weights(self) -> dict[str, Weights]:
        """The same in numbers: what is added, and what counts a bit of each ratio."""
        told = self.model.coef_[0]
        found: dict[str, Weights] = {}
        for place, agent in enumerate(self.agents, 1):
            slopes = (told[:RATIOS] + told[RATIOS * place : RATIOS * (place + 1)]) / self._spread
            added = float(self.model.intercept_[0] - slopes @ self._mean)
            found[agent] = (added, float(slopes[0]), float(slopes[1]))
        return found

    def _fit(self, bags: Sequence[Bag]) -> LogisticRegression:
        lengths = [len(bag.acts) for bag in bags]
        begins = np.concatenate([[0], np.cumsum(lengths)])
        wide = self.design(self._whole, [bag.agent for bag in bags for _ in range(len(bag.acts))])
        hijacked = np.array([bag.hijacked for bag in bags])
        odd = ((self._whole - self._mean) / self._spread).sum(axis=1)
        voices = _voices(bags)
        model = LogisticRegression(C=STRENGTH, max_iter=1_000)
        for _ in range(TURNS):
            oddest = [begin + int(np.argmax(odd[begin:end])) for begin, end in pairwise(begins)]
            model.fit(wide[oddest], hijacked, sample_weight=voices)
            odd = model.decision_function(wide)
        return model


def _voices(bags: Sequence[Bag]) -> Floats:
    """Each agent's honest and each agent's hijacked sessions have one voice, however many they are."""
    groups = [(bag.agent, bag.hijacked) for bag in bags]
    sizes = Counter(groups)
    return np.array([len(bags) / (len(sizes) * sizes[group]) for group in groups])
