"""What a command prints that reads topics back, where the records on them are made up."""

import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import pytest

from stream.cli import main


def printed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: ModuleType,
    topics: Mapping[str, Sequence[Any]],
    *arguments: str,
) -> str:
    """Standard output of `chainbrake …`. Those that ask a real broker are among the tests on servers."""
    monkeypatch.setattr(command, "since", lambda _settings, topic, _since_ms: topics[topic])
    monkeypatch.setattr(sys, "argv", ["chainbrake", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    return capsys.readouterr().out
