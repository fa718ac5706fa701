"""What people say of stops: `release` lifts one, `dispose` says whether it was right."""

import os
from typing import Annotated

import typer

from stream.console import escape, out
from stream.options import Kafka
from stream.settings import read_settings


def release(
    session: Annotated[str, typer.Argument(help="the session whose stop is lifted")],
    workflow: Annotated[str, typer.Option(help="the workflow it belongs to (it is in the command)")],
    by: Annotated[str, typer.Option(help="who decided that")],
    reason: Annotated[str, typer.Option(help="why; goes to the hooks and into the record")] = "",
    wrong_stop: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="id of the command, where it was a false alarm")
    ] = None,
    kafka: Kafka = None,
) -> None:
    """Lift a stop; with --wrong-stop, also say that it was a false alarm, as `dispose` does."""
    from stream.enforcement.release import Subject, send_disposition, send_release  # noqa: PLC0415 - Kafka

    settings = read_settings(os.environ, kafka=kafka)
    event = send_release(settings, workflow, session, by, reason)
    if wrong_stop is not None:
        send_disposition(settings, Subject(workflow, session, by, reason), wrong_stop, [], right=False)
    out.print(
        f"release of {escape(session)} in {escape(workflow)} asked for: event {event} is on the actions topic"
    )


def dispose(
    session: Annotated[str, typer.Argument(help="the session that was stopped, or that a finding is about")],
    workflow: Annotated[str, typer.Option(help="the workflow it belongs to (it is in the command)")],
    about: Annotated[str, typer.Option(help="id of the command or finding that was looked into")],
    by: Annotated[str, typer.Option(help="who says so")],
    *,
    right: Annotated[
        bool, typer.Option("--true-positive/--false-positive", help="whether it was right, or a false alarm")
    ],
    reason: Annotated[str, typer.Option(help="why; goes into the record")] = "",
    detector: Annotated[
        list[str] | None,
        typer.Option(help="whose finding it was; only for what happened too long ago to be remembered"),
    ] = None,
    kafka: Kafka = None,
) -> None:
    """Say whether a stop or finding was right: for training, evaluation and the record. It lifts nothing."""
    from stream.enforcement.release import Subject, send_disposition  # noqa: PLC0415 - needs the Kafka client

    subject = Subject(workflow, session, by, reason)
    event = send_disposition(
        read_settings(os.environ, kafka=kafka), subject, about, detector or [], right=right
    )
    said = "right" if right else "a false alarm"
    out.print(f"{escape(about)} in {escape(session)} was {said}: event {event} is on the actions topic")
