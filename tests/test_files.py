"""What users have is read as they have it: folders, lists, wide objects; what cannot be, is named."""

import gzip
import json
from pathlib import Path

import pytest

from models.errors import InputError
from stream.recordings.files import WIDE_BYTES_MAX, lines
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
    assert [json.loads(line)["file"] for line in lines([str(tmp_path)])] == ["a", "c", "b"]
    assert files_of(["one", "-"]) == ["one", "-"]


def test_a_folder_without_logs_is_named(tmp_path: Path) -> None:
    """With what is looked for."""
    with pytest.raises(InputError, match=r"no file in it ends in \.json"):
        list(lines([str(tmp_path)]))


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
    assert [json.loads(line) for line in lines([str(path)])] == RECORDS


def test_what_is_broken_comes_as_it_is_and_bounded(tmp_path: Path) -> None:
    """Line by line, for the dead letters; a wide text without end is refused by name."""
    path = tmp_path / "broken.json"
    path.write_text('[{"a": 1},\n {"b": \n' + "x" * 200)
    assert list(lines([str(path)], 100)) == [b'[{"a": 1},', b' {"b": ', b"x" * 101]
    path.write_text("[" * 20_000)
    assert list(lines([str(path)], 100)) == [b"[" * 101]
    path.write_bytes(b"{\n" + b" " * WIDE_BYTES_MAX)
    with pytest.raises(InputError, match="not one record a line"):
        list(lines([str(path)]))
