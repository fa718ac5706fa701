"""`chainbrake replay`: recorded events through the worker's judge, as lines for people or for programs."""

import os
import sys
from typing import Annotated, Any

import msgspec
import typer

from models.command import Action
from stream.configuration.baseline_files import load_baseline
from stream.configuration.settings import load_policy, load_registry, read_settings
from stream.terminal.console import errors, escape, out
from stream.terminal.options import (
    BaselinePath,
    ChainsPath,
    Files,
    PolicyPath,
    RegistryPath,
    SigmaPath,
    SourceName,
)


def replay(
    files: Files,
    policy: PolicyPath = None,
    baseline: BaselinePath = None,
    source: SourceName = "events",
    registry: RegistryPath = None,
    chains: ChainsPath = None,
    sigma: SigmaPath = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON object per line, and nothing else")] = False,
) -> None:
    """Fold recorded events through the worker's judge; print findings, commands and a summary."""
    from stream import collector  # noqa: PLC0415 - start-up time of the other commands
    from stream.commands.unread import tell_refused  # noqa: PLC0415
    from stream.configuration.rule_files import load_declared  # noqa: PLC0415
    from stream.offline.replay import Replay  # noqa: PLC0415
    from stream.recordings.files import Lines, Unbroken  # noqa: PLC0415
    from stream.recordings.recorded import bytes_max  # noqa: PLC0415
    from stream.terminal.progress import progress  # noqa: PLC0415

    settings = read_settings(
        os.environ, policy=policy, baseline=baseline, registry=registry, chains=chains, sigma=sigma
    )
    obeyed = load_policy(settings.policy)
    replayed = Replay(
        obeyed,
        load_baseline(settings),
        source,
        load_registry(settings.registry),
        load_declared(obeyed, settings.chains, settings.sigma),
    )
    encode = msgspec.json.Encoder().encode
    with collector.settled(), progress(files, shown=not json) as bar:
        given = Unbroken(Lines(files, bytes_max(source), bar))
        for row in replayed.rows(given):
            if json:
                sys.stdout.write(encode(row).decode() + "\n")
            else:
                out.print(escape(_line(row)))
    summary = replayed.summary()
    if json:
        sys.stdout.write(encode(summary).decode() + "\n")
    else:
        tell_refused(replayed.first_refused, source)
        _tell(summary, source)
    given.complain()


def _tell(summary: dict[str, Any], source: str) -> None:
    if summary["lines"] and not summary["events"] and not summary["dead_letters"]:
        errors.print(f"[yellow]no line told of anything:[/yellow] are they of {escape(source)} (--source)?")
    for name, value in summary.items():
        if name != "kind":
            out.print(f"{name:16} {escape(counted(value) if isinstance(value, dict) else str(value))}")


def counted(reasons: dict[str, int]) -> str:
    """Of each so many."""
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "0"


def _line(row: dict[str, Any]) -> str:
    what = row["action"] if row["kind"] == "command" else f"{row['detector']} {row['confidence']:.2f}"
    whose = row["session"]
    if what == Action.REVOKE_TOKEN:  # a session has several: which of them is meant
        whose += f"  {row['credential']}"
    return f"{row['input_index']:>8}  {row['kind']:8} {what:26} {whose}  {row['reason']}"
