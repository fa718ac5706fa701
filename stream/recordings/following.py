"""A file that grows, line by line: whole lines only, through rotation and truncation."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from models.errors import InputError
from stream.recordings.files import GZIP_MAGIC, MARK

PAUSE_S = 0.2
CHUNK_BYTES = 1_048_576


def followed(path: str, bytes_max: int, waited: Callable[[], object]) -> Iterator[bytes]:
    """Every line there is and every line that comes, without its end; it never ends by itself.

    A line beyond `bytes_max` comes cut to one byte more than that. `waited` is called before each pause. A
    file that is renamed is read to its end, then the new one of its name; one that is cut is begun again.
    Raises `InputError` for a file that is not there at first.
    """
    place = Path(path)
    while True:
        try:
            with place.open("rb") as stream:
                yield from _grown(place, stream, bytes_max, waited)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error


def _grown(place: Path, stream: IO[bytes], bytes_max: int, waited: Callable[[], object]) -> Iterator[bytes]:
    rest = stream.read(len(MARK)).removeprefix(MARK)
    if rest.startswith(GZIP_MAGIC):
        raise InputError(f"{place}: packed by gzip; only text is followed, line by line as it grows")
    while True:
        chunk = stream.read(CHUNK_BYTES)
        if chunk:
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line.rstrip(b"\r")[: bytes_max + 1] for line in whole)
            rest = rest[: bytes_max + 1]
            continue
        waited()
        time.sleep(PAUSE_S)
        if _replaced(place, stream):
            if rest:
                yield rest
            return


def _replaced(place: Path, stream: IO[bytes]) -> bool:
    """Whether the name leads to another file by now, or the file was cut."""
    try:
        now, then = place.stat(), os.fstat(stream.fileno())
    except FileNotFoundError:
        return False  # between the renaming and the new one
    return (now.st_dev, now.st_ino) != (then.st_dev, then.st_ino) or now.st_size < stream.tell()
