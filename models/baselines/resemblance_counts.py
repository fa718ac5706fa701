"""What is learned from sessions that were labelled hijacked: an artifact may have it, or not."""

from collections.abc import Iterator
from math import isfinite

from msgspec import Struct, field

from models.baselines.cohorts import SEPARATOR
from models.baselines.counts import Row

Rows = dict[str, Row]
"""By context: how often which was seen."""

Weights = tuple[float, float, float]
"""Of an agent: what is added, and what a bit of each ratio counts."""


class Side(Struct):
    """What acts of one kind of session did."""

    spoken: Rows = field(default_factory=dict)
    """Everybody; agent; agent and operation: who spoke of the operation."""
    fields: Rows = field(default_factory=dict)
    """Everybody; agent and source operation; agent, operation, argument and source operation: of which field
    of the result its value was, and the whole or a part of it."""


class ResemblanceCounts(Struct, kw_only=True):
    """Both sides, and how they are weighed."""

    agents: dict[str, Weights]
    """Those of whom enough hijacked sessions were labelled: nothing is said of any other."""
    honest: Side
    hijacked: Side


class Labelled(Struct, kw_only=True):
    """What labels taught, as it stands in the header."""

    sessions: int
    """Labelled hijacked, with at least one act."""
    jobs: int
    goals: int
    agents: list[str]
    """Whom something is said of; none for too few labels, or labels that tell nothing."""
    auc: float | None = None
    """Chance that a hijacked session resembles others more than an honest one does, mean over the agents; its
    job and its goal were held out. None for too few labels."""
    lacking: list[str] = []
    """Why nothing is said of the other agents, a sentence each."""


def faults(counts: ResemblanceCounts) -> Iterator[str]:
    """What the types cannot say about the shapes inside."""
    if not counts.agents or not all(isfinite(weight) for told in counts.agents.values() for weight in told):
        yield "what resembles a hijack is weighed by no number"
    for side in (counts.honest, counts.hijacked):
        if not side.spoken.get("") or any(
            SEPARATOR not in key for row in side.fields.values() for key in row
        ):
            yield "what resembles a hijack cannot be read"
            return
