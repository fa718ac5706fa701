"""What users have is read as they have it: folders, lists, wide objects; what cannot be, is named."""

import gzip
import json
import os
import threading
from pathlib import Path

import pytest

from models.errors import InputError
from stream.recordings.files import WIDE_BYTES_MAX, Lines, write_whole
from stream.recordings.folders import files_of


def test_a_copied_bucket_is_read_by_date_whatever_the_region(tmp_path: Path) -> None:
    """Regions side by side; checksums, hidden and other files are no records."""
    names = (
        "eu-west-1/2026/11/16/1_CloudTrail_eu-west-1_20261116T0510Z_b.json.gz",
        "eu-west-1/2026/11/16/1_CloudTrail_eu-west-1_20261116T0500Z_a.json.gz",
        "us-east-1/2026/11/16/1_CloudTrail_us-east-1_20261116T0505Z_c.json.gz",
    )
    for name in (*names, "../CloudTrail-Digest/eu-west-1/d.json.gz", ".DS_Store.json", "README"):
        path = tmp_path / "AWSLogs" / "1" / "CloudTrail" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(json.dumps({"file": path.name.removesuffix(".json.gz")[-1]}).encode()))
    assert [json.loads(line)["file"] for line in Lines([str(tmp_path)])] == ["a", "c", "b"]
    assert files_of(["one", "-"]) == ["one", "-"]


def test_a_folder_without_logs_is_named(tmp_path: Path) -> None:
    """With what is looked for."""
    with pytest.raises(InputError, match=r"no file in it ends in \.json"):
        list(Lines([str(tmp_path)]))


RECORDS = [{"a": 1}, {"b": [2, "é"]}, {"c": {}}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        "\n".join(json.dumps(record, indent=4) for record in RECORDS),
        "\n".join(map(json.dumps, RECORDS)),
        "\n".join(map(json.dumps, RECORDS)).replace("\n", "\r\n") + "\r\n",
    ],
)
def test_lists_and_wide_objects_give_a_line_a_record(tmp_path: Path, text: str) -> None:
    """As `jq`, consoles and command lines write them."""
    path = tmp_path / "file.json"
    path.write_text(text, newline="")
    assert [json.loads(line) for line in Lines([str(path)])] == RECORDS


def test_what_is_broken_comes_as_it_is_and_bounded(tmp_path: Path) -> None:
    """Line by line, for the dead letters; a wide text without end is refused by name."""
    path = tmp_path / "broken.json"
    path.write_text('[{"a": 1},\n {"b": \n' + "x" * 200)
    assert list(Lines([str(path)], 100)) == [b'[{"a": 1},', b' {"b": ', b"x" * 101]
    path.write_text("[" * 20_000)
    assert list(Lines([str(path)], 100)) == [b"[" * 101]
    path.write_bytes(b"{\n" + b" " * WIDE_BYTES_MAX)
    with pytest.raises(InputError, match="not one record a line"):
        list(Lines([str(path)]))


@pytest.mark.parametrize("packed", [False, True])
def test_the_mark_of_windows_belongs_to_no_line(tmp_path: Path, *, packed: bool) -> None:
    """The first event of an export would be lost by it; it is one of the file, wherever the text begins."""
    path = tmp_path / "export"
    for text in (b'{"a": 1}\r\n{"a": 2}\r\n', b'[\n{"a": 1},\n{"a": 2}\n]\n'):
        content = b"\xef\xbb\xbf" + text
        path.write_bytes(gzip.compress(content) if packed else content)
        assert [json.loads(line)["a"] for line in Lines([str(path)])] == [1, 2]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"a": 1}\n'.encode("utf-16"), "UTF-16: iconv"),
        ('{"a": 1}\n'.encode("utf-16-be").join([b"\xfe\xff", b""]), "UTF-16: iconv"),
        (b"\x28\xb5\x2f\xfd....", "packed by zstd"),
        (b"BZh9....", "packed by bzip2"),
        (b"\xfd7zXZ\0...", "packed by xz"),
        (b"PK\x03\x04....", "a zip archive"),
    ],
)
def test_what_is_not_read_is_named_and_no_heap_of_dead_letters(
    tmp_path: Path, content: bytes, told: str
) -> None:
    """With what makes it readable."""
    path = tmp_path / "export"
    path.write_bytes(content)
    with pytest.raises(InputError, match=told):
        list(Lines([str(path)]))


def test_a_pipe_with_a_name_is_read_packed_or_not(tmp_path: Path) -> None:
    """As a shell gives one for `<(…)`: it has no length, and nobody can go back in it."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for content in (b"one\ntwo\n", gzip.compress(b"one\ntwo\n")):
        writer = threading.Thread(target=path.write_bytes, args=(content,))
        writer.start()
        assert list(Lines([str(path)])) == [b"one", b"two"]
        writer.join()


def test_a_device_that_does_not_answer_is_an_error_and_no_traceback() -> None:
    """Where Linux has one: the first read fails, not the opening."""
    if not Path("/proc/self/mem").exists():
        pytest.skip("no such device here")
    with pytest.raises(InputError, match="/proc/self/mem: "):
        list(Lines(["/proc/self/mem"]))


def test_two_that_write_one_file_leave_one_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second begins while the first is about to put its file in place: nobody meets half of either."""
    path, replace = tmp_path / "out", Path.replace

    def meanwhile(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", replace)
        for part in tmp_path.glob("*.part"):
            assert part.read_bytes() == b"first"
        write_whole(path, b"second")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", meanwhile)
    write_whole(path, b"first")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]
    path = tmp_path / ("n" * 255)
    write_whole(path, b"third")
    assert path.read_bytes() == b"third"
