"""Learns a baseline from recorded sessions.

Pace: `pace_learning.py`; sequences and origins: `surprise_learning.py`; shapes: `shape_learning.py`. All
count an act once, by who told of it first, as judging does; habits are what all witnesses say.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256

from msgspec.structs import replace

from models.baselines.baseline import (
    FEATURE_SET,
    FORMAT,
    FORMAT_VERSION,
    LABELLED_VERSION,
    Header,
    Payload,
)
from models.baselines.counting import Run
from models.baselines.fit import metrics
from models.baselines.habit_learning import count_habits
from models.baselines.haste import fastest_bits
from models.baselines.pace_held_out import reach_pace
from models.baselines.pace_learning import learn_pace, peaks_of_runs
from models.baselines.resemblance_learning import Hijacked, Learned, learn_resemblance
from models.baselines.shape_file import packed_shape
from models.baselines.shape_learning import learn_shapes
from models.baselines.surprise_file import packed
from models.baselines.surprise_learning import NOBODY, Beyond, HeldOut, learn_held_out, reach_haste, together
from models.session import ACTS_MAX, remembered


def learn(
    runs: Iterable[Run],
    left_out: dict[str, int],
    groups: Sequence[str] | None = None,
    answered_ms: Sequence[Sequence[int]] = (),
    beyond: Beyond = NOBODY,
    hasty: Beyond = NOBODY,
    hijacked: Sequence[Hijacked] | None = None,
) -> tuple[Header, Payload]:
    """A baseline of honest runs, each the operations of one session in the order in which they were told.

    `left_out` says which sessions the caller kept back, and why; it is recorded, not acted upon. `groups`
    names the variant of the agent behind each run (its language model, its version), where that is known;
    `answered_ms` how long each approval of each run took; `beyond` counts those of `left_out` that
    exceed a live limit, and no more: honest for all that is known, new limits have to allow for as many;
    and `hasty` those that were faster than a live floor. `hijacked` are those that labels call so, and
    teach nothing but what resembles them; None where nobody asked for that.
    """
    honest = list(runs)
    assert all(honest), "a run without operations teaches nothing"
    hastes = [fastest_bits(took) for took in answered_ms] or [None] * len(honest)
    if groups is None:  # neighbours in time are held out together
        pairs = sorted(zip(honest, hastes, strict=True), key=lambda pair: _order(pair[0]))
        honest, hastes = [run for run, _ in pairs], [bits for _, bits in pairs]
    by_role: dict[str, list[Run]] = defaultdict(list)
    for run in honest:
        by_role[run[0].agent_role].append(run)
    once = [_told_first(run) for run in honest]
    header = _header(honest, left_out)
    peaks = peaks_of_runs(once)
    pace = learn_pace(honest, peaks, hasty)
    surprise, held_out = learn_held_out(once, groups, beyond)
    shapes = learn_shapes(held_out)
    reach_pace(held_out, peaks)
    reach_haste(held_out, hastes)
    labels = _labels(held_out, hijacked)
    header.metrics = metrics(held_out)
    told = {
        "score": True,
        "resemblance": labels is not None and labels.counts is not None,
        "shape": shapes is not None,
        "pace": bool(peaks.any()),
        "haste": True,
    }
    surprise.together = together(held_out, [name for name, is_known in told.items() if is_known])
    habits = {role: count_habits(theirs) for role, theirs in by_role.items() if role}
    shape = packed_shape(shapes) if shapes is not None else None
    payload = Payload(pace=pace, surprise=packed(surprise), habits=habits, shape=shape)
    if labels is not None:
        header.labelled = labels.told
        if labels.counts is not None:
            header.version, payload.resemblance = LABELLED_VERSION, labels.counts
    return header, payload


def _header(honest: Sequence[Run], left_out: dict[str, int]) -> Header:
    spans = [_span_ms(run) for run in honest]
    return Header(
        format=FORMAT,
        version=FORMAT_VERSION,
        feature_set=FEATURE_SET,
        sessions=len(honest),
        events=sum(len(run) for run in honest),
        left_out=left_out,
        from_ms=min((first for first, _ in spans), default=0),
        to_ms=max((last for _, last in spans), default=0),
        data_digest=_digest(honest),
        checksum="",
    )


def _labels(held_out: HeldOut, hijacked: Sequence[Hijacked] | None) -> Learned | None:
    if hijacked is None:
        return None
    return learn_resemblance(held_out, [_once(each) for each in hijacked])


def _once(session: Hijacked) -> Hijacked:
    """Every act once, as honest ones are told."""
    before = _told_first(session.run[: session.first_bad])
    return replace(session, run=_told_first(session.run), first_bad=len(before))


def _span_ms(run: Run) -> tuple[int, int]:
    """Its first and its last act."""
    times = [event.at_ms for event in run]
    return min(times), max(times)


def _order(run: Run) -> tuple[int, str, str]:
    first = run[0]
    return first.at_ms, first.workflow, first.session


def _told_first(run: Run) -> Run:
    """Every act once, as whoever told of it first told it; as the judge does."""
    acts: list[str] = []
    if not any(event.act for event in run):
        return run
    return [event for event in run if not event.act or remembered(acts, event.act, ACTS_MAX)]


def _digest(runs: Iterable[Run]) -> str:
    """Of what taught, whatever the order of the sessions."""
    whole = sha256()
    for digest in sorted(map(_run_digest, runs)):
        whole.update(digest)
    return whole.hexdigest()


def _run_digest(run: Run) -> bytes:
    told = sha256()
    for event in run:
        told.update(f"{event.source}\0{event.id}\0{event.at_ms}\0{event.operation}\n".encode())
    return told.digest()
