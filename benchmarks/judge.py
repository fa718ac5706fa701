"""How fast does the judge alone fold recorded events, and where does the time go?

`chainbrake replay --json` on a file of NDJSON, one process, its start-up taken off; then, in one process and
without files, the parts one by one: what a part costs is the difference that switching it off makes.
"""  # noqa: D400 - it opens with its question

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from benchmarks.deployment import POLICY_NOTE, Ground, processor_s
from benchmarks.report import Report, Size, middle, thousands
from benchmarks.timing import timed, uncollected
from benchmarks.traffic import Traffic
from detectors.catalog import LEARNED, NAMES
from detectors.chains.hosted import NOTHING, Declared
from detectors.judge import Judge
from detectors.policy import Policy
from detectors.thresholds import DetectorSettings
from models.baselines.baseline import Baseline
from models.cloudevent import read_line
from models.event import AnyEvent
from models.registry import EMPTY
from models.session import Workflow
from stream.configuration.baseline_files import load_baseline
from stream.configuration.rule_files import load_declared
from stream.configuration.settings import load_policy, read_settings
from stream.offline.replay import Replay

US = 1e6


def run(ground: Ground, size: Size) -> Report:
    """Replay as a user would, then the parts."""
    traffic = Traffic(seed=3, start_ms=int(time.time() * 1000) - size.events)
    lines = [value for _, value in traffic.events(size.events)]
    replayed = [_replayed(ground, lines) for _ in range(size.rounds)]
    parts = Parts(lines, load_policy(str(ground.policy)), str(ground.baseline))
    costs: dict[str, list[float]] = {name: [] for name in parts.timed}
    parts.timed[FOLD]()  # what a model remembers fills up, which the first to be timed would pay for all
    for _ in range(size.rounds):
        for name, work in parts.timed.items():
            costs[name].append(timed(work) / len(lines))
    cost = {name: min(measured) for name, measured in costs.items()}
    print(f"judge: replay {thousands(middle(replayed))} events/s", flush=True)
    rate = middle(replayed)
    chains_us = (cost[FOLD] - cost[CHAINS]) * US
    return Report(
        title="The judge alone",
        question=(__doc__ or "").split("\n\n", maxsplit=1)[0].replace("\n", " "),
        columns=("part", "us per event", "share"),
        rows=_rows(cost, 1 / rate),
        answers=[
            f"`chainbrake replay --json`: {thousands(rate)} events per CPU second, all detectors on",
            f"{rate * cost[DECODE]:.2f} x decoding alone ({thousands(1 / cost[DECODE])} events/s)",
            f"the fold alone, of events already decoded: {thousands(1 / cost[FOLD])} events/s",
            f"{len(parts.declared.chains)} declared chains: {chains_us:.2f} us an event",
            f"all learned parts: {parts.learned_share(size.rounds):.1%} of the rate without them, in turns",
        ],
        notes=[
            f"{len(lines):,} events, {traffic.sessions:,} sessions, {len(traffic.chains)} chains",
            f"processor time; the parts are the best of {size.rounds} rounds, the whole their median",
            "a detector's cost is what switching it off saves with all others on",
            "a negative rest means that noise is of that size: then only the sums can be trusted",
            POLICY_NOTE,
        ],
    )


BLOCK = 1_000
"""Events by each in turns."""

DECODE = "decode and check the JSON"
FOLD = "fold, all detectors"
BARE = "fold, no detector"
CHAINS = "fold, all detectors but declared chains"
REPLAY = "replay in process"


