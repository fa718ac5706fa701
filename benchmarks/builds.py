"""How much faster is the compiled fold, and does it judge exactly the same?

`benchmarks.digest` in both builds, in turns: findings, commands and stored state as one digest, and what an
event cost; then `chainbrake replay` of the benchmarks' traffic. Start-up counts for nobody.
"""  # noqa: D400 - it opens with its question

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.deployment import COMPILED_PYTHON, ROOT, Ground, processor_s
from benchmarks.digest import Digest
from benchmarks.report import Report, Size, middle, spread, thousands
from benchmarks.traffic import Traffic

PURE_PYTHON = Path(sys.executable)
FOLD = "fold, half of it traffic, half at random"
REPLAY = "chainbrake replay --json"


def run(ground: Ground, size: Size) -> Report:
    """Each build in turn, `rounds` times over."""
    builds = {"pure": PURE_PYTHON}
    if COMPILED_PYTHON.exists():
        builds["compiled"] = COMPILED_PYTHON
    folds: dict[str, list[Digest]] = {name: [] for name in builds}
    replays: dict[str, list[float]] = {name: [] for name in builds}
    recorded, one = _recorded(ground, size)
    for number in range(size.rounds):
        for name, python in builds.items():
            folds[name].append(_digest(ground, python, size.events))
            assert folds[name][-1].fold == name, f"{python} runs a fold that is {folds[name][-1].fold}"
            replays[name].append(_replayed(ground, python, recorded, one, size.events))
            print(
                f"builds, round {number + 1}: {name}: {folds[name][-1].us:.1f} us an event in the fold, "
                f"{thousands(replays[name][-1])} events/s replayed",
                flush=True,
            )
    told = {(every.digest, every.findings, every.commands) for found in folds.values() for every in found}
    assert len(told) == 1, f"the builds do not judge alike: {told}"
    rows, answers = compared(folds, replays)
    return Report(
        title="The compiled fold",
        question=(__doc__ or "").split("\n\n", maxsplit=1)[0].replace("\n", " "),
        columns=("what", "build", "us per event", "range", "times the pure"),
        rows=rows,
        answers=answers,
        notes=[
            f"{size.events:,} events, processor time, medians of {size.rounds} rounds, in turns",
            (
                f"{folds['pure'][0].findings:,} findings and {folds['pure'][0].commands:,} commands; digest "
                f"{folds['pure'][0].digest[:16]} in every round of every build"
            ),
            "of the events made at random most are changes and secrets: each is dear, and no traffic is so",
            *([] if len(builds) > 1 else ["not compiled here: see `make compiled`"]),
        ],
    )


def compared(
    folds: dict[str, list[Digest]], replays: dict[str, list[float]]
) -> tuple[list[tuple[str, ...]], list[str]]:
    """A row for each build and way of measuring; what compares them."""
    rows: list[tuple[str, ...]] = []
    answers: list[str] = []
    measured = {
        FOLD: {name: [every.us for every in found] for name, found in folds.items()},
        REPLAY: {name: [1e6 / rate for rate in rates] for name, rates in replays.items()},
    }
    for what, costs in measured.items():
        pure = middle(costs["pure"])
        for name, us in costs.items():
            rows.append((what, name, f"{middle(us):.1f}", spread(us, 1.0), f"{pure / middle(us):.2f}"))
        if "compiled" in costs:
            answers.append(f"{what}: compiled {pure / middle(costs['compiled']):.2f} x as fast as pure")
    return rows, answers


def _digest(ground: Ground, python: Path, events: int) -> Digest:
    """Of the program that this Python has installed; the benchmarks are ours."""
    sites = [str(site) for site in python.parent.parent.glob("lib/python*/site-packages")]
    path = os.pathsep.join([*(sites if python != PURE_PYTHON else []), str(ROOT)])
    ran = subprocess.run(
        [python, "-m", "benchmarks.digest", ground.baseline, str(events)],
        env=os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
        capture_output=True,
        check=True,
        cwd=ground.folder,
    )
    return msgspec.json.decode(ran.stdout, type=Digest)


def _recorded(ground: Ground, size: Size) -> tuple[Path, Path]:
    """All the events, and the first alone."""
    traffic = Traffic(seed=3, start_ms=int(time.time() * 1000) - size.events)
    lines = [value for _, value in traffic.events(size.events)]
    recorded, one = ground.folder / "replayed.ndjson", ground.folder / "one.ndjson"
    recorded.write_bytes(b"\n".join(lines))
    one.write_bytes(lines[0])
    return recorded, one


def _replayed(ground: Ground, python: Path, recorded: Path, one: Path, events: int) -> float:
    """Events per second of processor time."""
    options = ["--json", "--policy", str(ground.policy), "--baseline", str(ground.baseline)]
    all_s, start_s = (
        processor_s([python.with_name("chainbrake"), "replay", path, *options], ground.folder)[0]
        for path in (recorded, one)
    )
    return events / (all_s - start_s)
