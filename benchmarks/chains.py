"""What do declared chains cost an event: those that it can be a step of, and those that it cannot?

The fold of one worker with every detector on, with no declared chain, the built-in ones, ten times as many
that wait for operations which this traffic does not have, and ten times as many that it feeds.
"""  # noqa: D400 - it opens with its question

import os
import time

from msgspec.structs import replace

from benchmarks.deployment import Ground
from benchmarks.judge import US, fold_of
from benchmarks.report import Report, Size
from benchmarks.timing import timed
from benchmarks.traffic import Traffic
from detectors.chains.hosted import NOTHING, Declared, Hosted
from models.cloudevent import read_line
from stream.configuration.baseline_files import load_baseline
from stream.configuration.rule_files import load_declared
from stream.configuration.settings import load_policy, read_settings

TIMES = 10
NONE, BUILT_IN = "no declared chain", "the built-in ones"
DEAF, FED = (
    f"{TIMES} times as many more, of other operations",
    f"{TIMES} times as many more, fed by this traffic",
)


def run(ground: Ground, size: Size) -> Report:
    """Everyone in turn in each round; the best of them, since other load only adds."""
    traffic = Traffic(seed=3, start_ms=int(time.time() * 1000) - size.events)
    events = [read_line(value) for _, value in traffic.events(size.events)]
    policy = load_policy(str(ground.policy))
    baseline = load_baseline(read_settings(os.environ, baseline=str(ground.baseline)))
    built_in = load_declared(policy)
    more = [copied(chain, number) for number in range(TIMES) for chain in built_in.chains]
    lanes = {
        NONE: NOTHING,
        BUILT_IN: built_in,
        DEAF: Declared((*built_in.chains, *(deafened(chain) for chain in more))),
        FED: Declared((*built_in.chains, *more)),
    }
    took: dict[str, list[float]] = {name: [] for name in lanes}
    for _ in range(size.rounds):
        for name, declared in lanes.items():
            fold = fold_of(policy, baseline, declared)
            took[name].append(timed(lambda fold=fold: fold(events)) / len(events) * US)  # type: ignore[misc]
    best = {name: min(times) for name, times in took.items()}
    each = {
        DEAF: (best[DEAF] - best[BUILT_IN]) / len(more),
        FED: (best[FED] - best[BUILT_IN]) / len(more),
    }
    return Report(
        title="Chains that listen, and chains that do not",
        question=(__doc__ or "").split("\n\n", maxsplit=1)[0].replace("\n", " "),
        columns=("declared chains", "how many", "us per event", "by the chains", "each of those added"),
        rows=[
            (
                name,
                str(len(declared.chains)),
                f"{best[name]:.2f}",
                f"{best[name] - best[NONE]:+.2f}",
                f"{each[name]:+.3f}" if name in each else "",
            )
            for name, declared in lanes.items()
        ],
        answers=[
            f"{len(more)} more that are not fed: {best[DEAF] - best[BUILT_IN]:+.2f} us an event",
            f"{len(more)} more that are fed: {best[FED] - best[BUILT_IN]:+.2f} us an event",
        ],
        notes=[
            f"{len(events):,} events, processor time of the fold, best of {size.rounds} rounds",
            "those that are not fed wait for the same classes of operations, by names that do not occur",
            "those that are fed are the built-in ones under other names, each with registers of its own",
        ],
    )


def copied(chain: Hosted, number: int) -> Hosted:
    """The same under another name."""
    return replace(chain, name=f"{chain.name}_{number}")


def deafened(chain: Hosted) -> Hosted:
    """The same, of operations that nobody calls."""
    return replace(chain, parts=tuple(replace(part, is_named=_never) for part in chain.parts))


def _never(_operation: str) -> bool:
    return False
