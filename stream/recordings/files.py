"""The one place that turns an argument into lines: NDJSON, plain or gzip, Parquet, a range of a topic, stdin.

What was written to be looked at, objects over many lines or one list of them, is taken apart into lines.
What a command makes is written here, too: whole or not at all.
"""

import gzip
import os
import sys
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from errno import EACCES
from io import BufferedReader
from json import JSONDecoder
from pathlib import Path
from typing import IO, cast
from uuid import uuid4

import msgspec

from models.errors import InputError
from models.event import EVENT_BYTES_MAX
from stream.recordings import parquet, topic_range
from stream.recordings.folders import files_of
from stream.terminal.progress import SILENT, STANDARD_INPUT, Bar, size

GZIP_MAGIC = b"\x1f\x8b"
BEGINS = 4
"""So many bytes tell what a file is."""
MARK = b"\xef\xbb\xbf"
"""Editors and consoles of Windows begin a text in UTF-8 with it; it belongs to no line."""
NOT_READ = {
    b"\xff\xfe": "text in UTF-16: iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "text in UTF-16: iconv -f UTF-16 -t UTF-8",
    b"\x28\xb5\x2f\xfd": "packed by zstd: zstd -d",
    b"BZh": "packed by bzip2: bunzip2",
    b"\xfd7zX": "packed by xz: unxz",
    b"PK\x03\x04": "a zip archive: unzip",
}
"""How a file begins that is not read as it is; what it is, and what makes it readable."""
EVERY = 4096
OPEN = (b"{", b"[")
"""A line that is no record: an object or a list begins here, and ends on a later one."""
WIDE_BYTES_MAX = 16_777_216
_json = JSONDecoder()


class Lines:
    """Every line of every input, in order, without its end; a blank line is a line, a folder all its files.

    A line beyond `bytes_max` comes cut to one byte more than that, which readers refuse: memory
    stays bounded whatever the input holds.
    """

    def __init__(self, paths: list[str], bytes_max: int = EVENT_BYTES_MAX, bar: Bar = SILENT) -> None:
        self._paths, self._bytes_max, self._bar = paths, bytes_max, bar
        self._inputs: list[str] = []
        self._begins: list[int] = []
        """Of each input that was begun, how many lines came before it."""

    def __iter__(self) -> Iterator[bytes]:
        """Raises `InputError` for an input that cannot be read."""
        begins, bar = 0, self._bar
        for path in files_of(self._paths):
            self._inputs.append(path)
            self._begins.append(begins)
            with _opened(path, self._bytes_max, bar) as (content, place):
                before = count = 0
                for count, line in enumerate(content, 1):
                    if count % EVERY == 0:
                        before, last = place(), before
                        bar.on(before - last)
                    yield line
                bar.on(place() - before)
            begins += count

    def place(self, index: int) -> tuple[str, int]:
        """The input of the so-manieth line of all, which came already, and its number there; both from 0."""
        which = bisect_right(self._begins, index) - 1
        return self._inputs[which], index - self._begins[which]


class Unbroken:
    """Lines up to where an input breaks off: what came before it counts, and what broke it is kept.

    Raises `InputError` itself where there was nothing before.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.lines = lines
        self._broken: InputError | None = None

    def __iter__(self) -> Iterator[bytes]:
        """They end as if that were all."""
        came = False
        try:
            for line in self.lines:
                came = True
                yield line
        except InputError as error:
            if not came:
                raise
            self._broken = error

    def complain(self) -> None:
        """Raises what broke it, once the rest is told."""
        if self._broken is not None:
            raise self._broken


def write_whole(path: Path, *parts: bytes) -> None:
    """Write the parts in their order; nobody ever meets half of the file.

    Raises `InputError` if it cannot be written.
    """
    require_place(path)
    temporary = path.with_name(f".{uuid4().hex[:12]}.part")  # its own: another run may write here, too
    try:
        try:
            with temporary.open("wb") as file:
                file.writelines(parts)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def require_place(path: Path) -> None:
    """Raises `InputError` where no file can be written: to be asked before hours of work, not after.

    What is there and is no file, such as a device, is not to be replaced by one.
    """
    if path.name in ("", STANDARD_INPUT):
        raise InputError(f"{str(path)!r} names no file to write")
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: is there, and is no file")
        if not path.parent.is_dir():
            raise InputError(f"{path}: there is no folder {path.parent}")
        if not os.access(path.parent, os.W_OK):
            raise InputError(f"{path}: {os.strerror(EACCES)}")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def _bounded(stream: IO[bytes], path: str, bytes_max: int) -> Iterator[bytes]:
    """Lines of one file, or what stands for them."""
    try:
        line = stream.readline(bytes_max + 2).removeprefix(MARK)
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
def _opened(path: str, bytes_max: int, bar: Bar) -> Iterator[tuple[Iterator[bytes], Callable[[], int]]]:
    """The lines of one input, and how far they were read, as the bar counts."""
    if path == STANDARD_INPUT:
        yield _bounded(_standard_input(), path, bytes_max), int
        return
    if topic_range.named(path):
        with topic_range.opened(path) as records:
            bar.more(records.total)
            yield (line[: bytes_max + 1] for line in records), lambda: records.done
        return
    try:
        raw = Path(path).open("rb")  # noqa: SIM115 - closed below, after the reader is done
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    with raw:
        begins = _beginning(raw, path)
        place = raw.tell if raw.seekable() else int  # a pipe has a name here, and no length
        if begins == parquet.MAGIC:
            rows = parquet.Rows(path, bytes_max, size(path))
            yield iter(rows), lambda: rows.done
        elif begins.startswith(GZIP_MAGIC):
            with gzip.GzipFile(fileobj=raw) as stream:
                yield _bounded(stream, path, bytes_max), place  # type: ignore[arg-type]  # reads like a file
        else:
            yield _bounded(raw, path, bytes_max), place


def _standard_input() -> IO[bytes]:
    """What comes through a pipe, unpacked if it is packed. Raises `InputError`."""
    if sys.stdin is None:  # whoever started us has closed it
        raise InputError(f"{STANDARD_INPUT}: standard input is closed")
    stream = cast("BufferedReader", sys.stdin.buffer)
    begins = _beginning(stream, STANDARD_INPUT)
    return gzip.GzipFile(fileobj=stream) if begins.startswith(GZIP_MAGIC) else stream  # type: ignore[return-value]


def _beginning(stream: BufferedReader, path: str) -> bytes:
    """The first bytes of what is about to be read; they stay to be read. Raises `InputError`."""
    try:
        begins = stream.peek(BEGINS)[:BEGINS]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    for magic, what in NOT_READ.items():
        if begins.startswith(magic):
            raise InputError(f"{path}: {what}, then give it what comes of that")
    return begins
