"""The command as a shell starts it: streams that are closed, full or of another alphabet."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from tests.builders import CHAIN, op, told

ROOT = Path(__file__).parent.parent
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
FULL = Path("/dev/full")


def shell(words: str, more: Mapping[str, str] | None = None) -> tuple[int, bytes, str]:
    """Exit code and what came of a line of a shell, in which CB is the command."""
    line = words.replace("CB", f"{sys.executable} -m stream.cli")
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | dict(more or {})
    ran = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=False, cwd=ROOT, env=environment)
    return ran.returncode, ran.stdout, ran.stderr.decode()


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A file with the chain in it, by an agent with a name that is not of ASCII."""
    path = tmp_path / "chain.ndjson"
    events = told(CHAIN, agent="Bücherwurm")
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    return path


@pytest.mark.slow
def test_closed_streams_are_no_traceback(chain: Path) -> None:
    """Standard output may be thrown away; of a standard input that is closed nothing can be read."""
    assert shell(f"CB replay {chain} >&-") == (0, b"", "")
    assert shell("CB replay - <&-") == (2, b"", "error: -: standard input is closed\n")
    code, said, _ = shell(f"CB replay {chain} --json 2>&-")
    assert (code, json.loads(said.splitlines()[-1])["events"]) == (0, 4)


@pytest.mark.slow
@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", ["replay CHAIN", "replay CHAIN --json", "schema", "check --print"])
def test_a_full_disk_behind_standard_output_is_told_in_one_line(chain: Path, words: str) -> None:
    """Whether it shows while something is written or at the end: what was asked for is not there."""
    code, _, said = shell(f"CB {words.replace('CHAIN', str(chain))} >/dev/full")
    assert (code, said) == (2, "error: standard output: No space left on device\n")


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_error(chain: Path) -> None:
    """`| head`: nothing is said."""
    _, said, errors = shell(f"CB replay {chain} {chain} {chain} | head -1")
    assert (len(said.splitlines()), errors) == (1, "")


@pytest.mark.slow
def test_another_alphabet_ends_nothing(chain: Path) -> None:
    """Help and findings are told in whatever letters there are; what a program reads is always UTF-8."""
    assert shell("CB replay --help", ASCII)[0] == 0
    code, said, _ = shell(f"CB replay {chain} --json", ASCII)
    assert code == 0
    assert json.loads(said.decode().splitlines()[0])["agent"] == "Bücherwurm"


@pytest.mark.slow
def test_what_came_before_a_file_breaks_off_is_judged_and_counted(chain: Path, tmp_path: Path) -> None:
    """A download that was cut may hold what is looked for, and the summary says how much there was."""
    more = (op("D", at, session="other") for at in range(1_000, 2_000))
    whole = chain.read_bytes() + b"".join(msgspec.json.encode(event) + b"\n" for event in more)
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(whole)[:-4_000])
    told_so = f"error: {cut}: Compressed file ended before the end-of-stream marker was reached\n"
    code, said, errors = shell(f"CB replay {cut} --json")
    rows = [json.loads(line) for line in said.splitlines()]
    assert (code, errors) == (2, told_so)
    assert "command" in {row["kind"] for row in rows}
    assert rows[-1]["kind"] == "summary"
    assert 0 < rows[-1]["events"] < 1_000
    code, said, errors = shell(f"CB replay {cut}")
    assert (code, errors) == (2, told_so)
    assert f"events           {rows[-1]['events']}" in said.decode()


@pytest.mark.slow
def test_a_file_of_which_nothing_can_be_read_has_no_summary(tmp_path: Path) -> None:
    """Nothing was judged, so nothing is counted."""
    code, said, _ = shell(f"CB replay {tmp_path / 'missing'} --json")
    assert (code, said) == (2, b"")


INTERRUPTED = """
import sys

class Impatient:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Impatient())
from stream.cli import main
main()
"""


@pytest.mark.slow
def test_ctrl_c_while_the_command_is_loaded_ends_it_quietly() -> None:
    """With the code that shells know it by, as later; a traceback would look like a fault of ours."""
    command = [sys.executable, "-c", INTERRUPTED]
    ran = subprocess.run(command, capture_output=True, check=False, cwd=ROOT)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, b"", b"")
