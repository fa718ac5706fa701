"""The report: one HTML file that asks nobody for anything, readable in light, in the dark and on paper."""

from datetime import UTC, datetime
from importlib import import_module
from importlib.resources import files
from pathlib import Path

from models.errors import InputError
from stream.evaluation.evaluation import Evaluation, Interval
from stream.recordings.files import write_whole

TEMPLATE = "report.html"
NOTHING = "-"


def require_extra() -> None:
    """Raises `InputError` where what draws the report is not installed: before anything is computed."""
    try:
        import_module("jinja2")
        import_module("matplotlib")
    except ImportError as error:
        raise InputError(
            f"a report is drawn with jinja2 and matplotlib: pip install 'chainbrake[science]' ({error}); "
            f"without --out the figures are printed, and with --json they are JSON"
        ) from error


def write_report(evaluation: Evaluation, path: Path) -> None:
    """Write it, whole or not at all. Raises `InputError` if it cannot be written, or the extra is missing."""
    write_whole(path, page(evaluation).encode())


def page(evaluation: Evaluation) -> str:
    """The HTML. Raises `InputError` without the extra."""
    require_extra()
    from jinja2 import DictLoader, Environment, StrictUndefined  # noqa: PLC0415 - an extra

    from stream.evaluation.report.charts import charts  # noqa: PLC0415 - same

    template = files("stream.evaluation.report").joinpath(TEMPLATE).read_text("utf-8")
    environment = Environment(
        loader=DictLoader({TEMPLATE: template}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"share": share, "figure": figure, "moment": moment, "percent": percent}
    return environment.get_template(TEMPLATE).render(e=evaluation, charts=charts(evaluation))


def share(told: Interval) -> str:
    """A share with its interval; a dash for nothing to count."""
    if told.share is None:
        return NOTHING
    return f"{told.share:.1%} ({told.low:.1%} to {told.high:.1%})"


def figure(value: float | None) -> str:
    """To four digits."""
    return NOTHING if value is None else f"{value:.4g}"


def percent(value: float) -> str:
    """A budget."""
    return f"{100 * value:g} %"


def moment(at_ms: int | None) -> str:
    """A day and a minute, in UTC."""
    if at_ms is None:
        return NOTHING
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
