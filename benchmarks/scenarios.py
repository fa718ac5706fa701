"""Scenarios with known outcomes, and their ordinary past."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import process_time_ns

from benchmarks.benign import false_stops
from benchmarks.corpora import REPOSITORY
from benchmarks.report import Report
from detectors.policy import Policy
from models.baselines.baseline import Baseline
from models.command import STOPS
from models.registry import Registry
from stream.configuration.baseline_files import load_baseline
from stream.configuration.settings import load_registry, read_settings
from stream.offline.backtest import Backtest, Run, nearest
from stream.offline.labels import Ending, Label, read_labels

PAST = (
    "14 days of agents, pipelines and people; baselines are learned from it, so with them it would be no test"
)


def scenarios(data: Path) -> Report:
    """Every scenario, by rules alone and with what the history taught."""
    folder = data / "scenarios"
    registry = load_registry(str(folder / "registry.json"))
    files = sorted(str(path) for path in folder.glob("scn-*.ndjson.gz"))
    alone = _backtest(folder, files, registry, None)
    taught = _backtest(folder, files, registry, baseline_of_history(folder))
    rules = {(row["of"], row["variant"]): row for row in alone.endings()}
    table = []
    for row in taught.endings():
        before = rules[row["of"], row["variant"]]
        table.append(
            (
                row["of"],
                row["variant"],
                f"{before['endings'].get('right', 0)}/{row['files']}",
                f"{row['endings'].get('right', 0)}/{row['files']}",
                _value(row["delay_events_median"]),
                ", ".join(f"{count} {name}" for name, count in row["endings"].items() if name != "right"),
            )
        )
    return Report(
        title="Scenarios with known outcomes",
        question="Is the right session stopped in time, not before it is fair, and nobody else?",
        columns=(
            "label",
            "variant",
            "right, rules alone",
            "right, with baselines",
            "lines from earliest fair (median)",
            "what went wrong",
        ),
        rows=table,
        answers=[_all_right("rules alone", alone), _all_right("with baselines from the history", taught)],
        notes=[
            *(
                f"{name}: {_delays(test)}"
                for name, test in (("rules alone", alone), ("with baselines", taught))
            ),
            f"cost of an event with baselines, in time of the processor: {_cost(taught)}",
            "per detector, with baselines (precision of sessions, recall of files with a session to stop): "
            + "; ".join(_detector(row) for row in taught.detectors()),
            *(f"not right, with baselines: {_wrong(run)}" for run in taught.runs if _is_wrong(run)),
        ],
    )


def history(data: Path) -> Report:
    """The ordinary past, by rules alone: everything that is stopped is wrong."""
    folder = data / "scenarios"
    registry = load_registry(str(folder / "registry.json"))
    files = sorted(str(path) for path in (folder / "history").glob("*.ndjson.gz"))
    test = _backtest(folder, files, registry, None)
    return false_stops("Ordinary past of the scenarios", test, PAST)


def _backtest(folder: Path, files: list[str], registry: Registry, baseline: Baseline | None) -> Backtest:
    labels = read_labels(folder / "index.json")
    test = Backtest(Policy(), baseline, "scenario", registry, labels, clock_ns=process_time_ns)
    for path in files:
        test.add(path)
    return test


def baseline_of_history(folder: Path) -> Baseline | None:
    """Learned from the history, as a user does it."""
    history = sorted(str(path) for path in (folder / "history").glob("*.ndjson.gz"))
    with tempfile.TemporaryDirectory(prefix="chainbrake-scorecard-") as name:
        out = str(Path(name) / "baseline.json")
        command = [sys.executable, "-c", "from stream.cli import main; main()", "train"]
        command += ["--source", "scenario", "--registry", str(folder / "registry.json"), "--out", out]
        subprocess.run([*command, *history], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
        return load_baseline(read_settings(os.environ, baseline=out))


def _is_wrong(run: Run) -> bool:
    return run.scored is not None and run.scored.ending is not Ending.RIGHT


def _wrong(run: Run) -> str:
    assert run.label is not None
    assert run.scored is not None
    told = f"{run.label.id} ({run.label.family}, {run.label.group}/{run.label.variant}): {run.scored.ending}"
    return f"{told}{_how_early(run, run.label)}" if run.scored.ending is Ending.EARLY else told


def _how_early(run: Run, label: Label) -> str:
    """By how many lines, and what the stop rested on: whether that was guessing is for the reader to say."""
    stops = [(line, command) for line, command in run.commands if command.action in STOPS]
    line, command = min(stops, key=lambda stop: stop[0])
    rested = ", ".join(share.detector for share in command.contributions)
    return f" by {(label.expect.earliest_fair or line) - line} lines, on {rested}"


def _all_right(name: str, test: Backtest) -> str:
    right = sum(not _is_wrong(run) for run in test.runs)
    wrong = sum(run.scored is not None and run.scored.ending is Ending.WRONG_STOP for run in test.runs)
    told = test.summary()
    return (
        f"{name}: {right} of {len(test.runs)} right; benign scenarios stopped: {wrong}; of stopped sessions, "
        f"{_value(told['precision'])} had to be; of those to stop, {_value(told['recall'])} were right"
    )


def _delays(test: Backtest) -> str:
    delays = sorted(
        run.scored.delay for run in test.runs if run.scored is not None and run.scored.delay is not None
    )
    if not delays:
        return "no decision to measure"
    return f"lines from earliest fair to decision: median {median(delays):g}, p90 {nearest(delays, 0.9)}"


def _cost(test: Backtest) -> str:
    whole = f"{test.cost.whole_us:.0f} us with reading, normalising and finding the session"
    return f"{test.cost.judging_us:.0f} us judging, {whole}"


def _detector(row: dict[str, object]) -> str:
    return f"{row['detector']} {_value(row['precision'])} / {_value(row['recall'])}"


def _value(value: object) -> str:
    return "-" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
