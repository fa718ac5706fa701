"""`chainbrake backtest`: all detectors on recorded sessions, as tables or as JSON."""

import sys
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from stream.commands.unread import tell_refused
from stream.configuration.baseline_files import load_baseline
from stream.configuration.rule_files import load_declared
from stream.configuration.settings import Settings, load_policy, load_registry
from stream.offline.backtest import Backtest
from stream.offline.labels import read_labels
from stream.recordings.folders import files_of
from stream.terminal.console import errors, escape
from stream.terminal.progress import progress

DETECTORS = {
    "detector": "detector",
    "findings": "findings",
    "sessions": "sessions",
    "files": "files",
    "after_events_median": "first at event (median)",
    "precision": "precision",
    "recall": "recall",
}
"""Column of the JSON: its heading."""
SHOWN_MAX = 40
THOUSAND = 1000
LEGEND = """precision: of the sessions it fired on, those that a label wants stopped
recall: of the files with such a session, those where it fired on one"""
LABELS = {
    "of": "label",
    "variant": "variant",
    "files": "files",
    "endings": "what came of them",
    "delay_events_median": "lines from earliest fair (median)",
}


def run(
    settings: Settings, files: list[str], source: str, labels: Path | None, out: Console, *, json: bool
) -> None:
    """Judge the files one by one, then tell. Raises `InputError` for what cannot be read."""
    policy = load_policy(settings.policy)
    tested = Backtest(
        policy,
        load_baseline(settings),
        source,
        load_registry(settings.registry),
        read_labels(labels) if labels is not None else None,
        load_declared(policy, settings.chains, settings.sigma),
        clock_ns=perf_counter_ns,
    )
    with progress(files, shown=not json) as bar:
        for path in files if labels is None else files_of(files):  # labels are of files, not of folders
            tested.add(path, bar)
    if labels is not None and not tested.summary()["labelled"]:
        errors.print(f"[yellow]note:[/yellow] {escape(str(labels))} says nothing of any of these files")
    if json:
        encode = msgspec.json.Encoder().encode
        rows = (*_files(tested), *tested.firings(), *tested.detectors(), *tested.endings(), tested.summary())
        for row in rows:
            sys.stdout.write(encode(row).decode() + "\n")
        return
    tell_refused(tested.first_refused, source)
    out.print(_table("which detectors fired", DETECTORS, tested.detectors()))
    _tell_firings(tested, out)
    if labels is not None:
        out.print(LEGEND)
        out.print(_table("against the labels", LABELS, tested.endings()))
        for row in _files(tested):
            if row["ending"] not in (None, "right"):
                out.print(f"{escape(row['file'])}: {row['ending']}")
    for name, value in tested.summary().items():
        if name != "kind":
            out.print(f"{name:28} {_cell(value)}")


def _tell_firings(tested: Backtest, out: Console) -> None:
    """Where the user's own rules fired: what whoever wrote one wants to see first."""
    firings = list(tested.firings())
    for row in firings[:SHOWN_MAX]:
        judged = {None: "", True: " (right)", False: " (wrong)"}[row["right"]]
        where = f"{row['file']}:{row['input_index'] + 1}"
        out.print(escape(f"{where}: {row['detector']} on {row['session']}{judged}: {row['reason']}"))
    if len(firings) > SHOWN_MAX:
        out.print(f"... and {len(firings) - SHOWN_MAX} more, all of them with --json")


def _files(tested: Backtest) -> Iterable[dict[str, Any]]:
    for each in tested.runs:
        score = each.scored
        yield {
            "kind": "file",
            "file": each.file,
            "events": each.events,
            "findings": len(each.found),
            "stopped": each.stopped,
            "stepped_up": sorted(each.stepped_up),
            "ending": score.ending if score is not None else None,
            "delay_events": score.delay if score is not None else None,
        }


def _table(title: str, columns: dict[str, str], rows: Iterable[dict[str, Any]]) -> Table:
    table = Table(title=title)
    for place, heading in enumerate(columns.values()):
        table.add_column(heading, no_wrap=place == 0, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    return table


def _cell(value: Any) -> str:
    """As a person reads it; a share that cannot be known is a dash, never a zero."""
    match value:
        case None:
            return "-"
        case dict():
            return ", ".join(f"{count} {name}" for name, count in value.items()) or "0"
        case float():
            return f"{value:.3g}" if value < THOUSAND else f"{value:,.0f}"
        case _:
            return escape(str(value))
