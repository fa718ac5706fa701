"""Learns which shapes are usual, and how odd whole held-out sessions look by what all others taught.

Sessions are held out as for surprise, the same ones in the same folds: once with the variant of their agent
or their stretch of time, once with their job.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct

from models.baselines.cohorts import EVERYBODY
from models.baselines.counting import Run
from models.baselines.forest import Floats, Forest, Whole
from models.baselines.forest_learning import exported, fitted
from models.baselines.shape import FEATURES, Figures, Mark, Vector, mark_of, take_in, vector_of
from models.baselines.shape_counts import ShapeCounts, Usual
from models.baselines.shape_model import Center, center_of
from models.baselines.surprise_learning import FOLDS, Found, HeldOut, Placed

SESSIONS_MIN = 30
"""With fewer sessions whose class of risk ever changed, no forest is grown: not enough seen."""

JOB_VECTORS_MAX = 256
"""Of one job the forest is offered about so many vectors, evenly spread: else it knew but the busiest."""

TAUGHT_MAX = 20_000
"""Vectors that it is offered in all, about: each tree takes 256 of them."""

DIGITS = 4


class Seen(Struct):
    """A session, and its shape at each change of its class of risk."""

    placed: Placed
    vectors: Whole
    moments: Floats
    """1, the mean vector and the mean of its squares: what the session says of what is usual."""


Sums = dict[str, Floats]
"""By cohort: what the moments of its sessions add up to."""


def learn_shapes(held_out: HeldOut) -> ShapeCounts | None:
    """From honest sessions; fills in what those held out reached. None is "not enough seen"."""
    seen = [_seen(placed) for placed in held_out.placed]
    total = _sums(seen)
    usual = _usual(total)
    forest = _forest(seen, usual)
    if forest is None:
        return None
    for found, fold_of in ((held_out.known, "group"), (held_out.new, "job")):
        _reach(seen, total, found, [getattr(told.placed, fold_of) for told in seen])
        _raise(seen, found, forest, usual)
    return ShapeCounts(forest=forest, usual=usual)


def changes(run: Run) -> list[Vector]:
    """The shapes of a session whenever its class of risk changes, as judging sees them."""
    figures: Figures = []
    marks: dict[tuple[str, str, str], Mark | None] = {}
    found = []
    for event in run:
        look = (event.op_class, event.outcome, event.system_kind)
        mark = marks[look] if look in marks else marks.setdefault(look, mark_of(event))
        if mark is not None and take_in(figures, mark, event):
            found.append(vector_of(figures, run[0].at_ms, event.at_ms))
    return found


def _seen(placed: Placed) -> Seen:
    vectors = np.array(changes(placed.run), dtype=np.int64).reshape(-1, len(FEATURES))
    if not len(vectors):
        return Seen(placed, vectors, np.zeros(0))
    parts = (np.ones(1), vectors.mean(axis=0), (vectors**2).mean(axis=0))
    return Seen(placed, vectors, np.concatenate(parts))


def _sums(seen: Iterable[Seen]) -> Sums:
    sums: Sums = {}
    for told in seen:
        if len(told.vectors):
            for key in (EVERYBODY, *told.placed.keys):
                sums[key] = sums[key] + told.moments if key in sums else told.moments
    return sums


def _usual(total: Sums, held_out: Sums | None = None) -> dict[str, Usual]:
    """Mean and variance by cohort, each session one voice, without those held out."""
    usual = {}
    for key, moments in total.items():
        left = moments - held_out[key] if held_out is not None and key in held_out else moments
        sessions = round(float(left[0]))
        if sessions:
            mean, squares = np.split(left[1:] / sessions, 2)
            variance = np.maximum(squares - mean**2, 0.0)
            usual[key] = Usual(sessions, mean.round(DIGITS).tolist(), variance.round(DIGITS).tolist())
    return usual


def _reach(seen: Sequence[Seen], total: Sums, found: Found, fold_of: Sequence[int]) -> None:
    """How odd each session of `found` looks by what the sessions of all other folds taught."""
    asked = {id(placed): reached for placed, reached in found}
    for fold in range(FOLDS):
        inside = [told for told, its in zip(seen, fold_of, strict=True) if its == fold]
        judged = [told for told in inside if id(told.placed) in asked and len(told.vectors)]
        if not judged:
            continue
        usual = _usual(total, _sums(inside))
        rest = [told for told, its in zip(seen, fold_of, strict=True) if its != fold]
        forest = _forest(rest, usual)
        if forest is None:
            continue
        for told, peak in zip(judged, _peaks(judged, forest, usual), strict=True):
            asked[id(told.placed)].shape = peak


def _raise(seen: Sequence[Seen], found: Found, forest: Forest, usual: dict[str, Usual]) -> None:
    """A session counts by what it reaches in the forest that judges, too, where that is more.

    Two forests differ by chance, and sessions of a steady job are all alike: had the forest that judges found
    them odder by a hair than those that they were held out from, every session to come would be an alarm.
    """
    asked = {id(placed): reached for placed, reached in found}
    judged = [told for told in seen if id(told.placed) in asked and len(told.vectors)]
    for told, peak in zip(judged, _peaks(judged, forest, usual), strict=True):
        reached = asked[id(told.placed)]
        reached.shape = max(reached.shape, peak)


def _peaks(seen: Sequence[Seen], forest: Forest, usual: dict[str, Usual]) -> list[float]:
    """The running maximum of each; what is near to usual counts 0, as in judging."""
    centers = _centers(seen, usual)
    far = [told.vectors[centers[told.placed.keys].far(told.vectors)] for told in seen]
    distances = [centers[told.placed.keys].distances_of(rows) for told, rows in zip(seen, far, strict=True)]
    if not any(map(len, distances)):
        return [0.0] * len(seen)
    oddness = forest.oddness_of(np.concatenate(distances))
    ends = np.cumsum([len(rows) for rows in distances])
    return [float(part.max(initial=0.0)) for part in np.split(oddness, ends[:-1])]


def _forest(seen: Sequence[Seen], usual: dict[str, Usual]) -> Forest | None:
    told = [each for each in seen if len(each.vectors)]
    if len(told) < SESSIONS_MIN:
        return None
    jobs: dict[tuple[str, ...], list[Seen]] = defaultdict(list)
    for each in told:
        jobs[each.placed.keys].append(each)
    offered = [each for theirs in jobs.values() for each in _evenly(theirs, JOB_VECTORS_MAX)]
    taught = _evenly(offered, TAUGHT_MAX)
    centers = _centers(taught, usual)
    return exported(
        fitted(np.concatenate([centers[each.placed.keys].distances_of(each.vectors) for each in taught]))
    )


def _evenly(sessions: list[Seen], most: int) -> list[Seen]:
    """So many of the sessions that about `most` vectors are left, each session whole."""
    return sessions[:: -(-sum(len(each.vectors) for each in sessions) // most)]


def _centers(seen: Iterable[Seen], usual: dict[str, Usual]) -> dict[tuple[str, ...], Center]:
    """What is usual for each."""
    return {
        keys: center_of([usual.get(key) for key in (EVERYBODY, *keys)])
        for keys in {told.placed.keys for told in seen}
    }
