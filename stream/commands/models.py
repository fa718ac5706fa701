"""`chainbrake models …`: which baselines there are, which is at work, and another one in its place."""

import getpass
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from msgspec import UNSET
from rich.table import Column, Table

from models.errors import ArtifactError, ChainbrakeError, ModelRegistryError
from stream.configuration.settings import Settings, load_policy, read_settings
from stream.model_registry.announcement import Act, Announcement, Slot, last_of
from stream.terminal.console import escape, out
from stream.terminal.moments import moment
from stream.terminal.options import Kafka, LabelsPath, PolicyPath, Recordings, RegistryPath, SourceName

if TYPE_CHECKING:
    from models.baselines.baseline import Baseline
    from stream.model_registry.registry import ModelRegistry

models = typer.Typer(no_args_is_help=True, help="Baselines: which there are, and which of them is at work.")
_encode = msgspec.json.Encoder().encode

Place = Annotated[str | None, typer.Option("--models", help="registry of baselines: a folder, or s3://…")]
Version = Annotated[str, typer.Argument(help="a version or its first digits; or live, or shadow")]
By = Annotated[str, typer.Option(help="who decided that; by default the user of this machine")]
Reason = Annotated[str, typer.Option(help="why; goes into the history")]
Json = Annotated[bool, typer.Option("--json", help="JSON, and nothing else")]
ROWS_SHOWN = 40


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name for this user id, as in a container
        return f"uid {os.getuid()}"


def _settings(models: str | None, kafka: str | None = None, policy: str | None = None) -> Settings:
    return read_settings(os.environ, models=models, kafka=kafka, policy=policy)


def _registry(settings: Settings) -> "ModelRegistry":
    from stream.model_registry.places import model_registry  # noqa: PLC0415 - start-up time of the other commands

    return model_registry(settings)


def _existing(settings: Settings) -> "ModelRegistry":
    """To be read. One that was named has to be there; the user's own begins with the first baseline."""
    registry = _registry(settings)
    if settings.models:
        registry.require()
    return registry


@models.command("list")
def list_(
    place: Place = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="read them wholly, as a worker would; else by their headers")
    ] = False,
    json: Json = False,
) -> None:
    """All baselines of the registry, and what was put to work when and by whom."""
    registry = _existing(_settings(place))
    history = registry.history()
    rows = list(_rows(registry, history, check=check))
    if json:
        for row in rows:
            sys.stdout.write(_encode({"kind": "baseline", **row}).decode() + "\n")
        for entry in history:
            sys.stdout.write(_encode({"kind": "entry", **msgspec.to_builtins(entry)}).decode() + "\n")
        return
    columns = ("at work", "sessions", "events", "agents", "learned from")
    table = Table(Column("version", no_wrap=True), *columns, title=escape(registry.url))
    for row in rows:
        if "refused" in row:
            table.add_row(str(row["version"]), "", "", "", "", f"refused: {escape(str(row['refused']))}")
            continue
        window = f"{_day(row['from_ms'])} to {_day(row['to_ms'])}"
        counts = ("" if row[name] is None else str(row[name]) for name in ("sessions", "events", "agents"))
        table.add_row(str(row["version"]), ", ".join(row["slots"]), *counts, window)  # type: ignore[arg-type]
    out.print(table)
    if not rows:
        out.print("no baseline yet: chainbrake models train FILE…, or models add BASELINE")
    for entry in history[-ROWS_SHOWN:]:
        out.print(escape(_told(entry)))


@models.command()
def add(
    files: Annotated[list[Path], typer.Argument(metavar="BASELINE…", help="made by `chainbrake train`")],
    place: Place = None,
) -> None:
    """Put baselines into the registry; nothing is put to work by that."""
    registry = _registry(_settings(place))
    for path in files:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelRegistryError(f"{path}: {error.strerror}") from error
        out.print(f"{registry.put(content, path).version} is in {escape(registry.url)}")


