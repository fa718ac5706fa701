"""`chainbrake explain`: one session's story, for a person who was woken by it, or as JSON."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from shlex import quote

import msgspec
from rich.console import Console
from rich.table import Table

from detectors.explain import Weighing
from models.command import STOPS, Action
from models.event import (
    READS,
    Approval,
    ApprovalRequest,
    Delegation,
    Disposition,
    Event,
    Grade,
    Join,
    OpClass,
    Operation,
    Outcome,
    Registration,
    Release,
)
from stream.configuration.baseline_files import load_baseline
from stream.configuration.rule_files import load_declared
from stream.configuration.settings import Settings, load_policy, load_registry
from stream.offline.explaining import Decisive, Explaining, Step, Story, as_json
from stream.recordings.files import Lines
from stream.recordings.recorded import bytes_max
from stream.terminal.console import escape
from stream.terminal.progress import progress

CLASSES = {
    OpClass.DISCOVERY: "looks around",
    OpClass.POLICY_READ: "reads who may do what",
    OpClass.SECRET_READ: "reads a secret",
    OpClass.ROLE_MAPPING: "puts somebody into a role",
    OpClass.PRIVILEGE_CHANGE: "changes rights",
    OpClass.TRUST_CHANGE: "changes who may come in",
    OpClass.CREDENTIAL_MINT: "makes a credential",
    OpClass.GUARDRAIL_CHANGE: "changes a guard rail",
    OpClass.EXCHANGE: "exchanges content",
    OpClass.OTHER: "nothing about identity",
    OpClass.UNCLASSIFIED: "not known what it means",
}
GRADES = {
    Grade.ATTESTED: "the platform's own record",
    Grade.OBSERVED: "what the agent's side says",
    Grade.INFERRED: "a guess",
}
ACTIONS = {
    Action.OBSERVE: "watched",
    Action.STEP_UP: "asked a human first",
    Action.READ_ONLY: "made read-only",
    Action.REVOKE_TOKEN: "stopped: its credential was to be revoked",
    Action.KILL_SESSION: "stopped: every further call was to be refused",
    Action.QUARANTINE_WORKFLOW: "stopped, with all sessions of its workflow",
    Action.RELEASE_SESSION: "released",
}
HARMLESS = (READS - {OpClass.SECRET_READ}) | {OpClass.OTHER, OpClass.UNCLASSIFIED, OpClass.EXCHANGE}
QUIET_SHOWN_MAX = 2
"""So many steps that nobody minded are shown; more in a row are counted."""
TARGETS_SHOWN_MAX = 3
TABLE_WIDTH_MIN = 120
"""Columns of a terminal: with fewer, the words of a table of seven columns are cut to syllables."""


def run(
    settings: Settings,
    files: list[str],
    source: str,
    session: str,
    workflow: str | None,
    out: Console,
    *,
    every: bool,
    json: bool,
) -> None:
    """Judge the recording, then tell one session's story. Raises `InputError` if it is not in there."""
    policy = load_policy(settings.policy)
    explaining = Explaining(
        policy,
        load_baseline(settings),
        source,
        load_registry(settings.registry),
        session,
        workflow,
        load_declared(policy, settings.chains, settings.sigma),
    )
    with progress(files, shown=not json) as bar:
        story = explaining.story(Lines(files, bytes_max(source), bar))
    if json:
        sys.stdout.write(msgspec.json.encode(as_json(story)).decode() + "\n")
        return
    for line in (
        *_head(story),
        "",
        "[bold]What happened[/bold] (times are UTC, lines count from 0, in the order in which it was judged)",
    ):
        out.print(line)
    if out.width < TABLE_WIDTH_MIN:
        for line in _steps_below_each_other(story, every=every):
            out.print(line)
    else:
        out.print(_steps(story, every=every))
    for line in _why(story):
        out.print(line)


