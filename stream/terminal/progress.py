"""How far a command is: a bar on a person's terminal, and nothing where a program reads."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from stream.recordings.folders import files_of

STANDARD_INPUT = "-"


class Bar:
    """A bar that nobody sees: what reads tells it how far it is, whether anybody looks or not."""

    def more(self, amount: int) -> None:
        """So much more is to be read: bytes of files, records of a topic."""

    def on(self, amount: int) -> None:
        """So much more was read."""


SILENT = Bar()


class ShownBar(Bar):
    """A bar on a terminal. Once everything was read it says so, and keeps moving while results are made."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._total = self._done = 0

    def more(self, amount: int) -> None:
        """See `Bar.more`."""
        self._total += amount
        self._progress.update(self._task, total=self._total)

    def on(self, amount: int) -> None:
        """See `Bar.on`."""
        self._done += amount
        if 0 < self._total <= self._done:
            self._progress.update(self._task, description="working on it", total=None)
        else:
            self._progress.update(self._task, description="reading", completed=self._done, total=self._total)


@contextmanager
def progress(paths: list[str], *, shown: bool = True) -> Iterator[Bar]:
    """A bar for these inputs, as long as the block lasts: on standard error, if that is a terminal.

    Never for standard input, whose length nobody knows. `shown` is False where only a program reads.
    """
    console = Console(stderr=True)
    if not shown or not console.is_terminal or STANDARD_INPUT in paths:
        yield SILENT
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    mixed = sys.stdout.isatty()  # else what is printed goes where it was sent, past the bar
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=mixed, redirect_stderr=mixed
    ) as display:
        bar = ShownBar(display, display.add_task("reading", total=None))
        bar.more(sum(size(path) for path in files_of(paths)))
        yield bar


def size(path: str) -> int:
    """Bytes of a file; none of what is no file."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0
