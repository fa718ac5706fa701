"""A benchmark's answer: a table with its question above and what must be known to read it below."""

from collections.abc import Iterable, Sequence
from statistics import median

from msgspec import Struct


class Size(Struct, frozen=True, kw_only=True):
    """How much to measure."""

    events: int = 300_000
    rounds: int = 3
    seconds: float = 10.0
    """Of measuring at one rate, after `WARM_UP_S`."""
    sessions: int = 100_000


QUICK = Size(events=60_000, rounds=1, seconds=6.0, sessions=10_000)


class Report(Struct, frozen=True, kw_only=True):
    """One table."""

    title: str
    question: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    answers: list[str]
    """The ratios asked for, a line each."""
    notes: list[str]


def markdown(report: Report) -> str:
    """As a section of a page."""
    lines = [
        f"## {report.title}",
        "",
        report.question,
        "",
        _row(report.columns),
        _row("---" for _ in report.columns),
    ]
    lines += [_row(row) for row in report.rows]
    lines += [
        "",
        *(f"- **{answer}**" for answer in report.answers),
        *(f"- {note}" for note in report.notes),
        "",
    ]
    return "\n".join(lines)


def thousands(rate: float) -> str:
    """A rate to three digits or so."""
    return f"{rate / 1000:,.1f} k"


def middle(values: Iterable[float]) -> float:
    """The median."""
    return median(values)


def spread(values: list[float], scale: float = 1000.0) -> str:
    """Lowest to highest."""
    return f"{min(values) / scale:,.1f}-{max(values) / scale:,.1f}"


def percentile(values: list[float], share: float) -> float:
    """The value below which that share lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