def _head(story: Story) -> Iterator[str]:
    newest = next(
        (step.event for step in reversed(story.steps) if step.event.principal), story.steps[-1].event
    )
    who = f"agent {newest.agent or 'unknown'}, account {newest.principal or 'unknown'}"
    yield f"[bold]Session {escape(story.session)}[/bold], {escape(who)}"
    yield escape(f"workflow {', '.join(story.workflows)}")
    decisive = story.decisive
    if decisive is None:
        yield "[green]Nothing was ordered against it.[/green]"
        return
    command = decisive.command
    colour = "red" if story.stopped else "yellow"
    shadow = " (in shadow mode: nobody acts on it)" if command.shadow else ""
    yield f"[{colour}]It was {ACTIONS[command.action]}{shadow}[/{colour}] at {_at(command.at_ms, date=True)}"
    yield f"because {escape(command.reason.partition(' [risk')[0])}."
    if command.degraded_from is not None:
        yield f"{command.degraded_from} was due; the reason says why it was not ordered."
    if not story.learned:
        yield "No baseline was given: what is odd for this job was not seen here. A worker may have had one."


def _steps(story: Story, *, every: bool) -> Table:
    table = Table("time", "line", "what it did", "on", "how it ended", "vouched for by", "risk", box=None)
    for column in table.columns:
        column.overflow = "fold"  # a name that is cut off is no evidence
    for step in _told(story, every=every):
        if isinstance(step, list):
            risk = f"{step[-1].risk:.2f}"
            table.add_row(f"[dim]{_at(step[0].event.at_ms)}[/dim]", "", _unminded(step), "", "", "", risk)
            continue
        what, target = _words(step.event)
        cells = (escape(target), _ended(step.event), escape(step.warrant), f"{step.risk:.2f}")
        table.add_row(_at(step.event.at_ms), str(step.index), what, *cells)
        for words in _led_to(step):
            table.add_row("", "", words, "", "", "", "")
    return table


def _steps_below_each_other(story: Story, *, every: bool) -> Iterator[str]:
    """The same where columns would be too narrow for words."""
    for step in _told(story, every=every):
        if isinstance(step, list):
            yield f"[dim]{_at(step[0].event.at_ms)}[/dim]  {_unminded(step)}"
            continue
        what, target = _words(step.event)
        yield f"{_at(step.event.at_ms)}  {what}"
        about = f"on {escape(target)}, " if target else ""
        about += f"{ended}, " if (ended := _ended(step.event)) else ""
        about += f"vouched for by {escape(step.warrant)}, " if step.warrant else ""
        yield f"  {about}risk {step.risk:.2f} (line {step.index})"
        for words in _led_to(step):
            yield f"  {words}"


def _told(story: Story, *, every: bool) -> Iterator[Step | list[Step]]:
    """The steps to tell one by one; of many in a row that nobody minded, all at once."""
    quiet: list[Step] = []
    for step in story.steps:
        if not every and _uneventful(step):
            quiet.append(step)
            continue
        yield from quiet if len(quiet) <= QUIET_SHOWN_MAX else [quiet]
        quiet = []
        yield step
    yield from quiet if len(quiet) <= QUIET_SHOWN_MAX else [quiet]


def _uneventful(step: Step) -> bool:
    event = step.event
    harmless = isinstance(event, Operation) and event.op_class in HARMLESS
    return harmless and not step.findings and not step.commands


def _unminded(steps: list[Step]) -> str:
    return f"[dim]{len(steps)} steps that nobody minded (--all shows them)[/dim]"


def _ended(event: Event) -> str:
    """How an operation ended, if not well."""
    if not isinstance(event, Operation) or event.outcome is Outcome.OK:
        return ""
    return f"[yellow]{event.outcome}[/yellow]"


def _led_to(step: Step) -> Iterator[str]:
    for finding in step.findings:
        words = f"[yellow]noticed[/yellow] {escape(finding.reason)} [dim]({escape(finding.detector)}, "
        yield words + f"weight {finding.confidence:.2f}, on {GRADES[finding.grade]})[/dim]"
    for command in step.commands:
        of = f" of {command.credential}" if command.action is Action.REVOKE_TOKEN else ""
        yield f"[red]ordered[/red] {command.action}{escape(of)}: {escape(command.scope)}"


