"""`chainbrake stops`: what was ordered, what hooks made of it, and what stands; for a person, or as JSON."""

import os
import sys
import time
from collections.abc import Iterator
from shlex import quote
from typing import Annotated

import msgspec
import typer

from models.acknowledgement import Acknowledgement
from models.command import RANK, Action, Command
from stream.configuration.settings import read_settings
from stream.enforcement.standing import Account, Ordered, Standing
from stream.recordings.topic_range import since
from stream.terminal.console import errors, escape, out
from stream.terminal.moments import begin_of, moment
from stream.terminal.options import Kafka, Since

DETECTORS_SHOWN_MAX = 3

Decided = list[Ordered]
"""Commands of one decision, the strongest first."""


def stops(
    about: Annotated[
        str | None, typer.Argument(metavar="SESSION", help="a session, or the id of a command: in full")
    ] = None,
    workflow: Annotated[str | None, typer.Option(help="of that workflow")] = None,
    agent: Annotated[str | None, typer.Option(help="of that agent")] = None,
    begin: Since = None,
    kafka: Kafka = None,
    *,
    in_force: Annotated[bool, typer.Option("--in-force", help="only what stands now")] = False,
    unanswered: Annotated[
        bool, typer.Option("--unanswered", help="only where no hook did, or did in part, what was ordered")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="one JSON object per command, and nothing else")
    ] = False,
) -> None:
    """What was ordered against whom, what the hooks made of it, and what stands now."""
    from stream.kafka.topics import topics_of  # noqa: PLC0415 - imports the client, for which no other command waits

    settings = read_settings(os.environ, kafka=kafka)
    topics = topics_of(settings)
    now_ms = int(time.time() * 1000)
    begin_ms = begin_of(begin or ("7d" if about or in_force or unanswered else "1d"), now_ms)
    account = Account()
    for record in since(settings, topics.commands, begin_ms):
        account.hear(record.value or b"")
    for record in since(settings, topics.acks, begin_ms):
        account.answered(record.value or b"")
    for record in since(settings, topics.findings, begin_ms):
        account.judged(record.value or b"")
    shown = [
        decided
        for decided in _decisions(account)
        if _is_asked_for(decided, about, workflow, agent)
        and (not in_force or _standing(decided, now_ms) is Standing.IN_FORCE)
        and not (unanswered and all(each.is_shadow or each.is_carried_out for each in decided))
    ]
    if json:
        _write(shown, now_ms)
    else:
        for line in _lines(shown, now_ms, in_full=bool(about)):
            out.print(line)
        orders = [decided for decided in shown if not _is_release(decided)]
        standing = sum(_standing(decided, now_ms) is Standing.IN_FORCE for decided in orders)
        out.print(f"{len(orders)} ordered since {moment(begin_ms)}, {standing} in force")
        if orders and about:
            story = f"kafka://{settings.kafka}/{topics.actions}"
            for line in _to_do(orders[-1][0].command, story, kafka, lift=standing > 0):
                out.print(line)
        elif orders:
            out.print("all of one, and what can be done about it: chainbrake stops SESSION")
    if account.unreadable:
        errors.print(f"[yellow]note:[/yellow] {account.unreadable} records are not what they should be")


def _decisions(account: Account) -> list[Decided]:
    """What was ordered at one event against one session belongs together, what it became later, too."""
    found: dict[tuple[str, ...], Decided] = {}
    for ordered in account:
        command = ordered.command
        of = command.workflow, command.session, command.event_source, command.event_id
        found.setdefault(of, []).append(ordered)
    for decided in found.values():
        decided.sort(key=lambda each: -RANK[each.command.action])
    return list(found.values())


def _is_asked_for(decided: Decided, about: str | None, workflow: str | None, agent: str | None) -> bool:
    command = decided[0].command
    return (
        (about is None or about == command.session or any(about == each.command.id for each in decided))
        and (workflow is None or workflow == command.workflow)
        and (agent is None or agent == command.agent)
    )


def _standing(decided: Decided, now_ms: int) -> Standing:
    """Of a whole decision: while a part of it stands, it stands."""
    found = {each.standing(now_ms) for each in decided}
    return next(standing for standing in Standing if standing in found)


def _write(shown: list[Decided], now_ms: int) -> None:
    for ordered in (each for decided in shown for each in decided):
        row = {
            "kind": "command",
            "standing": ordered.standing(now_ms),
            "sent": ordered.sent,
            "lifted_by": ordered.lifted_by.id if ordered.lifted_by is not None else None,
            "command": ordered.command,
            "answers": list(ordered.answers.values()),
            "disposition": ordered.disposition,
        }
        sys.stdout.write(msgspec.json.encode(row).decode() + "\n")


