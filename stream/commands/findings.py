"""`chainbrake findings`: what detectors noticed and what people said of it, for a person, or as JSON."""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer

from models.errors import InputError
from models.finding import Finding
from models.ocsf import from_ocsf
from stream.configuration.settings import read_settings
from stream.recordings.topic_range import since
from stream.terminal.console import errors, escape, out
from stream.terminal.moments import begin_of, moment
from stream.terminal.options import Kafka, Since


def findings(
    session: Annotated[str | None, typer.Argument(metavar="SESSION", help="of that session alone")] = None,
    workflow: Annotated[str | None, typer.Option(help="of that workflow")] = None,
    agent: Annotated[str | None, typer.Option(help="of that agent")] = None,
    detector: Annotated[str | None, typer.Option(help="of that detector, chain or rule")] = None,
    begin: Since = None,
    kafka: Kafka = None,
    *,
    json: Annotated[
        bool, typer.Option("--json", help="one JSON object per finding, and nothing else")
    ] = False,
) -> None:
    """What detectors noticed, ordered or not, and what people said of it."""
    from stream.kafka.topics import topics_of  # noqa: PLC0415 - imports the client, for which no other command waits

    settings = read_settings(os.environ, kafka=kafka)
    begin_ms = begin_of(begin or ("30d" if session else "1d"), int(time.time() * 1000))
    wanted = {"session": session, "workflow": workflow, "agent": agent, "detector": detector}
    told: Counter[str] = Counter()
    unreadable = 0
    for record in since(settings, topics_of(settings).findings, begin_ms):
        try:
            finding = from_ocsf(record.value or b"")
        except InputError:
            unreadable += 1
            continue
        if any(value is not None and value != getattr(finding, name) for name, value in wanted.items()):
            continue
        told[finding.detector] += 1
        if json:
            row = {"kind": "finding", **msgspec.to_builtins(finding)}
            sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
            continue
        for line in _told(finding):
            out.print(line)
    if not json:
        counts = ", ".join(f"{name} {times}" for name, times in told.most_common())
        out.print(f"{told.total()} since {moment(begin_ms)}{escape(f': {counts}') if counts else ''}")
    if unreadable:
        errors.print(f"[yellow]note:[/yellow] {unreadable} records are no findings")


def _told(finding: Finding) -> Iterator[str]:
    """When, what, about whom, on what evidence."""
    sure = f"{finding.confidence:.2f} sure, risk {finding.risk:.2f}"
    yield f"[bold]{moment(finding.at_ms)}  {escape(finding.detector)}[/bold]  {sure}, {finding.grade}"
    who = f"agent {finding.agent or 'unknown'}, session {finding.session}, workflow {finding.workflow}"
    yield f"  {escape(who)}"
    yield f"  {escape(finding.reason)}"
    tags = f"; {', '.join(finding.tags)}" if finding.tags else ""
    yield escape(f"  finding {finding.id}, events {', '.join(finding.evidence)}{tags}")
    for other in finding.elsewhere:
        yield escape(f"  and in workflow {other.workflow}, session {other.session}: event {other.event_id}")
    yield ""
