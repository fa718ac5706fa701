"""All commands, put together. Each reads settings, builds the parts, and runs them."""

import errno
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from detectors.policy import write_policy
from models.errors import ChainbrakeError, RuleError
from stream.commands.dispositions import dispose, release
from stream.commands.evaluate import evaluate
from stream.commands.findings import findings
from stream.commands.ingest import ingest
from stream.commands.letters import dead_letters
from stream.commands.models import models
from stream.commands.replay import replay
from stream.commands.stops import stops
from stream.commands.trial import try_hook
from stream.configuration.baseline_files import load_baseline
from stream.configuration.settings import load_policy, load_registry, read_settings
from stream.sources.vocabularies import check_vocabulary, providers
from stream.terminal.console import errors, escape, out
from stream.terminal.options import (
    BaselinePath,
    ChainsPath,
    Files,
    Kafka,
    LabelsPath,
    PolicyPath,
    Recordings,
    Redis,
    RegistryPath,
    SigmaPath,
    SourceName,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""The place to write to is full or broken: nothing that a traceback explains."""

hooks = typer.Typer(no_args_is_help=True, help="Enforcement hooks: they act on commands and acknowledge.")
app.add_typer(hooks, name="hook")
app.add_typer(models, name="models")


def run_program() -> None:
    """Run; what we raise on purpose is a message and exit code 2, everything else a traceback."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where it can be told that it did not arrive
    except RuleError as error:  # a line for each mistake, each with its place
        for line in str(error).splitlines():
            errors.print(f"[red]error:[/red] {escape(line.strip())}")
        sys.exit(2)
    except ChainbrakeError as error:
        said = "; ".join(
            line.strip() for line in str(error).splitlines()
        )  # one line, whoever raised it first
        errors.print(f"[red]error:[/red] {escape(said)}")
        sys.exit(2)
    except BrokenPipeError:
        _let_go_of_output()  # the reader has gone: nothing to say
        sys.exit(1)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        _let_go_of_output()
        errors.print(f"[red]error:[/red] {escape(error.filename or 'standard output')}: {error.strerror}")
        sys.exit(2)


def _let_go_of_output() -> None:
    """What is still to be written there would be an error once more, when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version as installed  # noqa: PLC0415 - nobody else needs it

        from stream.build import fold_build  # noqa: PLC0415 - start-up time of the other commands

        out.print(f"chainbrake {installed('chainbrake')} ({fold_build()})")
        raise typer.Exit


@app.callback()
def options(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="print the version, and exit"),
    ] = False,
) -> None:
    """A runtime monitor that stops AI agents whose chain of identity operations turns dangerous."""


def _settings(**options: Any) -> Any:
    return read_settings(os.environ, **options)


@app.command()
def run(
    kafka: Kafka = None,
    redis: Redis = None,
    policy: PolicyPath = None,
    baseline: BaselinePath = None,
    registry: RegistryPath = None,
    chains: ChainsPath = None,
    sigma: SigmaPath = None,
    web_host: Annotated[str | None, typer.Option(help="address of /metrics, /healthz, /readyz")] = None,
    web_port: Annotated[int | None, typer.Option(help="port of the same")] = None,
    adopt_topic: Annotated[
        bool, typer.Option("--adopt-topic", help="accept a recreated topic: drop the state of the old one")
    ] = False,
) -> None:
    """Run a worker: judge the actions topic, send commands, keep the ledger."""
    from stream.worker.process import run_worker  # noqa: PLC0415 - Faust takes a second to import

    settings = _settings(
        kafka=kafka,
        redis=redis,
        policy=policy,
        baseline=baseline,
        registry=registry,
        chains=chains,
        sigma=sigma,
        web_host=web_host,
        web_port=web_port,
    )
    run_worker(settings, adopt_topic=adopt_topic)


@app.command()
def topics(
    kafka: Kafka = None,
    partitions: Annotated[
        int, typer.Option(min=1, max=1000, help="of each topic; dead letters get a quarter")
    ] = 8,
    replicas: Annotated[
        int, typer.Option(min=1, max=5, help="of each partition; one that exists is never changed")
    ] = 1,
) -> None:
    """Create the topics, or say how those that exist differ from what is stated."""
    from stream.kafka.topics import create_topics  # noqa: PLC0415 - only this command needs the admin client

    settings = _settings(kafka=kafka)
    differing = False
    for line, differs in create_topics(settings, partitions, replicas):
        out.print(line)
        differing |= differs
    if differing:
        raise typer.Exit(1)


@app.command()
def check(
    policy: PolicyPath = None,
    baseline: BaselinePath = None,
    registry: RegistryPath = None,
    chains: ChainsPath = None,
    sigma: SigmaPath = None,
    show: Annotated[bool, typer.Option("--print", help="print the policy with all its defaults")] = False,
) -> None:
    """Check a policy, a baseline, a registry, chains, Sigma rules and the vocabularies; run nothing."""
    from detectors.catalog import NAMES  # noqa: PLC0415 - start-up time of the other commands
    from stream.configuration.rule_files import load_declared  # noqa: PLC0415

    settings = _settings(policy=policy, baseline=baseline, registry=registry, chains=chains, sigma=sigma)
    obeyed = load_policy(settings.policy)
    declared = load_declared(obeyed, settings.chains, settings.sigma)
    learned = load_baseline(settings)
    entered = load_registry(settings.registry)
    if show:
        sys.stdout.write(write_policy(obeyed).decode())
        return
    out.print(f"policy {escape(obeyed.version)}: {len(obeyed.levels)} levels, {len(NAMES)} detectors known")
    out.print(f"chains and Sigma rules: {escape(', '.join(declared.names)) or 'none'}")
    for remark in declared.remarks:
        out.print(f"[yellow]note:[/yellow] {escape(remark)}")
    for provider in providers():
        words = check_vocabulary(provider).content
        out.print(
            f"vocabulary {provider} {words.version}: {len(words.operations)} operations by name, "
            f"{sum(len(pattern.matches) for pattern in words.patterns)} patterns"
        )
    if learned is not None:
        header = learned.header
        out.print(
            f"{learned.version}: {header.sessions} sessions, {header.events} events, "
            f"{learned.pace.seen_enough} cohorts with enough seen"
        )
    if settings.registry:
        out.print(f"registry {escape(settings.registry)}: {entered.summary}")
        budget = obeyed.budget
        if entered.content.protected and not (budget.protected_agents or budget.protected_principals):
            out.print(
                "[yellow]note:[/yellow] `protected` of the registry keeps nobody from being stopped: "
                "`budget` of the policy does, and protects nobody"
            )


app.command()(replay)


@app.command()
def train(
    files: Recordings,
    to: Annotated[Path, typer.Option("--out", help="the baseline to write")],
    policy: PolicyPath = None,
    source: SourceName = "events",
    registry: RegistryPath = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", help="the live one: sessions that it alarms on do not teach")
    ] = None,
    labels: LabelsPath = None,
) -> None:
    """Learn what normal looks like from recorded sessions."""
    from stream.commands.train import run_train  # noqa: PLC0415 - scipy takes a second to import

    settings = _settings(policy=policy, registry=registry, baseline=baseline)
    live = load_baseline(settings) if baseline is not None else None
    if baseline is not None and live is None:
        raise typer.BadParameter("names no file", param_hint="--baseline")
    version = run_train(out, files, source, to, settings, live, labels)
    out.print(f"written: {escape(str(to))} ({version})")


@app.command()
def key() -> None:
    """Print the public key of what this machine signs baselines with: whoever is to trust them needs it."""
    from stream.configuration.keys import public_pem, signing_key  # noqa: PLC0415 - start-up time of the other commands

    sys.stdout.write(public_pem(signing_key(_settings())))


@app.command()
def score(
    files: Recordings,
    baseline: Annotated[str, typer.Option("--baseline", help="baseline made by `chainbrake train`")],
    policy: PolicyPath = None,
    source: SourceName = "events",
    registry: RegistryPath = None,
    json: Annotated[
        bool, typer.Option("--json", help="one JSON object per session, and nothing else")
    ] = False,
) -> None:
    """How surprising recorded sessions are to a baseline, and which would be alarms."""
    from stream.commands.score import run_score  # noqa: PLC0415 - start-up time of the other commands

    settings = _settings(policy=policy, baseline=baseline, registry=registry)
    learned = load_baseline(settings)
    if learned is None:
        raise typer.BadParameter("names no file", param_hint="--baseline")
    run_score(
        out,
        files,
        source,
        learned,
        load_policy(settings.policy),
        registry=load_registry(settings.registry),
        json=json,
    )


app.command()(evaluate)


@app.command()
def explain(
    files: Files,
    session: Annotated[str, typer.Option("--session", help="whose story; a command names it")],
    workflow: Annotated[str | None, typer.Option(help="tell of that workflow alone: spares memory")] = None,
    policy: PolicyPath = None,
    baseline: BaselinePath = None,
    source: SourceName = "events",
    registry: RegistryPath = None,
    chains: ChainsPath = None,
    sigma: SigmaPath = None,
    every: Annotated[bool, typer.Option("--all", help="every step, the uneventful ones, too")] = False,
    json: Annotated[bool, typer.Option("--json", help="one JSON object, and nothing else")] = False,
) -> None:
    """Say step by step why a session was stopped, and what would have had to be different."""
    from stream.commands.explain import run as say  # noqa: PLC0415 - start-up time of the other commands

    settings = _settings(policy=policy, baseline=baseline, registry=registry, chains=chains, sigma=sigma)
    say(settings, files, source, session, workflow, out, every=every, json=json)


@app.command()
def backtest(
    files: Files,
    labels: Annotated[Path | None, typer.Option("--labels", help="what is known of the files (JSON)")] = None,
    policy: PolicyPath = None,
    baseline: BaselinePath = None,
    source: SourceName = "events",
    registry: RegistryPath = None,
    chains: ChainsPath = None,
    sigma: SigmaPath = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON object per line, and nothing else")] = False,
) -> None:
    """Try all detectors on recorded sessions, each file by itself: who fired, when, how rightly."""
    from stream.commands.backtest import run as test  # noqa: PLC0415 - start-up time of the other commands

    test(
        _settings(policy=policy, baseline=baseline, registry=registry, chains=chains, sigma=sigma),
        files,
        source,
        labels,
        out,
        json=json,
    )


app.command()(ingest)
app.command()(stops)
app.command()(findings)
app.command()(dead_letters)
app.command()(release)
app.command()(dispose)


@app.command()
def schema() -> None:
    """Print the JSON Schema of events, as the worker reads them."""
    from stream.reference.schema import event_schema  # noqa: PLC0415 - only this command needs it

    sys.stdout.write(event_schema())


hooks.command("try")(try_hook)


@hooks.command()
def gateway(
    kafka: Kafka = None,
    host: Annotated[str, typer.Option(envvar="CHAINBRAKE_GATEWAY_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="CHAINBRAKE_GATEWAY_PORT", min=0, max=65535)] = 8077,
    name: Annotated[str, typer.Option(help="how acknowledgements name this hook")] = "gateway",
    policy: PolicyPath = None,
    registry: RegistryPath = None,
) -> None:
    """A small agent gateway whose hook refuses a stopped session's next call.

    Policy and registry say which approvals count under a step-up: give it those of the worker.
    """
    from stream.enforcement.gateway import run_gateway  # noqa: PLC0415 - needs aiohttp and Kafka

    run_gateway(_settings(kafka=kafka, policy=policy, registry=registry), host, port, name)