def _lines(shown: list[Decided], now_ms: int, *, in_full: bool) -> Iterator[str]:
    for decided in shown:
        if not in_full and _is_release(decided):  # told with what it lifted
            continue
        yield from _in_short(decided, now_ms)
        if in_full and not _is_release(decided):
            yield from _in_full(decided)
        yield ""


def _is_release(decided: Decided) -> bool:
    return decided[0].command.action is Action.RELEASE_SESSION


def _in_short(decided: Decided, now_ms: int) -> Iterator[str]:
    """Who, what, whether it stands, and what the hooks said."""
    command = decided[0].command
    asked = ", ".join(each.command.action for each in decided)
    yield f"[bold]{moment(command.seen_ms)}  {asked}[/bold]  {_became(decided, now_ms)}"
    who = f"agent {command.agent or 'unknown'}, session {command.session}, workflow {command.workflow}"
    yield f"  {escape(who)}"
    weights = sorted(command.contributions, key=lambda each: -each.share)[:DETECTORS_SHOWN_MAX]
    if weights:
        because = ", ".join(f"{each.detector} {each.share:.0%}" for each in weights)
        yield f"  risk {command.risk:.2f} from {escape(because)}"
    for each in decided:
        if not each.is_shadow:
            yield f"  {each.command.action}: {_answers(each)}"
    for word in (each.disposition for each in decided if each.disposition is not None):
        yield f"  [bold]{escape(word.reason)}[/bold]"


def _became(decided: Decided, now_ms: int) -> str:
    standing = _standing(decided, now_ms)
    until = moment(max(each.command.expires_ms for each in decided))
    release = next((each.lifted_by for each in decided if each.lifted_by is not None), None)
    if standing is Standing.IN_FORCE:
        return f"[red]in force until {until}[/red]"
    if release is not None:
        return f"[green]lifted {moment(release.seen_ms)}[/green], {escape(release.reason)}"
    if standing is Standing.EXPIRED:
        return f"ended by itself {until}"
    return "shadow: nobody acts on it" if standing is Standing.SHADOW else escape(decided[0].command.reason)


def _answers(ordered: Ordered) -> str:
    if not ordered.answers:
        often = f", sent {ordered.sent} times" if ordered.sent > 1 else ""
        return f"[yellow]no hook has answered{often}[/yellow]"
    return "; ".join(escape(_answer(each)) for each in ordered.answers.values())


def _answer(answer: Acknowledgement) -> str:
    said = f"{answer.hook} {answer.outcome}, {answer.certainty}"
    if answer.detail:
        said += f" ({answer.detail})"
    if answer.residual:
        until = f", until {moment(answer.residual_until_ms)}" if answer.residual_until_ms is not None else ""
        said += f"; stays open: {answer.residual}{until}"
    return said


def _in_full(decided: Decided) -> Iterator[str]:
    """Why, on what evidence, and what it is called."""
    command = decided[0].command
    yield f"  why: {escape(command.reason)}"
    for found in command.contributions:
        evidence = ", ".join(found.evidence)
        yield escape(f"    {found.detector}: {found.confidence:.2f} sure, {found.grade}, events {evidence}")
    if command.degraded_from is not None:
        yield f"  {command.degraded_from} was due; the reason says why it was not ordered"
    account = f"{command.principal or 'unknown'}, credential {command.credential or 'unknown'}"
    yield escape(f"  account {account} ({command.credential_kind})")
    baseline = command.model_version or "none"
    yield escape(f"  policy {command.policy_version or 'unknown'}, baseline {baseline}")
    for each in decided:
        yield escape(f"  {each.command.action} is command {each.command.id}")


def _to_do(last: Command, story: str, kafka: str | None, *, lift: bool) -> Iterator[str]:
    """What can be done about a session, ready to be copied."""
    at = f" --kafka {quote(kafka)}" if kafka else ""
    of = f"{quote(last.session)} --workflow {quote(last.workflow)}"
    yield "the whole story (with the worker's --policy, --baseline and --registry):"
    yield escape(f"  chainbrake explain {quote(story)} --session {of}")
    if lift:
        yield "lift what stands:"
        yield escape(f'  chainbrake release {of} --by YOU --reason "…"{at}')
    yield "say that the last one was right, or a false alarm (--false-positive):"
    yield escape(f"  chainbrake dispose {of} --about {quote(last.id)} --by YOU --true-positive{at}")
