"""Rules against recorded sessions: what fired and when, how well where labels exist, and what it costs.

Each file is one recording and is replayed by itself. A label says what should be found in it: `none`, or
`any`, or the names of detectors.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from detectors.chains.hosted import Declared
from detectors.policy import Policy
from models.baselines.baseline import Baseline
from models.errors import InputError
from models.registry import Registry
from stream.files import lines
from stream.recorded import bytes_max
from stream.replay import Replay

NONE, ANY = "none", "any"
Labels = dict[str, str | tuple[str, ...]]


class Fired(Struct, frozen=True):
    """A detector's first finding in a recording."""

    detector: str
    input_index: int
    at_ms: int
    findings: int


class Backtested(Struct, frozen=True):
    """What came of one recording."""

    file: str
    events: int
    cpu_s: float
    fired: tuple[Fired, ...]


class Score(Struct):
    """How one detector did, over the recordings whose label says something of it."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def precision(self) -> float | None:
        """Of the recordings in which it fired, the part in which it should; None if it never did."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else None

    @property
    def recall(self) -> float | None:
        """Of the recordings in which it should fire, the part in which it did; None if there are none."""
        return self.right / (self.right + self.missed) if self.right + self.missed else None


class Backtest:
    """One policy, one baseline, one set of rules."""

    def __init__(
        self, policy: Policy, baseline: Baseline | None, source: str, registry: Registry, declared: Declared
    ) -> None:
        self._policy = policy
        self._baseline = baseline
        self._source = source
        self._registry = registry
        self._declared = declared

    def recordings(self, files: Iterable[str]) -> Iterator[Backtested]:
        """Each file, replayed. Raises `InputError` for one that cannot be read."""
        for file in files:
            replay = Replay(self._policy, self._baseline, self._source, self._registry, self._declared)
            began_s = time.process_time()
            rows = list(replay.rows(lines([file], bytes_max(self._source))))
            spent_s = time.process_time() - began_s
            yield Backtested(file, replay.summary()["events"], spent_s, tuple(_fired(rows)))


def _fired(rows: list[dict[str, Any]]) -> Iterator[Fired]:
    findings = [row for row in rows if row["kind"] == "finding"]
    counts = Counter(row["detector"] for row in findings)
    for name in counts:
        first = next(row for row in findings if row["detector"] == name)
        yield Fired(name, first["input_index"], first["at_ms"], counts[name])


def read_labels(path: str) -> Labels:
    """File name: label. Raises `InputError`."""
    try:
        return msgspec.yaml.decode(Path(path).read_bytes(), type=Labels)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: {error}; valid is `file: none`, `file: any` or `file: [detector, ...]`, a line each"
        ) from error


def scores(told: Iterable[Backtested], labels: Labels) -> dict[str, Score]:
    """By detector; `any` counts for the row of that name, which is right if anything fired."""
    found: dict[str, Score] = {}
    for one in told:
        label = labels.get(Path(one.file).name, labels.get(one.file))
        if label is None:
            continue
        fired = {each.detector for each in one.fired}
        _note(found, ANY, expected=label != NONE, did=bool(fired))
        wanted = () if isinstance(label, str) else label
        if label == ANY:
            continue  # which detector should fire it does not say
        for name in fired.union(wanted):
            _note(found, name, expected=name in wanted, did=name in fired)
    return dict(sorted(found.items()))


def told(one: Backtested) -> Iterator[str]:
    """A recording in words: first finding of each detector, in their order."""
    yield f"{one.file}: {one.events} events, {len(one.fired)} detectors fired"
    for each in sorted(one.fired, key=lambda fired: fired.input_index):
        yield f"{each.input_index:>8}  {each.detector}  {each.findings} findings, first at {each.at_ms}"


def cost(done: list[Backtested]) -> str:
    """What an event cost, reading and judging."""
    events = sum(one.events for one in done)
    spent_s = sum(one.cpu_s for one in done)
    return f"{len(done)} recordings, {events} events, {1e6 * spent_s / max(events, 1):.1f} us of CPU an event"


def rows(done: list[Backtested], scored: dict[str, Score]) -> Iterator[tuple[str, str, str, str]]:
    """One row a detector: in how many recordings it fired, precision and recall where labels exist."""
    fired = Counter(each.detector for one in done for each in one.fired)
    for name in sorted({*fired, *scored}):
        score = scored.get(name, Score())
        count = sum(bool(one.fired) for one in done) if name == ANY else fired[name]
        yield name, str(count), _share(score.precision), _share(score.recall)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _note(found: dict[str, Score], name: str, *, expected: bool, did: bool) -> None:
    score = found.setdefault(name, Score())
    if did:
        score.right += expected
        score.wrong += not expected
    else:
        score.missed += expected
