"""Where the values of a call came from, and how surprising that is.

Only what came out of an operation's result is charged: P(tool) · P(source operation) · P(field | source) ·
P(whole or part | source, field), each interpolated from everybody over the argument's name to the cohorts
that the session belongs to. A value that the user named, the agent made up or repeated cannot carry a
stranger's wish. Arguments that came from the same operation are one piece of evidence: the oddest of them
counts.
"""

from collections.abc import Iterable, Mapping, Sequence

from models.baselines.cohorts import SEPARATOR
from models.baselines.counts import ArgumentCounts, CohortCounts, Row
from models.baselines.smoothing import bits
from models.event import Operation, Origin

TOOL, OTHER = "tool", "other"

NAME = "()"
"""Stands for the operation's own name among its arguments: who spoke of it."""

WORDS, TOKEN = "text", "token"
FREE = frozenset({WORDS, TOKEN})
WHOLE, PART = "=", "in"
UNNAMED = frozenset({"", "*", "<key>"})
"""Fields without a name of their own: whether a result parses as structured changes with its content."""

ANY = ""
"""Key of what is counted over all operations, and over all arguments."""

Leaf = tuple[str, str, str, str]
"""Argument, operation whose result held its value, field of that result, whole or part."""


def leaves(event: Operation, results: Mapping[str, str]) -> Iterable[tuple[str, Leaf | None]]:
    """Argument, and where its value came from if that was a result; each once.

    `results` says of which operation an earlier event was, by id; a source that is not in it has no name.
    Free text and the tokens in it have other habits than an argument that is one value. How long the value is
    of which another is a part, is left out: an injection changes that, whether it was obeyed or not.
    """
    found: dict[tuple[str, Leaf | None], None] = {}
    for told in event.provenance:
        shape, leaf = told.shape, None
        free = shape in FREE
        argument = f"{told.argument}~{shape}" if free else told.argument
        if told.origin is Origin.TOOL:
            name = "" if told.source_field in UNNAMED else told.source_field
            kind = shape if free or shape == WHOLE else PART
            leaf = (argument, results.get(told.source_event, ""), name, kind)
        found[argument, leaf] = None
    return found


Said = tuple[str, str, Leaf | None]
"""Operation, argument, and where its value came from if that was a result."""


def add_origins(cohort: CohortCounts, tally: Mapping[Said, int]) -> None:
    """Add how often which was said in the sessions of one cohort; everybody's are of `ANY` operation."""
    for (operation, argument, leaf), times in tally.items():
        rows = cohort.arguments.setdefault(operation, {})
        for name in (argument,) if operation != ANY else (ANY, argument):
            counts = rows.get(name)
            if counts is None:
                counts = rows[name] = ArgumentCounts()
            row = counts.origins
            if leaf is None:
                row[OTHER] = row.get(OTHER, 0) + times
                continue
            _, source, field, shape = leaf
            row[TOOL] = row.get(TOOL, 0) + times
            row = counts.sources
            row[source] = row.get(source, 0) + times
            add_within(counts.fields, source, field, times)
            add_within(counts.shapes, f"{source}{SEPARATOR}{field}", shape, times)


def add_within(rows: dict[str, Row], key: str, symbol: str, times: int) -> None:
    """Count in one of many rows."""
    row = rows.get(key)
    if row is None:
        rows[key] = {symbol: times}
    else:
        row[symbol] = row.get(symbol, 0) + times


def _rows(
    everybody: CohortCounts, own: Sequence[CohortCounts], operation: str, argument: str
) -> list[ArgumentCounts]:
    """The contexts of an argument, coarse to fine; who spoke of an operation is no habit of a single job."""
    places = [(everybody, ANY, ANY), (everybody, ANY, argument)]
    places += [(cohort, operation, argument) for cohort in (own[:1] if argument == NAME else own)]
    found = (cohort.arguments.get(first, {}).get(second) for cohort, first, second in places)
    return [counts for counts in found if counts is not None]


class OriginModel:
    """Bits of surprise of one cohort's arguments; what was seen before is one look-up."""

    def __init__(self, everybody: CohortCounts, own: Sequence[CohortCounts]) -> None:
        self._everybody = everybody
        self._own = own
        self._usual: dict[tuple[str, Leaf], float] = {}
        """Bits of what the narrowest cohort has done: as large as what it did, and no larger."""

    def surprise(self, event: Operation, results: Mapping[str, str]) -> float:
        """Bits of an event: the oddest value of each source operation, summed over the sources."""
        oddest: dict[str, float] = {}
        for argument, leaf in leaves(event, results):
            if leaf is None:
                continue
            found = self._usual.get((event.operation, leaf))
            if found is None:
                found = self._bits(event.operation, leaf)
            source = leaf[1] or argument
            if found > oddest.get(source, 0.0):
                oddest[source] = found
        return sum(oddest.values(), 0.0)

    def _bits(self, operation: str, leaf: Leaf) -> float:
        argument, source, name, shape = leaf
        rows = _rows(self._everybody, self._own, operation, argument)
        place = f"{source}{SEPARATOR}{name}"
        found = (
            bits([row.origins for row in rows], TOOL)
            + bits([row.sources for row in rows], source)
            + bits([row.fields.get(source, {}) for row in rows], name)
            + bits([row.shapes.get(place, {}) for row in rows], shape)
        )
        if rows and shape in rows[-1].shapes.get(place, {}):
            self._usual[operation, leaf] = found
        return found
