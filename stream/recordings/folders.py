"""Folders of log files, as buckets are copied: the files in them, in the order of their dates."""

import re
from pathlib import Path

from models.errors import InputError

SUFFIXES = (".json", ".ndjson", ".jsonl", ".log", ".gz", ".parquet")
DATED = re.compile(r"(?<!\d)20\d{6}T?\d{0,6}")
"""A date in a file's name, such as `…_us-east-1_20261116T0530Z_….json.gz`."""
DIGESTS = "CloudTrail-Digest"
"""Beside the trail: checksums of it, no records."""


def files_of(paths: list[str]) -> list[str]:
    """The paths, each folder replaced by the log files anywhere in it.

    By the date in their names, so that regions and accounts come side by side; else by path. Raises
    `InputError` for a folder without any, and for an empty path: a variable that was not set is not the
    folder in which somebody stands.
    """
    if "" in paths:
        raise InputError("'' names no file")
    return [file for path in paths for file in (_within(path) if Path(path).is_dir() else [path])]


def _within(folder: str) -> list[str]:
    found = [path for path in Path(folder).rglob("*") if _is_log(path.relative_to(folder)) and path.is_file()]
    if not found:
        raise InputError(f"{folder}: no file in it ends in {', '.join(SUFFIXES)}")
    return [str(path) for path in sorted(found, key=_order)]


def _is_log(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return path.name.endswith(SUFFIXES) and not hidden and DIGESTS not in str(path)


def _order(path: Path) -> tuple[str, str]:
    dated = DATED.search(path.name)
    return (dated[0] if dated else "", str(path))
