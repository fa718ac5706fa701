"""A bar for people, and nothing for programs."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from stream.recordings.files import Lines
from stream.terminal.progress import Bar, progress, size
from tests.builders import CHAIN, told

CHAINBRAKE = str(Path(sys.executable).with_name("chainbrake"))


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A file with the chain in it."""
    path = tmp_path / "chain.ndjson"
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in told(CHAIN)))
    return path


def at_a_terminal(*arguments: str | Path) -> tuple[bytes, bytes]:
    """Standard output, which is piped, and what appears on the terminal that standard error is."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [CHAINBRAKE, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    ) as process:
        os.close(theirs)
        out, _ = process.communicate(timeout=60)
    seen = b""
    while True:
        try:
            chunk = os.read(ours, 65_536)
        except OSError:  # the last writer has gone
            break
        if not chunk:
            break
        seen += chunk
    os.close(ours)
    assert process.returncode == 0, (out, seen)
    return out, seen


@pytest.mark.slow
def test_on_a_terminal_there_is_a_bar_and_it_stays_out_of_what_is_piped(chain: Path) -> None:
    """What goes to a file is the same to the byte."""
    out, seen = at_a_terminal("replay", chain)
    piped = subprocess.run([CHAINBRAKE, "replay", str(chain)], capture_output=True, check=True)
    assert b"working on it" in seen or b"reading" in seen
    assert out == piped.stdout
    assert piped.stderr == b""


@pytest.mark.slow
def test_where_a_program_reads_there_is_none(chain: Path) -> None:
    """Not even on a terminal."""
    out, seen = at_a_terminal("replay", "--json", chain)
    assert seen == b""
    assert out.count(b"\n") == 4


class Counting(Bar):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[int] = []

    def on(self, amount: int) -> None:
        """See `Bar.on`."""
        self.told.append(amount)


def test_it_is_told_every_byte_and_seldom(tmp_path: Path) -> None:
    """Once in thousands of lines: nothing per line worth noting."""
    path = tmp_path / "many.ndjson"
    path.write_bytes(b"{}\n" * 50_000)
    bar = Counting()
    assert sum(1 for _ in Lines([str(path)], bar=bar)) == 50_000
    assert sum(bar.told) == size(str(path)) == 150_000
    assert len(bar.told) < 20


def test_without_a_terminal_nothing_is_shown(capfd: pytest.CaptureFixture[str], chain: Path) -> None:
    """Nor for standard input, whose length nobody knows."""
    for paths in ([str(chain)], ["-"]):
        with progress(paths) as bar:
            bar.on(1)
    assert capfd.readouterr() == ("", "")
