"""Options that several commands share, as Typer reads them; how each is called is decided here alone."""

from typing import Annotated

import typer

Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE…", help="NDJSON or other JSON, .gz too; a folder; - for standard input"),
]
Recordings = Annotated[
    list[str], typer.Argument(metavar="FILE…", help="files, or folders, of the format that --source names")
]
PolicyPath = Annotated[str | None, typer.Option("--policy", help="policy file (YAML)")]
BaselinePath = Annotated[str | None, typer.Option("--baseline", help="baseline made by `chainbrake train`")]
RegistryPath = Annotated[str | None, typer.Option("--registry", help="registry file (YAML or JSON)")]
ChainsPath = Annotated[str | None, typer.Option("--chains", help="chain file, or folder of them (YAML)")]
SigmaPath = Annotated[str | None, typer.Option("--sigma", help="Sigma rules: a file, or a folder of them")]
SourceName = Annotated[
    str,
    typer.Option("--source", help="format: events, scenario, a source; to learn: agent-runs, hdfs, too"),
]
Kafka = Annotated[str | None, typer.Option("--kafka", help="bootstrap servers, host:port[,host:port]")]
Redis = Annotated[str | None, typer.Option("--redis", help="redis://host:port/db")]
