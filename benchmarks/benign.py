"""Recordings in which nothing is an attack: whatever is stopped in them is stopped wrongly."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter_ns

from benchmarks.corpora import agent_runs
from benchmarks.report import Report
from detectors.policy import Policy
from models.registry import EMPTY, Registry
from stream.offline.backtest import Backtest

NO_TIMES = "recorded tool calls, put 5 s apart since they have no times: nothing can be fast in them"


def judged(source: str, files: Iterable[tuple[str, list[bytes]]], registry: Registry = EMPTY) -> Backtest:
    """Files of records, each by itself, by rules alone."""
    test = Backtest(Policy(), None, source, registry, clock_ns=perf_counter_ns)
    for name, content in files:
        test.feed(name, content)
    return test


def taubench(data: Path) -> Report:
    """Benign customer service."""
    test = judged("otel.span", agent_runs(data / "taubench", benign=True))
    return false_stops(
        "tau-bench: an agent of customer service",
        test,
        NO_TIMES,
    )


def agentdojo(data: Path) -> Report:
    """Benign office work."""
    test = judged("otel.span", agent_runs(data / "agentdojo", benign=True))
    return false_stops("AgentDojo, benign runs", test, NO_TIMES)


def false_stops(title: str, test: Backtest, what: str) -> Report:
    """The table of a recording without attacks."""
    told = test.summary()
    sessions = max(told["sessions"], 1)
    findings = Counter(each.detector for run in test.runs for each in run.found)
    return Report(
        title=title,
        question="Nothing in it is an attack: how many sessions would the rules alone have stopped?",
        columns=(
            "sessions",
            "events",
            "findings",
            "asked for step-up",
            "stopped",
            "stops per 1,000 sessions",
        ),
        rows=[
            (
                str(told["sessions"]),
                str(told["events"]),
                str(told["findings"]),
                str(told["stepped_up"]),
                str(told["stopped"]),
                f"{1000 * told['stopped'] / sessions:.2f}",
            )
        ],
        answers=[
            (
                f"{1000 * told['stopped'] / sessions:.2f} stops per 1,000 benign sessions, "
                f"{1000 * told['stepped_up'] / sessions:.2f} sessions asked for step-up"
            )
        ],
        notes=[
            what,
            "findings by: "
            + (", ".join(f"{count} {name}" for name, count in findings.most_common()) or "none"),
            *(f"stopped: {session} in {Path(run.file).name}" for run in test.runs for session in run.stopped),
        ],
    )
