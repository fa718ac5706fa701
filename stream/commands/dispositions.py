"""What people say of stops: `release` lifts one, `dispose` says whether it was right."""

import os
from typing import Annotated

import typer

from detectors.thresholds import DetectorSettings
from models.errors import InputError
from models.spelling import meant
from stream.configuration.settings import Settings, load_policy, read_settings
from stream.terminal.console import escape, out
from stream.terminal.options import ChainsPath, Kafka, PolicyPath, SigmaPath


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
    policy: PolicyPath = None,
    chains: ChainsPath = None,
    sigma: SigmaPath = None,
    kafka: Kafka = None,
) -> None:
    """Say whether a stop or finding was right: for training, evaluation and the record. It lifts nothing."""
    from stream.enforcement.release import Subject, send_disposition  # noqa: PLC0415 - needs the Kafka client

    settings = read_settings(os.environ, kafka=kafka, policy=policy, chains=chains, sigma=sigma)
    if detector:
        _require_known(detector, settings)
    subject = Subject(workflow, session, by, reason)
    event = send_disposition(settings, subject, about, detector or [], right=right)
    said = "right" if right else "a false alarm"
    out.print(f"{escape(about)} in {escape(session)} was {said}: event {event} is on the actions topic")


def _require_known(detectors: list[str], settings: Settings) -> None:
    """Workers count a name that they do not know for nobody, and say nothing. Raises `InputError`."""
    from stream.configuration.chain_files import builtin_names  # noqa: PLC0415 - start-up time of the other commands
    from stream.configuration.rule_files import load_declared  # noqa: PLC0415

    declared = load_declared(load_policy(settings.policy), settings.chains, settings.sigma)
    known = {*DetectorSettings.__struct_fields__, *builtin_names(), *declared.names, *declared.crossing}
    for name in detectors:
        if name not in known:
            raise InputError(
                f"--detector {name!r} is no detector, chain or rule that is loaded; "
                f"{meant(name, known)}valid are {', '.join(sorted(known))}, "
                f"and your own with --policy, --chains or --sigma"
            )
