"""What people are shown of names that others have chosen: the names, and nothing that a terminal obeys."""

import sys
from pathlib import Path

import msgspec
import pytest

from stream.cli import main
from tests.builders import CHAIN, told

HOSTILE = "[/x]\x1b[2J\x1b]0;t\x07\r\n     0  command  \u202efake\x9b31m[red]"
"""Closes a mark-up nobody opened, clears a screen, begins a line, turns words round."""


@pytest.mark.slow
def test_names_are_shown_and_obeyed_by_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who is watched chooses them: the screen of whoever watches is not theirs."""
    file, base = str(tmp_path / "f.ndjson"), str(tmp_path / "b [x].json")
    named = {name: f"{name}{HOSTILE}" for name in ("session", "workflow", "agent", "agent_role", "target")}
    events = told(CHAIN, **named) + told("D@0", session="calm", workflow="w", agent_role=HOSTILE)
    Path(file).write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    for words in (
        ["train", file, "--out", base],
        ["check", "--baseline", base],
        ["score", file, "--baseline", base],
        ["evaluate", file, "--baseline", base],
        ["replay", file],
        ["backtest", file],
        ["explain", file, "--session", named["session"]],
        ["explain", file, "--session", "no"],
    ):
        monkeypatch.setattr(sys, "argv", ["chainbrake", *words])
        try:
            main()
        except SystemExit as left:
            assert left.code in (0, None) or words[-1] == "no"  # noqa: PT017 - how a command ends
        shown = "".join(capsys.readouterr())
        assert not set("\x1b\x07\x9b\r\u202e").intersection(shown), words
        assert not [line for line in shown.splitlines() if line.startswith("     0  command  ")]
        if words[0] == "train":
            assert "too few sessions to call one odd: 1 taught" in shown
        if words[0] in ("score", "replay", "explain"):
            assert "session[/x]\\x1b[2J" in shown, words
