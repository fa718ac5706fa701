"""`chainbrake evaluate`: how well a baseline tells sessions apart, as tables, JSON or a report."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from stream.configuration.baseline_files import load_baseline
from stream.configuration.settings import Settings, load_policy, load_registry, read_settings
from stream.terminal.console import errors, escape, out
from stream.terminal.options import PolicyPath, Recordings, RegistryPath, SourceName

if TYPE_CHECKING:
    from models.baselines.baseline import Baseline
    from stream.evaluation.evaluation import Evaluation, Interval


def evaluate(
    files: Recordings,
    baseline: Annotated[str, typer.Option("--baseline", help="baseline made by `chainbrake train`")],
    live: Annotated[str | None, typer.Option("--live", help="another one to compare with")] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="what is known of the sessions (JSON or NDJSON)")
    ] = None,
    to: Annotated[Path | None, typer.Option("--out", help="the report to write, one HTML file")] = None,
    policy: PolicyPath = None,
    source: SourceName = "events",
    registry: RegistryPath = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON object, and nothing else")] = False,
) -> None:
    """How well a baseline tells honest sessions from others, keeps its promises, and how it errs."""
    settings = read_settings(os.environ, policy=policy, registry=registry)
    beside = _loaded(settings, live, "--live") if live is not None else None
    measure(
        settings,
        (_loaded(settings, baseline, "--baseline"), beside),
        files,
        source=source,
        labels=labels,
        to=to,
        json=json,
    )


def measure(
    settings: Settings,
    baselines: "tuple[Baseline, Baseline | None]",
    files: list[str],
    *,
    source: str,
    labels: Path | None,
    to: Path | None,
    json: bool,
) -> None:
    """Measure the first baseline, beside the second if there is one, and tell. Raises `InputError`."""
    from stream.commands.unread import require_some, tell_unread  # noqa: PLC0415
    from stream.evaluation.evaluate import Inputs  # noqa: PLC0415 - scipy takes a second to import
    from stream.evaluation.evaluate import evaluate as measured  # noqa: PLC0415
    from stream.evaluation.evaluation import as_json  # noqa: PLC0415
    from stream.recordings.files import require_place  # noqa: PLC0415
    from stream.terminal.progress import progress  # noqa: PLC0415

    if to is not None:
        from stream.evaluation.report.page import require_extra  # noqa: PLC0415

        require_extra()
        require_place(to)
    inputs = Inputs(files, source, labels, load_registry(settings.registry))
    ours, theirs = baselines
    with progress(files, shown=not json) as bar:
        evaluation = measured(inputs, ours, load_policy(settings.policy), theirs, bar)
        require_some(evaluation.counts.sessions, source, inputs.unread)
        tell_unread(inputs.unread)
        if labels is not None and evaluation.counts.unknown == evaluation.counts.sessions:
            errors.print(
                f"[yellow]note:[/yellow] {escape(str(labels))} says nothing of any of these sessions"
            )
        if to is not None:
            from stream.evaluation.report.page import write_report  # noqa: PLC0415 - matplotlib

            write_report(evaluation, to)
    if json:
        sys.stdout.write(as_json(evaluation).decode() + "\n")
        return
    _show(out, evaluation)
    if to is not None:
        out.print(f"written: {escape(str(to))}")


def _loaded(settings: Settings, path: str, option: str) -> "Baseline":
    found = load_baseline(replace(settings, baseline=path))
    if found is None:
        raise typer.BadParameter("names no file", param_hint=option)
    return found


def _show(out: Console, evaluation: "Evaluation") -> None:
    counts, curves = evaluation.counts, evaluation.streaming
    out.print(
        f"{evaluation.baseline} on {counts.sessions} sessions, {counts.events} events: "
        f"{counts.benign} benign, {counts.malicious} malicious, {counts.resisted} resisted, "
        f"{counts.unknown} of which nothing is known"
    )
    if curves.auc is not None:
        ended = evaluation.with_end
        out.print(
            f"AUC {_figure(curves.auc)} ({_figure(ended.auc)} with the end), average precision "
            f"{_figure(curves.average_precision)}; mean over agents: AUC {_figure(evaluation.macro['auc'])}"
        )
        for each in curves.at_rates:
            out.print(f"recall where {each.rate:.1%} of these benign sessions alarm: {_share(each.recall)}")
    columns = ("budget", "false alarms", "recall", "resisted", "alarms", "not enough seen", "events to alarm")
    table = Table(*columns, title="what the baseline's own limits do")
    for at in evaluation.budgets:
        shares = map(_share, (at.false_alarms, at.recall, at.resisted, at.alarms))
        table.add_row(f"{at.budget:.1%}", *shares, str(at.not_enough_seen), _figure(at.delays.median))
    out.print(table)
    index = evaluation.drift.stability_index
    out.print(f"population stability index of the p-values: {_figure(index)} (below 0.1 is stable)")
    if evaluation.comparison is not None:
        _show_comparison(out, evaluation)
    examples = evaluation.examples
    for title, some in (("false alarm", examples.false_alarms), ("missed", examples.misses)):
        for one in some[:3]:
            out.print(f"{title}: {escape(one.session)}: {escape(one.why)}")


def _show_comparison(out: Console, evaluation: "Evaluation") -> None:
    comparison = evaluation.comparison
    assert comparison is not None
    table = Table("figure", "this", "live", "change", title=f"against {comparison.live}")
    for delta in comparison.deltas:
        table.add_row(delta.figure, *map(_figure, (delta.this, delta.live, delta.change)))
    out.print(table)
    out.print(f"alarms only here: {comparison.only_this}, only there: {comparison.only_live}")


def _share(told: "Interval") -> str:
    """With its interval; a dash for nothing to count."""
    return "-" if told.share is None else f"{told.share:.3f} ({told.low:.3f} to {told.high:.3f})"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