class Parts:
    """What can be timed on its own, all on the same events."""

    def __init__(self, lines: list[bytes], policy: Policy, baseline: str) -> None:
        self._lines = lines
        self._events = [read_line(line) for line in lines]
        self._policy = policy
        self._baseline = load_baseline(read_settings(os.environ, baseline=baseline))
        self.declared = load_declared(policy)
        self.timed: dict[str, Callable[[], object]] = {
            DECODE: self._decode,
            FOLD: lambda: self._fold(policy, self.declared),
            BARE: lambda: self._fold(_with(policy, *NAMES), NOTHING),
            CHAINS: lambda: self._fold(policy, NOTHING),
            **{
                name: lambda name=name: self._fold(_with(policy, name), self.declared)  # type: ignore[misc]
                for name in NAMES
            },
            REPLAY: self._replay,
        }

    def learned_share(self, rounds: int) -> float:
        """By how much of the rate of rules and chains the learned parts slow them down; best of the rounds.

        Blocks by each in turns, and each block by the other first: who comes second finds the events at hand.
        """
        policies = (self._policy, _with(self._policy, *LEARNED))
        folds = [fold_of(policy, self._baseline, self.declared) for policy in policies]
        best = [float("inf")] * len(folds)
        with uncollected():
            self._in_turns(folds)  # fills what a model remembers
            for _ in range(rounds):
                best = [min(one, other) for one, other in zip(best, self._in_turns(folds), strict=True)]
        with_all, without = best
        return 1.0 - without / with_all

    def _in_turns(self, folds: Sequence[Callable[..., object]]) -> list[float]:
        """Seconds of processor time of each."""
        workflows: list[dict[str, Workflow]] = [{} for _ in folds]
        spent = [0.0] * len(folds)
        for number, first in enumerate(range(0, len(self._events), BLOCK)):
            block = self._events[first : first + BLOCK]
            for place in sorted(range(len(folds)), reverse=number % 2 == 1):
                began_s = time.process_time()
                folds[place](block, workflows[place], first)
                spent[place] += time.process_time() - began_s
        return spent

    def _decode(self) -> None:
        for line in self._lines:
            read_line(line)

    def _replay(self) -> None:
        for _ in Replay(self._policy, self._baseline).rows(self._lines):
            pass

    def _fold(self, policy: Policy, declared: Declared) -> dict[str, Workflow]:
        return fold_of(policy, self._baseline, declared)(self._events)


def fold_of(
    policy: Policy, baseline: Baseline | None, declared: Declared
) -> Callable[..., dict[str, Workflow]]:
    """Folds events by a judge of its own, into new workflows or on into those of the events before."""
    fold = Judge(policy, baseline, EMPTY, declared).fold

    def folded(
        events: list[AnyEvent], workflows: dict[str, Workflow] | None = None, first: int = 0
    ) -> dict[str, Workflow]:
        """`first`: position of the first event."""
        known = {} if workflows is None else workflows
        for position, event in enumerate(events, first):
            workflow = known.get(event.workflow)
            if workflow is None:
                workflow = known[event.workflow] = Workflow(event.workflow)
            fold(workflow, event, position, event.at_ms)
        return known

    return folded


def _with(policy: Policy, *off: str) -> Policy:
    """That policy with some detectors off."""
    settings: DetectorSettings = policy.detectors
    for name in off:
        settings = replace(settings, **{name: replace(getattr(settings, name), enabled=False)})
    return replace(policy, detectors=settings)


def _replayed(ground: Ground, lines: list[bytes]) -> float:
    """Events per second of processor time of the command, without its start-up."""
    full, one = ground.folder / "replayed.ndjson", ground.folder / "one.ndjson"
    full.write_bytes(b"\n".join(lines))
    one.write_bytes(lines[0])
    return len(lines) / (_command(ground, full) - _command(ground, one))


def _command(ground: Ground, path: Path) -> float:
    chainbrake = Path(sys.executable).with_name("chainbrake")
    options = ["--json", "--policy", str(ground.policy), "--baseline", str(ground.baseline)]
    return processor_s([chainbrake, "replay", path, *options], ground.folder)[0]


def _rows(cost: dict[str, float], whole_s: float) -> list[tuple[str, ...]]:
    """Parts of one replayed event, in the order of the work."""
    inner = {name: max(0.0, cost[FOLD] - cost[name]) for name in NAMES}
    inner["declared chains"] = max(0.0, cost[FOLD] - cost[CHAINS])
    parts = {
        DECODE: cost[DECODE],
        "fold: bookkeeping": cost[BARE],
        **{f"fold: {name}": saved for name, saved in sorted(inner.items(), key=lambda item: -item[1])},
        "fold: what detectors share": cost[FOLD] - cost[BARE] - sum(inner.values()),
        "date checks, rows, the loop": max(0.0, cost[REPLAY] - cost[DECODE] - cost[FOLD]),
        "reading the file, writing, the collector": whole_s - cost[REPLAY],
    }
    rows = [(name, f"{part * US:.2f}", f"{part / whole_s:.0%}") for name, part in parts.items()]
    return [*rows, ("**whole replay**", f"{whole_s * US:.2f}", "100%")]
