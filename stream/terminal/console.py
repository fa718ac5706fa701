"""Where the command line writes to."""

import os
import re
import sys
from io import TextIOWrapper
from pathlib import Path

from rich import markup
from rich.console import Console

WIDE = 160
"""Characters of a line where no terminal says how many there are: a table in a log loses no word."""


HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor, breaks its lines or turns its words round: no honest name has it."""


def escape(text: str) -> str:
    """What somebody else has written, to be shown as it is: without markup, and no command to a terminal."""
    return markup.escape(HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text))


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
