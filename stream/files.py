"""Recorded events in files: NDJSON, plain or gzip, or standard input; line by line, with a progress bar.

What was written to be looked at, objects over many lines or one list of them, is taken apart into lines.
"""

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecoder
from pathlib import Path
from typing import IO

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from models.errors import InputError
from models.event import EVENT_BYTES_MAX
from stream.folders import files_of

STANDARD_INPUT = "-"
GZIP_MAGIC = b"\x1f\x8b"
EVERY = 4096
OPEN = (b"{", b"[")
"""A line that is no record: an object or a list begins here, and ends on a later one."""
WIDE_BYTES_MAX = 16_777_216
_json = JSONDecoder()


def lines(paths: list[str], bytes_max: int = EVENT_BYTES_MAX) -> Iterator[bytes]:
    """Every line of every file, in order, without its end; a blank line is a line, a folder all its files.

    A line beyond `bytes_max` comes cut to one byte more than that, which readers refuse: memory
    stays bounded whatever the file holds. Raises `InputError` for a file that cannot be read.
    """
    paths = files_of(paths)
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
    """Lines of one file, or what stands for them."""
    try:
        line = stream.readline(bytes_max + 2)
        if line.strip() in OPEN or line.lstrip().startswith(b"["):
            yield from (each[: bytes_max + 1] for each in _written_wide(line, stream, path))
            return
        while line:
            if not line.endswith(b"\n") and len(line) > bytes_max:
                while (rest := stream.readline(bytes_max)) and not rest.endswith(b"\n"):
                    pass
            yield line.rstrip(b"\r\n")
            line = stream.readline(bytes_max + 2)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: {error}") from error


def _written_wide(first: bytes, stream: IO[bytes], path: str) -> Iterator[bytes]:
    """Each object of a text in which one fills many lines, and each of a list."""
    whole = first + stream.read(WIDE_BYTES_MAX + 1)
    if len(whole) > WIDE_BYTES_MAX:
        raise InputError(f"{path}: over {WIDE_BYTES_MAX} bytes, and not one record a line: try jq -c on it")
    text, at = whole.decode(errors="replace").strip(), 0
    while at < len(text):
        try:
            value, end = _json.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield from (line.encode() for line in text[at:].splitlines())
            return
        each = value if isinstance(value, list) else [value]
        yield from map(msgspec.json.encode, each)
        at = end + len(text[end:]) - len(text[end:].lstrip())


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
