"""Backtests: what fired and when, and how well, against labels."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from models.errors import InputError
from models.event import AnyEvent
from stream.backtest import ANY, Score, read_labels
from stream.cli import app
from tests.builders import told

CHAIN = """
name: mine
title: looked up, then granted
steps: [{id: look, class: discovery}, {id: grant, class: privilege_change}]
within: 1m
"""


def recorded(folder: Path, name: str, events: list[AnyEvent]) -> str:
    """A file of these events."""
    path = folder / name
    path.write_bytes(b"\n".join(msgspec.json.encode(event) for event in events))
    return str(path)


def test_it_tells_what_fired_when_and_how_well(tmp_path: Path) -> None:
    """Two that should and one that should not; one is missed and one is wrong."""
    (tmp_path / "mine.yaml").write_text(CHAIN)
    files = [
        recorded(tmp_path, "hit.ndjson", told("D@0 X@1 V@30")),
        recorded(tmp_path, "missed.ndjson", told("D@0 V@90")),
        recorded(tmp_path, "wrong.ndjson", told("D@0 V@10")),
        recorded(tmp_path, "quiet.ndjson", told("X@0 X@10")),
    ]
    labels = tmp_path / "labels.yaml"
    labels.write_text("hit.ndjson: [mine]\nmissed.ndjson: [mine]\nwrong.ndjson: none\nquiet.ndjson: none\n")
    options = ["--chains", str(tmp_path / "mine.yaml"), "--labels", str(labels)]
    result = CliRunner().invoke(app, ["backtest", *files, *options])
    assert result.exit_code == 0, result.output
    rows = {line.split("│")[1].strip(): [cell.strip() for cell in line.split("│")[2:5]]
            for line in result.output.splitlines() if line.startswith("│")}  # fmt: skip
    assert rows["mine"] == ["2", "0.500", "0.500"]
    assert "4 recordings, 9 events" in result.output
    assert "       2  mine  1 findings, first at 1790000030000" in result.output


def test_scores_without_anything_to_score_are_none() -> None:
    """Not 0, and not 1."""
    assert Score().precision is None
    assert Score(missed=1).precision is None
    assert Score(missed=1).recall == 0.0
    assert Score(right=3, wrong=1).precision == 0.75


@pytest.mark.parametrize("content", ["a: 1", "- a", "a: [1]", "["])
def test_labels_that_cannot_be_read_are_a_mistake(tmp_path: Path, content: str) -> None:
    """And what is valid is said."""
    path = tmp_path / "labels.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match="valid is `file: none`"):
        read_labels(str(path))
    path.write_text(f"a: {ANY}")
    assert read_labels(str(path)) == {"a": ANY}
