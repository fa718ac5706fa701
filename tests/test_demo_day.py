"""The demo's day, without servers, on machines of all speeds: a slow one makes no agent look like another."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from demo.__main__ import main
from demo.acts import Act, Pace
from demo.agents import AGENTS, ROGUE, Agent, identity
from demo.history import session, write_history
from demo.live import SPREAD
from demo.record import Record
from detectors.policy import Policy
from models.command import Action, Command
from stream.commands.program import app
from stream.configuration.baseline_files import load_baseline
from stream.configuration.settings import Settings
from stream.offline.replay import Replay

DAYS = 10
KILL = Command(
    id="k", action=Action.KILL_SESSION, session="s", workflow="w", agent="a", at_ms=0, seen_ms=0,
    expires_ms=1, event_id="e3", event_source="test", risk=0.9, reason="a test",
)  # fmt: skip
HOUR_MS = 3_600_000
STALLS = {"quick": (0.0, 0), "busy": (0.1, 300), "crawling": (0.3, 500)}
"""A machine: the share of calls that it keeps waiting, and for how long on average (ms)."""


def day(agent: Agent, number: int, start_ms: int, machine: str) -> Iterator[dict[str, Any]]:
    """What an agent does today, as events."""
    share, stall_ms = STALLS[machine]
    chance = Random(f"{machine}/{agent.name}/{number}")

    def waits_ms(act: Act) -> int:
        stalled = chance.expovariate(1 / stall_ms) if chance.random() < share else 0.0
        return round(stalled + (0.0 if act.together else 4 + chance.expovariate(1 / (1 + stall_ms / 10))))

    acts = agent.today(Pace(Random(f"1/{agent.name}/today"), SPREAD))
    return session(identity(agent, f"today-{number}"), acts, waits_ms, start_ms)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demo learns."""
    folder = tmp_path_factory.mktemp("past")
    write_history(folder / "history.ndjson", 1, int(time.time() * 1000) - 24 * HOUR_MS)
    arguments = ["train", str(folder / "history.ndjson"), "--out", str(folder / "made.json")]
    made = CliRunner().invoke(app, arguments)
    assert made.exit_code == 0, made.output
    return folder / "made.json"


@pytest.mark.slow
@pytest.mark.parametrize("machine", STALLS)
def test_exactly_the_rogue_is_stopped_on_a_machine_of_any_speed(baseline: Path, machine: str) -> None:
    """No command of any kind names an honest agent, so that none of its calls is refused."""
    start_ms = int(time.time() * 1000)
    lines = [
        msgspec.json.encode(event)
        for number in range(DAYS)
        for agent in AGENTS
        for event in day(agent, number, start_ms + number * HOUR_MS, machine)
    ]
    replay = Replay(Policy(), load_baseline(Settings(baseline=str(baseline))))
    commands = [row for row in replay.rows(lines) if row["kind"] == "command"]
    assert {row["agent"] for row in commands} == {f"agent/{ROGUE.name}"}
    assert Counter(row["action"] for row in commands)["kill_session"] == DAYS


def test_a_seed_that_is_no_number_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is started for it."""
    monkeypatch.setenv("DEMO_SEED", "abc")
    assert main() == 2
    assert "DEMO_SEED is 'abc'" in capsys.readouterr().err


def test_the_chain_is_shown_as_it_was_done() -> None:
    """The command lists its evidence by finding, the surest first."""
    record, acts = Record("today"), list(ROGUE.today(Pace(Random("1"), SPREAD)))
    record.events = {f"e{number}": act for number, act in enumerate(acts)}
    kill = replace(KILL, evidence=("e3", "e0", "e2", "unheard of"))
    assert record.chain(kill) == [acts[0], acts[2], acts[3]]
