"""Where the command line writes to."""

import os
import sys
from io import TextIOWrapper
from pathlib import Path

from rich.console import Console

WIDE = 160
"""Characters of a line where no terminal says how many there are: a table in a log loses no word."""


def _usable() -> None:
    """Closed streams swallow what is written; what a program reads is UTF-8; no letter is an error."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - to the end
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
            if name == "stdout" and not stream.isatty():
                stream.reconfigure(encoding="utf-8")


_usable()
out = Console(
    highlight=False,
    soft_wrap=True,
    width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE,
)
errors = Console(stderr=True, highlight=False, soft_wrap=True)
