"""`chainbrake ingest`: records of a source to the actions topic."""

import os
from typing import Annotated

import typer

from stream.commands.replay import counted
from stream.configuration.settings import load_registry, read_settings
from stream.terminal.console import escape, out
from stream.terminal.options import Files, Kafka, RegistryPath


def ingest(
    files: Files,
    source: Annotated[str, typer.Option("--source", help="whose records they are, such as aws.cloudtrail")],
    registry: RegistryPath = None,
    follow: Annotated[bool, typer.Option("--follow", help="wait for what the file grows by")] = False,
    kafka: Kafka = None,
) -> None:
    """Send records of a source to the actions topic, as events that know their session."""
    from stream.commands.unread import tell_refused  # noqa: PLC0415 - start-up time of the other commands
    from stream.ingest.sending import Ingest  # noqa: PLC0415 - needs the Kafka client

    if follow and (len(files) != 1 or files[0] == "-"):
        raise typer.BadParameter("follows one file; standard input is followed anyway", param_hint="--follow")
    settings = read_settings(os.environ, kafka=kafka, registry=registry)
    ingesting = Ingest(settings, load_registry(settings.registry))
    ingesting.run(source, files, follow=follow)
    tell_refused(ingesting.first_refused, source)
    out.print(counted(dict(ingesting.counted)))
    if ingesting.names_to_add:
        out.print(f"names to add: {escape(counted(ingesting.names_to_add))}")
    if ingesting.read is not None:
        ingesting.read.complain()