def _words(event: Event) -> tuple[str, str]:
    """What an event says, and about what."""
    about = ""
    match event:
        case Operation():
            effects = f" [dim]({', '.join(effect.replace('_', ' ') for effect in event.effects)})[/dim]"
            said = (
                f"{escape(event.operation)} [dim]by {escape(event.source)}[/dim]: {CLASSES[event.op_class]}"
            )
            return said + (effects if event.effects else ""), event.target
        case ApprovalRequest():
            said, about = f"an approval of {event.operation} was asked for", event.target
        case Approval():
            said, about = f"{event.decided_by} approved {event.operation}", event.target
        case Registration():
            who = f" by {event.decided_by}" if event.decided_by else ""
            said = f"{event.what.replace('_', ' ')} {event.reference} was registered{who}"
            about = ", ".join(event.targets[:TARGETS_SHOWN_MAX])
        case Delegation():
            said = f"{event.parent_session} handed work to {event.session}"
        case Join():
            said = f"what ran as {event.session} turned out to be {event.into_session}"
        case Release():
            said = f"released by {event.decided_by}: {event.reason}"
        case Disposition():
            word = "right" if event.true_positive else "a false alarm"
            said, about = f"{event.decided_by} says that it was {word}: {event.reason}", event.about
        case _:
            said = type(event).__name__.replace("Session", "session ").lower()
    return escape(said), about


def _why(story: Story) -> Iterator[str]:
    decisive = story.decisive
    if decisive is None:
        if story.highest is not None:
            nearest, begins = story.highest.risk, story.highest.threshold
            yield f"It was nearest to a stop at a risk of {nearest:.2f}; a stop begins at {begins:.2f}."
        return
    yield from ("", "[bold]What it weighed[/bold]", *_weights(decisive.weighing))
    yield from ("", "[bold]What would have had to be different[/bold]")
    yield from _different(story, decisive)


def _weights(weighing: Weighing) -> Iterator[str]:
    yield (
        f"The level {escape(weighing.level)} begins at {weighing.threshold:.2f}; the risk that counts for it "
        f"was {weighing.risk:.2f}."
    )
    for factor in weighing.factors:
        if factor.counts:
            below = " - not enough" if factor.risk_without < weighing.threshold else ""
            yield (
                f"  {factor.detector}: {factor.confidence:.2f} when noticed, {factor.left:.2f} by then. "
                f"Without it the risk had been {factor.risk_without:.2f}{below}."
            )
        else:
            yield f"  {factor.detector}: {factor.confidence:.2f}, [dim]which may alert, and not stop[/dim]"
    yield from hangs_on(weighing)


def hangs_on(weighing: Weighing) -> Iterator[str]:
    """Which findings made the difference."""
    needed = [
        factor.detector
        for factor in weighing.factors
        if factor.counts and factor.risk_without < weighing.threshold
    ]
    if not weighing.fewest:
        return
    if len(needed) == 1:
        yield f"It hangs on {needed[0]}: without that the level is not reached."
    elif needed:
        yield f"It took {' and '.join(needed)} together: without any one of them the level is not reached."
    else:
        together = " and ".join(weighing.fewest)
        yield f"No single one decided: to stay below, {together} would all have to be absent."


def _different(story: Story, decisive: Decisive) -> Iterator[str]:
    for name, why in decisive.unused:
        yield escape(f"  There was an approval ({name}), but {'; '.join(why)}.")
    if story.untried:
        yield escape(f"  Nothing was tried out: {story.untried}.")
    for tried in story.tried:
        what = f"{tried.what} ({'; '.join(tried.about)})"
        if tried.prevents:
            then = f"only {ACTIONS[Action(tried.instead)]}" if tried.instead else "left alone"
            yield f"  [green]With[/green] {escape(what)} it would have been {then}."
        else:
            then = ACTIONS[Action(tried.instead)]
            yield f"  [red]Even with[/red] {escape(what)} it would have been {then}."
    if story.tried:
        how = "the same judge, the same events, that fact added before the change"
        yield f"  [dim]Each line was tried out: {how}.[/dim]"
    if decisive.command.action in STOPS:
        yield "What a stop really hit is in the hooks' acknowledgements (docs/operating.md), not here."
        session, workflow = quote(decisive.command.session), quote(decisive.command.workflow)
        yield f"If it was wrong: chainbrake release {escape(session)} --workflow {escape(workflow)} --by YOU"


def _at(at_ms: int, *, date: bool = False) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S.%f")[: None if date else -3]