@models.command()
def train(
    files: Recordings,
    policy: PolicyPath = None,
    source: SourceName = "events",
    registry: RegistryPath = None,
    place: Place = None,
    labels: LabelsPath = None,
    *,
    ignore_live: Annotated[
        bool, typer.Option("--ignore-live", help="learn from what the live baseline alarms on, too")
    ] = False,
) -> None:
    """Learn what normal looks like, and put the baseline into the registry, not yet to work."""
    from stream.commands.train import run_train, signing  # noqa: PLC0415 - scipy takes a second to import

    settings = read_settings(os.environ, policy=policy, registry=registry, models=place)
    signing(out, settings)  # the registry trusts the key that is made
    into = _registry(settings)
    into.require_writable()
    live = None if ignore_live else _live(into)
    folder = Path(tempfile.mkdtemp(prefix="chainbrake-"))
    path, version = folder / "baseline.json", ""
    try:
        run_train(out, files, source, path, settings, live, labels)
        version = into.put(path.read_bytes(), path).version
    except ChainbrakeError as error:
        if not path.exists():
            raise
        raise ModelRegistryError(f"{error}. What was learned: chainbrake models add {path}") from error
    finally:
        if version or not path.exists():
            shutil.rmtree(folder, ignore_errors=True)
    out.print(
        f"{version} is in {escape(into.url)}; beside the live one with: chainbrake models shadow {version}"
    )


def _live(registry: "ModelRegistry") -> "Baseline | None":
    """The live one, if there is one that this build can read: one of before must not stand in its own way."""
    last = registry.last(Slot.LIVE)
    if last is None or last.version is None:
        return None
    try:
        return registry.read(last.version).baseline
    except ArtifactError as error:
        out.print(f"learning by the rules alone, for the live baseline cannot be read: {escape(str(error))}")
        return None


@models.command()
def evaluate(
    version: Version,
    files: Recordings,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="what is known of the sessions (JSON or NDJSON)")
    ] = None,
    to: Annotated[Path | None, typer.Option("--out", help="the report to write, one HTML file")] = None,
    policy: PolicyPath = None,
    source: SourceName = "events",
    registry: RegistryPath = None,
    place: Place = None,
    json: Json = False,
) -> None:
    """How well a baseline of the registry does on recorded sessions, beside the live one."""
    from stream.commands.evaluate import measure  # noqa: PLC0415 - scipy takes a second to import

    settings = read_settings(os.environ, policy=policy, registry=registry, models=place)
    kept = _existing(settings)
    chosen, live = kept.find(version), kept.last(Slot.LIVE)
    beside = live.version if live is not None and live.version != chosen else None
    measure(
        settings,
        (kept.read(chosen).baseline, kept.read(beside).baseline if beside else None),
        files,
        source=source,
        labels=labels,
        to=to,
        json=json,
    )


@models.command()
def diff(
    new: Version,
    old: Annotated[str, typer.Argument(help="compared with this one")] = Slot.LIVE.value,
    policy: PolicyPath = None,
    place: Place = None,
    json: Json = False,
) -> None:
    """What changes if NEW takes the place of OLD: who is known, and how far limits move."""
    from stream.model_registry.diff import difference  # noqa: PLC0415 - start-up time of the others

    settings = _settings(place, policy=policy)
    registry, obeyed = _existing(settings), load_policy(settings.policy)
    before, after = (registry.read(registry.find(told)).baseline for told in (old, new))
    share, tail = obeyed.wrong_stops_per_1000_sessions / 1000, obeyed.detectors.unusual_velocity.tail
    found = difference(before, after, share, tail)
    if json:
        sys.stdout.write(_encode(found).decode() + "\n")
        return
    out.print(f"from {found.old} to {found.new}, at {share:.1%} of honest sessions")
    for field, (was, now) in found.header.items():
        out.print(escape(f"  {field}: {was} -> {now}"))
    for what, cohorts in (("known only now", found.gained), ("known no more", found.lost)):
        if cohorts:
            more = f" and {len(cohorts) - ROWS_SHOWN} more" if len(cohorts) > ROWS_SHOWN else ""
            out.print(f"{what}: {escape(', '.join(cohorts[:ROWS_SHOWN]))}{more}")
    table = Table("limit", "of", "old", "new", title=f"{len(found.changes)} limits moved")
    for change in found.changes[:ROWS_SHOWN]:
        table.add_row(change.what, escape(change.cohort), _figure(change.old), _figure(change.new))
    if found.changes:
        out.print(table)
    left = max(0, len(found.changes) - ROWS_SHOWN)
    out.print(f"{left} more moved (--json tells all), {found.unmoved} did not")


@models.command()
def shadow(
    version: Annotated[str | None, typer.Argument(help="a version or its first digits")] = None,
    *,
    off: Annotated[bool, typer.Option("--off", help="nothing runs beside the live one any more")] = False,
    by: By = "",
    reason: Reason = "",
    place: Place = None,
    kafka: Kafka = None,
) -> None:
    """Judge with a baseline beside the live one: what it would do is counted, and never done."""
    _require_one(version, off=off)
    settings = _settings(place, kafka)
    registry = _existing(settings)
    chosen = registry.find(version) if version is not None else None
    _put_to_work(settings, lambda: [registry.fill(Slot.SHADOW, chosen, by or _user(), reason)])


