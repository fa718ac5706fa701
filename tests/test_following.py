"""What is sent from files: one that grows, line by line, and one that breaks off."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import pytest

from models.errors import InputError
from models.registry import EMPTY
from stream.configuration.settings import Settings
from stream.ingest.sending import Ingest
from stream.recordings import following
from stream.recordings.following import followed

BYTES_MAX = 50


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAUSE_S", 0.0)


class Grower:
    """Does the next thing to a file each time its reader waits; ends the reading after the last."""

    def __init__(self, *steps: object) -> None:
        self.steps = list(steps)

    def __call__(self) -> None:
        """The reader waits."""
        if not self.steps:
            raise StopFollowing
        step = self.steps.pop(0)
        if callable(step):
            step()


class StopFollowing(Exception):  # noqa: N818 - an end, no error
    """Nothing more happens to the file."""


def read(path: Path, *steps: object) -> list[bytes]:
    """Every line, while `steps` happen one after the other."""

    def all_lines() -> Iterator[bytes]:
        try:
            yield from followed(str(path), BYTES_MAX, Grower(*steps))
        except StopFollowing:
            return

    return list(all_lines())


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    """A writer may be in the middle of a line; a blank line is a line."""
    path = tmp_path / "log"
    path.write_bytes(b"one\r\ntw")

    def grow() -> None:
        with path.open("ab") as stream:
            stream.write(b"o\n\nthree\n")

    assert read(path, None, grow, None) == [b"one", b"two", b"", b"three"]


def test_a_renamed_file_is_read_to_its_end_and_then_the_new_one(tmp_path: Path) -> None:
    """What is written between the last look and the renaming is not lost."""
    path = tmp_path / "log"
    path.write_bytes(b"one\n")

    def rotate() -> None:
        with path.open("ab") as stream:
            stream.write(b"last words")
        path.rename(tmp_path / "log.1")

    assert read(path, rotate, lambda: path.write_bytes(b"two\n"), None) == [b"one", b"last words", b"two"]


def test_a_file_that_was_cut_is_begun_again(tmp_path: Path) -> None:
    """`> log` in a shell: what comes next is at its beginning."""
    path = tmp_path / "log"
    path.write_bytes(b"a long first line\n")
    assert read(path, lambda: path.write_bytes(b"new\n"), None) == [b"a long first line", b"new"]


def test_a_line_without_end_costs_no_memory(tmp_path: Path) -> None:
    """It comes cut to one byte more than is read, and readers refuse it."""
    path = tmp_path / "log"
    path.write_bytes(b"x" * 200_000 + b"\nshort\n")
    assert read(path) == [b"x" * (BYTES_MAX + 1), b"short"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Nobody waits for a misspelt name."""
    with pytest.raises(InputError, match="missing: No such file"):
        read(tmp_path / "missing")


def test_the_mark_of_windows_belongs_to_no_line(tmp_path: Path) -> None:
    """It is at the beginning of the file, of the new one, too."""
    path = tmp_path / "log"
    path.write_bytes(b"\xef\xbb\xbfone\n")

    def rotate() -> None:
        path.rename(tmp_path / "log.1")
        path.write_bytes(b"\xef\xbb\xbftwo\n")

    assert read(path, rotate, None) == [b"one", b"two"]


def test_a_packed_file_is_refused(tmp_path: Path) -> None:
    """Its bytes would be dead letters for as long as it grows."""
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(b"one\n"))
    with pytest.raises(InputError, match="only text is followed"):
        read(path)


class _Nowhere:
    """Takes everything, and has it at once."""

    def __init__(self, *_: object) -> None:
        self.sent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def know(self, _topic: str) -> None: ...

    def send(self, _record: object) -> SimpleNamespace:
        self.sent += 1
        return SimpleNamespace(get=lambda timeout: timeout)


def test_an_input_that_breaks_off_is_sent_as_far_as_it_goes_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went out is counted: whoever runs it again knows that it was not all."""
    monkeypatch.setattr("stream.ingest.sending.Publisher", _Nowhere)
    records = b"".join(b'{"no": %d}\n' % number for number in range(4_000))
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(records)[:-3_000])
    ingest = Ingest(Settings(), EMPTY)
    ingest.run("okta.system_log", [str(cut)], follow=False)
    assert 0 < ingest.counted["lines"] == ingest.counted["dead letters"] < 4_000
    assert ingest.read is not None
    with pytest.raises(InputError, match="ended before"):
        ingest.read.complain()
