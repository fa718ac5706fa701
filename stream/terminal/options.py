"""Options that several commands share, as Typer reads them; how each is called is decided here alone."""

import os
from pathlib import Path
from typing import Annotated

import typer

from stream.configuration.settings import read_settings
from stream.recordings.topic_range import at_broker, named


def _located(paths: list[str]) -> list[str]:
    """The arguments; a range of a topic at the brokers of the settings, unless it names its own."""
    if not any(map(named, paths)):
        return paths
    brokers = read_settings(os.environ).kafka
    return [at_broker(path, brokers) for path in paths]


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE…",
        callback=_located,
        help="JSON, .gz too; Parquet; a folder; kafka://TOPIC?from=…&to=…; - for standard input",
    ),
]
Recordings = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE…",
        callback=_located,
        help="files, folders or kafka://TOPIC?from=…&to=… of the format that --source names; Parquet, too",
    ),
]
PolicyPath = Annotated[str | None, typer.Option("--policy", help="policy file (YAML)")]
BaselinePath = Annotated[
    str | None,
    typer.Option(
        "--baseline", help="file made by `chainbrake train`; or of the registry: live, shadow, baseline@…"
    ),
]
RegistryPath = Annotated[str | None, typer.Option("--registry", help="registry file (YAML or JSON)")]
ChainsPath = Annotated[str | None, typer.Option("--chains", help="chain file, or folder of them (YAML)")]
SigmaPath = Annotated[str | None, typer.Option("--sigma", help="Sigma rules: a file, or a folder of them")]
SourceName = Annotated[
    str,
    typer.Option("--source", help="format: events, scenario, a source; to learn: agent-runs, hdfs, too"),
]
Since = Annotated[
    str | None,
    typer.Option("--since", help="90m, 12h, 7d, or a time; a day, where nothing else narrows it down"),
]
LabelsPath = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        help="what is known of the sessions, as for evaluate (JSON or NDJSON; or a folder of agent-runs): "
        "those labelled malicious teach what resembles a hijack",
    ),
]
Kafka = Annotated[str | None, typer.Option("--kafka", help="bootstrap servers, host:port[,host:port]")]
Redis = Annotated[str | None, typer.Option("--redis", help="redis://host:port/db")]