@models.command()
def promote(
    version: Annotated[
        str | None, typer.Argument(help="a version or its first digits; or live, or shadow")
    ] = None,
    *,
    off: Annotated[bool, typer.Option("--off", help="none is live any more, whatever was before")] = False,
    by: By = "",
    reason: Reason = "",
    place: Place = None,
    kafka: Kafka = None,
) -> None:
    """Put a baseline to work: every worker changes to it between two batches, without a restart."""
    _require_one(version, off=off)
    settings = _settings(place, kafka)
    registry, who = _existing(settings), by or _user()
    chosen = registry.find(version) if version is not None else None

    def decide() -> Iterator[Announcement]:
        yield registry.fill(Slot.LIVE, chosen, who, reason)
        beside = registry.last(Slot.SHADOW)
        if chosen is not None and beside is not None and beside.version == chosen:
            yield registry.fill(Slot.SHADOW, None, who, f"{chosen} is live now")

    _put_to_work(settings, decide)


@models.command()
def rollback(by: By = "", reason: Reason = "", place: Place = None, kafka: Kafka = None) -> None:
    """Put the baseline back that was live before; before the first of all, none was."""
    settings = _settings(place, kafka)
    registry = _existing(settings)
    _put_to_work(settings, lambda: [registry.roll_back(by or _user(), reason)])


@models.command("announce")
def announce_again(place: Place = None, kafka: Kafka = None) -> None:
    """Tell the workers once more what the registry says: after an outage, or on a new broker."""
    settings = _settings(place, kafka)
    registry = _existing(settings)
    history = registry.history()
    said = [entry for slot in Slot if (entry := last_of(history, slot)) is not None]
    if not said:
        raise ModelRegistryError(f"{registry.url}: nothing was put to work yet")
    _put_to_work(settings, lambda: said)


def _require_one(version: str | None, *, off: bool) -> None:
    if (version is None) is not off:
        raise typer.BadParameter("name a version, or say --off", param_hint="VERSION")


def _put_to_work(settings: Settings, decide: Callable[[], Iterable[Announcement]]) -> None:
    """Each is told before the next is decided: what stands in the history must not wait for that."""
    from stream.model_registry.announcing import Announcer  # noqa: PLC0415 - needs the Kafka client

    with Announcer(settings) as announcer:
        for entry in decide():
            announcer.tell(entry)
            out.print(escape(_told(entry)))


def _rows(
    registry: "ModelRegistry", history: list[Announcement], *, check: bool
) -> Iterable[dict[str, object]]:
    at_work: dict[str, list[str]] = {}
    for slot in Slot:
        last = last_of(history, slot)
        if last is not None and last.version is not None:
            at_work.setdefault(last.version, []).append(slot.value)
    for version in registry.versions():
        try:
            header = registry.read(version).baseline.header if check else registry.header(version)
        except ChainbrakeError as error:
            yield {"version": version, "slots": at_work.get(version, []), "refused": str(error)}
            continue
        yield {
            "version": version,
            "slots": at_work.get(version, []),
            "sessions": header.sessions,
            "events": header.events,
            "agents": sum(share.sessions > 0 for share in header.agents) if header.agents else None,
            "from_ms": header.from_ms,
            "to_ms": header.to_ms,
            "left_out": header.left_out,
            "metrics": header.metrics,
            **({"labelled": header.labelled} if header.labelled is not UNSET else {}),
        }


def _told(entry: Announcement) -> str:
    did = {
        Act.FILL: f"{entry.slot} is {entry.version}",
        Act.ROLLBACK: f"{entry.slot} is {entry.version or 'no baseline'} again",
        Act.EMPTY: f"{entry.slot} is no baseline",
    }[entry.act]
    before = f", after {entry.previous}" if entry.previous else ""
    why = f": {entry.reason}" if entry.reason else ""
    return f"{entry.number}  {moment(entry.at_ms)}  {did}{before} (by {entry.by}{why})"


def _day(at_ms: object) -> str:
    assert isinstance(at_ms, int)
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")


def _figure(value: float | None) -> str:
    return "not enough seen" if value is None else f"{value:.4g}"
