"""`chainbrake train`: what was learned, and what was left out and why."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from stream.collector import uncollected
from stream.files import lines
from stream.keys import own_key
from stream.progress import progress
from stream.scenarios import recordings
from stream.settings import Settings, load_policy, load_registry
from stream.sources.known import EVENTS, RUNS, recorded_runs
from stream.training import train, train_recorded, train_runs

ROLES_SHOWN = 40


def run_train(out: Console, files: list[str], source: str, to: Path, settings: Settings) -> str:
    """Learn, sign, write, and tell what was learned; returns the version. Raises `InputError`."""
    policy, registry = load_policy(settings.policy), load_registry(settings.registry)
    key = own_key(settings)  # first: nobody should learn for an hour that it cannot be signed
    if key.made:
        out.print(f"made a development key, which signs and is trusted on this machine: {key.path}")
    signer = key.signer
    with progress(files) as bar, uncollected():
        if source == EVENTS:
            trained = train(lines(files, bar=bar), policy, to, signer)
        elif source in RUNS:
            trained = train_runs(recorded_runs(source, files, bar), policy, to, signer)
        else:
            trained = train_recorded(recordings(source, files, policy, registry, bar), policy, to, signer)
    header = trained.header
    table = Table("role", "sessions", title=f"learned from {header.events} events")
    for role, sessions in sorted(trained.roles.items())[:ROLES_SHOWN]:
        table.add_row(role or "(none)", str(sessions))
    out.print(table)
    if len(trained.roles) > ROLES_SHOWN:
        out.print(f"and {len(trained.roles) - ROLES_SHOWN} more roles")
    for reason, count in sorted({**header.left_out, **trained.dead_letters}.items()):
        out.print(f"left out: {count} ({reason})")
    return f"baseline@{header.checksum[:12]}"
