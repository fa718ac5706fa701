"""`chainbrake train`: what was learned, and what was left out and why."""

from math import ceil
from pathlib import Path

from msgspec import UNSET, UnsetType
from rich.console import Console
from rich.table import Table

from models.baselines.baseline import Baseline, Share
from models.baselines.resemblance_counts import Labelled
from models.baselines.signing import Signer
from stream.collector import uncollected
from stream.configuration.keys import own_key
from stream.configuration.settings import Settings, load_policy, load_registry
from stream.evaluation.truth import labels_of
from stream.learning.scenarios import recordings
from stream.learning.training import Trained, train, train_recorded, train_runs
from stream.recordings.files import Lines, require_place
from stream.recordings.recorded import known_source, told_of
from stream.runs.known import EVENTS, RUNS, recorded_runs
from stream.terminal.console import escape
from stream.terminal.progress import progress

ROLES_SHOWN = 40


def signing(out: Console, settings: Settings) -> Signer:
    """What signs baselines here; a key that is made for it is told."""
    key = own_key(settings)
    if key.made:
        out.print(
            f"made a development key, which signs and is trusted on this machine: {escape(str(key.path))}"
        )
    return key.signer


def run_train(
    out: Console,
    files: list[str],
    source: str,
    to: Path,
    settings: Settings,
    live: Baseline | None,
    labelled: Path | None = None,
) -> str:
    """Learn, sign, write, and tell what was learned; returns the version. Raises `InputError`."""
    policy, registry = load_policy(settings.policy), load_registry(settings.registry)
    require_place(to)
    known_source(source, RUNS)
    signer = signing(out, settings)  # first: nobody should learn for an hour that it cannot be signed
    labels = labels_of(source, files, labelled) if labelled is not None else None
    with progress(files) as bar, uncollected():
        if source == EVENTS:
            trained = train(Lines(files, bar=bar), policy, to, signer, live, labels)
        elif source in RUNS:
            trained = train_runs(recorded_runs(source, files, bar), policy, to, signer, live, labels)
        else:
            recorded = recordings(source, files, policy, registry, bar, live)
            trained = train_recorded(recorded, policy, to, signer, labels)
    header = trained.header
    table = Table("role", "sessions", title=f"learned from {header.events} events")
    for role, sessions in sorted(trained.roles.items())[:ROLES_SHOWN]:
        table.add_row(escape(role) or "(none)", str(sessions))
    out.print(table)
    if len(trained.roles) > ROLES_SHOWN:
        out.print(f"and {len(trained.roles) - ROLES_SHOWN} more roles")
    _tell_left_out(out, trained, source)
    for name, group in (("of jobs it knows", "known"), ("of jobs it does not know", "new")):
        if found := header.metrics.get(group):
            out.print(
                f"held out {name}: {found['sessions']:.0f} honest sessions; surprise "
                f"{found['score_median']:.1f} bits (median), {found['score_p99']:.1f} (99th percentile)"
            )
    _tell_agents(out, header.agents)
    _tell_labels(out, header.labelled)
    if labels is not None and labels.unmet:
        out.print(
            f"[yellow]note:[/yellow] labels: {escape(str(labelled))}: {labels.unmet} of the sessions that it "
            f"names are not in these recordings, or did nothing there"
        )
    wrong = policy.wrong_stops_per_1000_sessions
    needed = ceil(1000 / wrong) - 1  # the smallest p-value of n sessions is 1 / (n + 1)
    if header.sessions < needed:
        out.print(
            f"[yellow]note:[/yellow] too few sessions to call one odd: {header.sessions} taught, and a limit "
            f"for {wrong:g} wrong stops in 1000 sessions takes at least {needed}"
        )
    return f"baseline@{header.checksum[:12]}"


def _tell_labels(out: Console, labelled: Labelled | UnsetType) -> None:
    """What they taught, and of whom they were too few."""
    if labelled is UNSET:
        return
    where = f"{labelled.sessions} hijacked sessions, in {labelled.jobs} jobs and with {labelled.goals} goals"
    if labelled.agents:
        out.print(
            f"learned from labels what hijacks look like: {where}, of {escape(', '.join(labelled.agents))} "
            f"(AUC {labelled.auc:.3f} with their jobs and goals held out)"
        )
    else:
        out.print(f"[yellow]note:[/yellow] labels taught nothing: {where}")
    for sentence in labelled.lacking:
        out.print(f"[yellow]note:[/yellow] labels: {escape(sentence)}")


def _tell_left_out(out: Console, trained: Trained, source: str) -> None:
    for reason, count in sorted(trained.header.left_out.items()):
        out.print(f"left out: {count} sessions ({escape(reason)})")
    for reason, count in sorted(trained.dead_letters.items()):
        out.print(f"not read: {count} lines ({reason})")
    if trained.first_refused is not None:
        out.print(f"the first of them: {escape(told_of(trained.first_refused, source))}")


def _tell_agents(out: Console, agents: list[Share]) -> None:
    """Of whom something was left out: an agent that is hardly learned any more shows here first."""
    concerned = [share for share in agents if share.left_out]
    if not concerned:
        return
    table = Table("agent", "taught", "left out", title="of whom something was left out")
    for share in concerned[:ROLES_SHOWN]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in share.left_out.items())
        table.add_row(escape(share.agent), str(share.sessions), escape(reasons))
    out.print(table)
    if len(concerned) > ROLES_SHOWN:
        out.print(f"and {len(concerned) - ROLES_SHOWN} more agents; all are in the header of the baseline")
