"""`chainbrake hook try`: whether a hook keeps the rules of `docs/hooks.md`, as far as that can be seen."""

import os
from typing import Annotated

import typer

from stream.configuration.settings import read_settings
from stream.terminal.console import escape, out
from stream.terminal.options import Kafka

MARKS = {True: "[green]kept  [/green]", False: "[red]broken[/red]", None: "note  "}


def try_hook(
    name: Annotated[str, typer.Argument(help="how its acknowledgements name it")],
    within_s: Annotated[
        float, typer.Option("--within", min=0.1, max=600, help="seconds to wait for each answer")
    ] = 10.0,
    kafka: Kafka = None,
) -> None:
    """Try a hook that runs: orders stops of a session that does not exist, and reads its answers.

    All hooks of the deployment hear them. A rule that is broken is exit code 1.
    """
    from stream.enforcement.trial import Trial  # noqa: PLC0415 - needs the Kafka client

    broken = 0
    with Trial(read_settings(os.environ, kafka=kafka), name, within_s) as trial:
        for found in trial.found():
            out.print(f"{MARKS[found.kept]}  {escape(found.rule)}: {escape(found.said)}")
            broken += found.kept is False
    out.print(f"{broken} rules broken" if broken else f"{escape(name)} keeps what can be seen of the rules")
    if broken:
        raise typer.Exit(1)
