"""Where the command line writes to."""

import os
import sys

from rich.console import Console

WIDE = 160
"""Characters of a line where no terminal says how many there are: a table in a log loses no word."""

out = Console(
    highlight=False,
    soft_wrap=True,
    width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE,
)
errors = Console(stderr=True, highlight=False, soft_wrap=True)
