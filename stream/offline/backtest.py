"""Detectors against recorded sessions: which fired, on whom, when, how rightly, and at which cost.

Each file is a world of its own, as a deployment's day is: no session, credential or approval of one file is
known in the next.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct, field

from detectors.chains.hosted import Declared
from detectors.policy import Policy
from models.baselines.baseline import Baseline
from models.command import STOPS, Action, Command
from models.event import Operation
from models.finding import Finding
from models.registry import Registry
from stream.configuration.rule_files import load_declared
from stream.offline.labels import Label, Scored, scored
from stream.offline.replay import Replay
from stream.recordings.files import Lines
from stream.recordings.recorded import Refused, bytes_max
from stream.terminal.progress import SILENT, Bar

P90 = 0.9


class Fired(Struct):
    """What one detector did, over all files."""

    findings: int = 0
    files: set[str] = field(default_factory=set)
    sessions: set[tuple[str, str]] = field(default_factory=set)
    """File and session."""
    first_events: list[int] = field(default_factory=list)
    """Of each session it fired on: how many of its events it took."""


class Run(Struct):
    """What came of one file."""

    file: str
    label: Label | None
    events: int = 0
    sessions: dict[str, int] = field(default_factory=dict)
    """Session: operations so far."""
    stopped: dict[str, int] = field(default_factory=dict)
    """Session: how many of its operations it took until it was stopped."""
    stepped_up: set[str] = field(default_factory=set)
    commands: list[tuple[int, Command]] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    """Of each finding: the 0-based line that led to it."""

    @property
    def scored(self) -> Scored | None:
        """Against its label, if it has one."""
        return None if self.label is None else scored(self.label, self.commands)

    @property
    def to_stop(self) -> frozenset[str]:
        """Sessions whose stop is right, by the label."""
        if self.label is None or self.label.expect.action == "none":
            return frozenset()
        return frozenset(self.label.expect.act_on.sessions)


class Cost(Struct):
    """Where the time went, in nanoseconds of the clock it was measured with."""

    events: int = 0
    judging_ns: int = 0
    whole_ns: int = 0

    @property
    def judging_us(self) -> float:
        """Of judging one event."""
        return self.judging_ns / 1000 / max(self.events, 1)

    @property
    def whole_us(self) -> float:
        """Of one event with reading, normalising and finding its session."""
        return self.whole_ns / 1000 / max(self.events, 1)


class Backtest:
    """Runs files through the worker's judge, each by itself, and counts."""

    def __init__(
        self,
        policy: Policy,
        baseline: Baseline | None,
        source: str,
        registry: Registry,
        labels: dict[str, Label] | None = None,
        declared: Declared | None = None,
        *,
        clock_ns: Callable[[], int],
    ) -> None:
        declared = load_declared(policy) if declared is None else declared
        self._given = (policy, baseline, source, registry, declared)
        self.own = declared.own
        """Chains and rules of the user's files: what a backtest is mostly about."""
        self._labels = labels or {}
        self._clock_ns = clock_ns
        self.runs: list[Run] = []
        self.fired: dict[str, Fired] = {}
        self.cost = Cost()
        self.dead_letters: Counter[str] = Counter()
        self.first_refused: Refused | None = None
        """The first line that could not be used."""

    def add(self, path: str, bar: Bar = SILENT) -> Run:
        """One file. Raises `InputError` for one that cannot be read."""
        return self.feed(path, Lines([path], bytes_max(self._given[2]), bar))

    def feed(self, name: str, content: Iterable[bytes], label: Label | None = None) -> Run:
        """The lines of one file; its label is the one of its name, unless it is given."""
        replayed = Replay(*self._given)
        run = Run(name, label or self._labels.get(Path(name).name))
        began_ns = self._clock_ns()
        for arrival in replayed.arrivals(content):
            event = arrival.event
            if isinstance(event, Operation):
                run.sessions[event.session] = run.sessions.get(event.session, 0) + 1
            before_ns = self._clock_ns()
            decision = replayed.fold(arrival)
            self.cost.judging_ns += self._clock_ns() - before_ns
            run.events += 1
            if decision is None:
                continue
            for finding in decision.findings:
                self._note(run, finding.detector, finding.session)
            run.found += decision.findings
            run.lines += [arrival.index] * len(decision.findings)
            for command in decision.commands:
                _obey(run, arrival.index, command)
        self.cost.whole_ns += self._clock_ns() - began_ns
        self.cost.events += run.events
        self.dead_letters.update(replayed.summary()["dead_letters"])
        self.first_refused = self.first_refused or replayed.first_refused
        self.runs.append(run)
        return run

    def _note(self, run: Run, detector: str, session: str) -> None:
        fired = self.fired.setdefault(detector, Fired())
        fired.findings += 1
        fired.files.add(run.file)
        if (run.file, session) not in fired.sessions:
            fired.sessions.add((run.file, session))
            fired.first_events.append(run.sessions.get(session, 0))

    def detectors(self) -> Iterator[dict[str, Any]]:
        """One row per detector that fired, the user's own first, fired or not; then the most frequent.

        Shares are None without labels.
        """
        labelled = {run.file: run.to_stop for run in self.runs if run.label is not None}
        bad = {name for name, to_stop in labelled.items() if to_stop}
        silent = {name: Fired() for name in self.own if name not in self.fired}
        for name, fired in sorted(
            (self.fired | silent).items(),
            key=lambda item: (item[0] not in self.own, -item[1].findings, item[0]),
        ):
            known = [(file, session) for file, session in fired.sessions if file in labelled]
            right = [(file, session) for file, session in known if session in labelled[file]]
            yield {
                "kind": "detector",
                "detector": name,
                "findings": fired.findings,
                "sessions": len(fired.sessions),
                "files": len(fired.files),
                "after_events_median": median(fired.first_events) if fired.first_events else None,
                "precision": _share(len(right), len(known)),
                "recall": _share(len({file for file, _ in right}), len(bad)),
            }

    def firings(self) -> Iterator[dict[str, Any]]:
        """One row per finding of the user's own chains and rules: where it was, on whom, and why."""
        for run in self.runs:
            for line, finding in zip(run.lines, run.found, strict=True):
                if finding.detector in self.own:
                    yield {
                        "kind": "finding",
                        "detector": finding.detector,
                        "file": run.file,
                        "input_index": line,
                        "session": finding.session,
                        "right": None if run.label is None else finding.session in run.to_stop,
                        "reason": finding.reason,
                    }

    def endings(self) -> Iterator[dict[str, Any]]:
        """One row per kind and variant of label."""
        groups: dict[tuple[str, str], list[Scored]] = {}
        for run in self.runs:
            if run.label is not None and run.scored is not None:
                groups.setdefault((run.label.group, run.label.variant), []).append(run.scored)
        for (kind, variant), endings in sorted(groups.items()):
            counts = Counter(each.ending for each in endings)
            delays = [each.delay for each in endings if each.delay is not None]
            yield {
                "kind": "labels",
                "of": kind,
                "variant": variant,
                "files": len(endings),
                "endings": {ending.value: count for ending, count in sorted(counts.items())},
                "delay_events_median": median(delays) if delays else None,
            }

    def summary(self) -> dict[str, Any]:
        """All files together."""
        labelled = [run for run in self.runs if run.label is not None]
        stopped = [(run, session) for run in labelled for session in run.stopped]
        right = [(run, session) for run, session in stopped if session in run.to_stop]
        endings = [run.scored for run in labelled if run.scored is not None and run.to_stop]
        delays = sorted(each.delay for each in endings if each.delay is not None)
        after = sorted(after for run in self.runs for after in run.stopped.values())
        return {
            "kind": "summary",
            "files": len(self.runs),
            "labelled": len(labelled),
            "events": self.cost.events,
            "sessions": sum(len(run.sessions) for run in self.runs),
            "findings": sum(len(run.found) for run in self.runs),
            "stopped": sum(len(run.stopped) for run in self.runs),
            "stepped_up": sum(len(run.stepped_up) for run in self.runs),
            "precision": _share(len(right), len(stopped)),
            "recall": _share(sum(each.ending == "right" for each in endings), len(endings)),
            "delay_events_median": median(delays) if delays else None,
            "delay_events_p90": nearest(delays, P90),
            "stopped_after_events_median": median(after) if after else None,
            "judging_us_per_event": round(self.cost.judging_us, 2),
            "whole_us_per_event": round(self.cost.whole_us, 2),
            "dead_letters": dict(sorted(self.dead_letters.items())),
        }


def nearest(ordered: list[int], share: float) -> int | None:
    """The value below which that share of rising values lies; None of none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _obey(run: Run, line: int, command: Command) -> None:
    run.commands.append((line, command))
    if command.action in STOPS:
        run.stopped.setdefault(command.session, run.sessions.get(command.session, 0))
    elif command.action is not Action.RELEASE_SESSION:
        run.stepped_up.add(command.session)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
