"""The report's charts: SVG that takes its colours from the page, and is the same bytes every time."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stream.evaluation.evaluation import AtBudget, Bin, Evaluation, Promise

INK, GRID, THIS, LIVE = "#010203", "#010204", "#010205", "#010206"
COLOURS = {INK: "var(--ink)", GRID: "var(--grid)", THIS: "var(--this)", LIVE: "var(--live)"}
"""Nobody mixes these colours: they stand for those of the page, light or dark."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "chainbrake",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}
SIZE = (4.6, 3.4)
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
OWN_NAME = re.compile(r'(?<=id=")|(?<=href="#)|(?<=url\(#)')
NAMESPACES = re.compile(r' xmlns(?::xlink)?="[^"]*"')
"""HTML knows them without."""
LOWEST = 1e-3
"""Where logarithmic axes of shares begin."""


def charts(evaluation: Evaluation) -> dict[str, str]:
    """Name: SVG. Those that need labels are left out where there are none."""
    found: dict[str, str] = {"p_values": _p_values(evaluation.drift.p_values)}
    curves, comparison = evaluation.streaming, evaluation.comparison
    if curves.auc is not None:
        live = comparison.roc if comparison is not None else []
        found["roc"] = _roc(curves.roc, live)
        found["precision_recall"] = _precision_recall(
            curves.precision_recall, evaluation.with_end.precision_recall
        )
    if any(promise.achieved.of for promise in evaluation.calibration):
        found["calibration"] = _calibration(evaluation.calibration)
    if any(at.delays.counts for at in evaluation.budgets):
        found["delays"] = _delays(evaluation.budgets)
    return found


@contextmanager
def _drawn(name: str, out: list[str]) -> Iterator[Axes]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        yield figure.add_subplot()
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata=NO_METADATA)
    text = stream.getvalue()
    text = NAMESPACES.sub("", OWN_NAME.sub(f"{name}-", text[text.index("<svg") :]))
    for colour, variable in COLOURS.items():
        text = text.replace(colour, variable)
    out.append(text)


def _roc(this: Sequence[tuple[float, float]], live: Sequence[tuple[float, float]]) -> str:
    out: list[str] = []
    with _drawn("roc", out) as axes:
        axes.set_xscale("log")
        axes.set(xlim=(LOWEST, 1), ylim=(0, 1.01), xlabel="false alarms (share of benign)", ylabel="recall")
        if live:
            axes.plot(*_columns(live), color=LIVE, linestyle="--", label="live")
        axes.plot(*_columns(this), color=THIS, label="this baseline")
        axes.legend(loc="lower right")
    return out[0]


def _precision_recall(streaming: Sequence[tuple[float, float]], ended: Sequence[tuple[float, float]]) -> str:
    out: list[str] = []
    with _drawn("pr", out) as axes:
        axes.set(xlim=(0, 1.01), ylim=(0, 1.01), xlabel="recall", ylabel="precision")
        axes.plot(*_columns(ended), color=LIVE, linestyle="--", label="with the session's end")
        axes.plot(*_columns(streaming), color=THIS, label="streaming")
        axes.legend(loc="lower left")
    return out[0]


def _calibration(promises: Sequence[Promise]) -> str:
    told = [promise for promise in promises if promise.achieved.share is not None]
    out: list[str] = []
    with _drawn("calibration", out) as axes:
        promised = [promise.promised for promise in told]
        low = [max(promise.achieved.low, LOWEST / 10) for promise in told]
        high = [promise.achieved.high for promise in told]
        achieved = [max(promise.achieved.share or 0.0, LOWEST / 10) for promise in told]
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.plot((LOWEST / 10, 1), (LOWEST / 10, 1), color=LIVE, linestyle="--", label="as promised")
        axes.vlines(promised, low, high, color=THIS, linewidth=1.4)
        axes.plot(promised, achieved, "o", color=THIS, label="achieved, 95 % interval")
        axes.set(
            xlim=(min(promised) / 1.5, max(promised) * 1.5),
            ylim=(LOWEST / 10, 1),
            xlabel="promised false alarms",
            ylabel="achieved",
        )
        axes.legend(loc="upper left")
    return out[0]


def _delays(budgets: Sequence[AtBudget]) -> str:
    at = budgets[-1]
    out: list[str] = []
    with _drawn("delays", out) as axes:
        waited = [delay for delay, _ in at.delays.counts]
        axes.bar(waited, [count for _, count in at.delays.counts], color=THIS)
        axes.set(
            xlabel=f"operations from the first bad one to the alarm, at {at.budget:.1%}", ylabel="sessions"
        )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return out[0]


def _p_values(spread: Sequence[Bin]) -> str:
    out: list[str] = []
    with _drawn("p-values", out) as axes:
        places = range(len(spread))
        axes.bar(
            [place - 0.2 for place in places],
            [each.share or 0.0 for each in spread],
            0.4,
            color=THIS,
            label="found",
        )
        axes.bar(
            [place + 0.2 for place in places],
            [each.expected for each in spread],
            0.4,
            color=LIVE,
            label="if nothing changed",
        )
        axes.set_xticks(list(places), [f"≤ {each.up_to:g}" for each in spread])
        axes.set(xlabel="p-value", ylabel="share of sessions")
        axes.legend(loc="upper left")
    return out[0]


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [across for across, _ in points], [up for _, up in points]
