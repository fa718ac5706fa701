"""Whether an act is rather what hijacked sessions do than what honest ones do: learned from labels, optional.

Two ratios of chances, each of an act under hijacked and under honest sessions, in bits (interpolated
Witten-Bell, `smoothing.py`): of who spoke of the operation, and of the field and the shape of the oddest
argument, given of which operation's result its value was. A logistic regression weighs both, for each agent;
what it says is the score, log2(1 + odds): bits of odds where hijacked is likelier, and near 0 where honest
is. One act is looked at, nothing is kept of it. A session is judged by the running maximum.
"""

from collections.abc import Mapping, Sequence
from math import exp, log, log1p
from typing import Final, NamedTuple

from models.baselines.cohorts import SEPARATOR
from models.baselines.origins import NAME, Leaf, leaves
from models.baselines.resemblance_counts import ResemblanceCounts, Rows
from models.baselines.smoothing import Row, bits
from models.event import ERROR, Operation

UNTOLD: Final = "-"
"""Nobody says who spoke of the operation."""

KNOWN_MAX: Final = 65_536
"""Ratios that are kept; forgotten as a whole when there are more, since names may be any."""

NATURAL: Final = log(2.0)


class Likeness(NamedTuple):
    """What one act looks like."""

    score: float
    """In bits; 0 for nothing to say."""
    speaker: float
    """Ratio of who spoke of the operation, in bits."""
    origin: float
    """Ratio of the oddest argument, in bits, at least 0."""
    leaf: Leaf | None
    """That argument; None where none is odder than among honest sessions."""


NOTHING: Final = Likeness(0.0, 0.0, 0.0, None)


def doublings(logit: float) -> float:
    """What a logistic regression says as log2(1 + odds); no number is too large for it."""
    return (max(logit, 0.0) + log1p(exp(-abs(logit)))) / NATURAL


def speaker_of(event: Operation) -> str:
    """Who spoke of the operation, as far as anybody says."""
    for told in event.provenance:
        if told.argument == NAME:
            return str(told.origin)
    return UNTOLD


def taken(event: Operation, results: Mapping[str, str]) -> list[Leaf]:
    """What its arguments took from results."""
    return [leaf for argument, leaf in leaves(event, results) if leaf is not None and argument != NAME]


def speaker_contexts(agent: str, operation: str) -> tuple[str, str, str]:
    """Coarse to fine."""
    return "", agent, f"{agent}{SEPARATOR}{operation}"


def leaf_contexts(agent: str, operation: str, leaf: Leaf) -> tuple[str, str, str]:
    """Coarse to fine."""
    argument, source = leaf[0], leaf[1]
    return (
        "",
        f"{agent}{SEPARATOR}{source}",
        f"{agent}{SEPARATOR}{operation}{SEPARATOR}{argument}{SEPARATOR}{source}",
    )


def leaf_symbol(leaf: Leaf) -> str:
    """Field and shape."""
    return f"{leaf[2]}{SEPARATOR}{leaf[3]}"


class ResemblanceModel:
    """Ready to be asked; what was asked before is one look-up."""

    def __init__(self, counts: ResemblanceCounts) -> None:
        self._agents = counts.agents
        self._honest, self._hijacked = counts.honest, counts.hijacked
        self._known: dict[tuple[str, str, str | Leaf], float] = {}
        """Ratios that were asked for, by agent, operation and what was told."""

    def likeness(self, event: Operation, results: Mapping[str, str]) -> Likeness:
        """Of one act; `results` says of which operation an earlier event was, by id."""
        weights = self._agents.get(event.agent)
        if weights is None or not event.provenance or event.outcome is ERROR:
            return NOTHING
        speaker, origin, leaf = self.ratios(event, results)
        score = doublings(weights[0] + weights[1] * speaker + weights[2] * origin)
        return Likeness(score, speaker, origin, leaf)

    def ratios(self, event: Operation, results: Mapping[str, str]) -> tuple[float, float, Leaf | None]:
        """Of who spoke of the operation; of its oddest argument; that argument."""
        agent, operation = event.agent, event.operation
        oddest, which = 0.0, None
        for leaf in taken(event, results):
            found = self._ratio(agent, operation, leaf)
            if found > oddest:
                oddest, which = found, leaf
        return self._ratio(agent, operation, speaker_of(event)), oddest, which

    def _ratio(self, agent: str, operation: str, told: str | Leaf) -> float:
        """Of who spoke of an operation, or of what an argument of it took."""
        asked = (agent, operation, told)
        found = self._known.get(asked)
        if found is None:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            found = self._known[asked] = self._counted(agent, operation, told)
        return found

    def _counted(self, agent: str, operation: str, told: str | Leaf) -> float:
        honest, hijacked = self._honest, self._hijacked
        if isinstance(told, str):
            return _ratio(honest.spoken, hijacked.spoken, speaker_contexts(agent, operation), told)
        contexts = leaf_contexts(agent, operation, told)
        return _ratio(honest.fields, hijacked.fields, contexts, leaf_symbol(told))


def _ratio(honest: Rows, hijacked: Rows, contexts: Sequence[str], symbol: str) -> float:
    """How many times likelier it is in hijacked sessions, in doublings."""
    return bits(_rows(honest, contexts), symbol) - bits(_rows(hijacked, contexts), symbol)


def _rows(rows: Rows, contexts: Sequence[str]) -> list[Row]:
    return [rows[context] for context in contexts if context in rows]
