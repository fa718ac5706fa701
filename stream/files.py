"""Recorded events in files: NDJSON, plain or gzip, or standard input; line by line, with a progress bar."""

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from models.errors import InputError
from models.event import EVENT_BYTES_MAX

STANDARD_INPUT = "-"
GZIP_MAGIC = b"\x1f\x8b"
EVERY = 4096


def lines(paths: list[str], bytes_max: int = EVENT_BYTES_MAX) -> Iterator[bytes]:
    """Every line of every file, in order, without its end; a blank line is a line.

    A line beyond `bytes_max` comes cut to one byte more than that, which readers refuse: memory
    stays bounded whatever the file holds. Raises `InputError` for a file that cannot be read.
    """
    with _bar(paths) as (progress, task):
        before = 0
        for path in paths:
            with _opened(path) as (stream, raw):
                for count, line in enumerate(_bounded(stream, path, bytes_max)):
                    if count % EVERY == 0 and raw is not None:
                        progress.update(task, completed=before + raw.tell())
                    yield line
            before += _size(path)


def _bounded(stream: IO[bytes], path: str, bytes_max: int) -> Iterator[bytes]:
    try:
        while line := stream.readline(bytes_max + 2):
            if not line.endswith(b"\n") and len(line) > bytes_max:
                while (rest := stream.readline(bytes_max)) and not rest.endswith(b"\n"):
                    pass
            yield line.rstrip(b"\r\n")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: {error}") from error


@contextmanager
def _opened(path: str) -> Iterator[tuple[IO[bytes], IO[bytes] | None]]:
    """The stream of lines, and the file under it whose position tells how far we are."""
    if path == STANDARD_INPUT:
        yield sys.stdin.buffer, None
        return
    try:
        raw = Path(path).open("rb")  # noqa: SIM115 - closed below, after the reader is done
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    with raw:
        packed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=raw) as stream:
                yield stream, raw  # type: ignore[misc]  # GzipFile reads like the binary file it is
        else:
            yield raw, raw


@contextmanager
def _bar(paths: list[str]) -> Iterator[tuple[Progress, TaskID]]:
    console = Console(stderr=True)
    known = STANDARD_INPUT not in paths
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, disable=not (console.is_terminal and known), transient=True
    ) as bar:
        yield bar, bar.add_task("reading", total=sum(_size(path) for path in paths))


def _size(path: str) -> int:
    try:
        return 0 if path == STANDARD_INPUT else Path(path).stat().st_size
    except OSError:
        return 0
