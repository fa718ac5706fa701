"""`chainbrake score`: how surprising recorded sessions are, one row each."""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from detectors.policy import Policy
from models.baselines.baseline import Baseline
from models.registry import Registry
from stream.commands.unread import require_some, tell_unread
from stream.learning.scenarios import resolved_runs
from stream.offline.scoring import Scorer
from stream.recordings.files import Lines
from stream.runs.known import EVENTS, RUNS, recorded_runs
from stream.terminal.console import escape
from stream.terminal.progress import progress

ROWS_SHOWN = 40


def run_score(
    out: Console,
    files: list[str],
    source: str,
    baseline: Baseline,
    policy: Policy,
    *,
    registry: Registry,
    json: bool,
) -> None:
    """Score, and tell. Raises `InputError`."""
    scorer = Scorer(baseline, policy.wrong_stops_per_1000_sessions / 1000)
    with progress(files, shown=not json) as bar:
        if source == EVENTS:
            rows = scorer.lines(Lines(files, bar=bar))
        elif source in RUNS:
            rows = scorer.runs(recorded_runs(source, files, bar))
        else:
            rows = scorer.runs(resolved_runs(source, files, registry, bar, scorer.refuse))
        if json:
            encode, count = msgspec.json.Encoder().encode, 0
            for row in rows:
                count += 1
                sys.stdout.write(encode(row).decode() + "\n")
            require_some(count, source, scorer.unread)
            tell_unread(scorer.unread)
            return
        told = sorted(rows, key=lambda row: -row["score"])
    require_some(len(told), source, scorer.unread)
    tell_unread(scorer.unread)
    _show(out, told, policy)


def _show(out: Console, told: Sequence[dict[str, Any]], policy: Policy) -> None:
    alarms = sum(row["alarm"] is True for row in told)
    unseen = sum(row["alarm"] is None for row in told)
    table = Table("session", "events", "bits", "with end", "p", "alarm", title="most surprising first")
    for row in told[:ROWS_SHOWN]:
        alarm = {True: f"at {row['first_alarm_index']}", False: "", None: "not enough seen"}[row["alarm"]]
        p_value = "" if row["p_value"] is None else f"{row['p_value']:.4f}"
        bits = (f"{row['score']:.1f}", f"{row['score_with_end']:.1f}")
        table.add_row(escape(row["session"]), str(row["events"]), *bits, p_value, alarm)
    out.print(table)
    budget = policy.wrong_stops_per_1000_sessions
    out.print(
        f"{len(told)} sessions, {alarms} alarms at a budget of {budget:g} wrong stops in 1000 sessions, "
        f"{unseen} of agents or jobs that were not seen enough"
    )
