"""Scenarios with known outcomes (../shared/data/scenarios), as from outside; skipped where absent."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from detectors.policy import Policy
from models.baselines.baseline import Baseline, read_artifact
from models.command import STOPS
from models.registry import Registry, read_registry
from stream.learning.scenarios import recordings
from stream.learning.training import train_recorded
from stream.offline.replay import Replay
from tests.builders import SIGNER, TRUSTED

FOLDERS = [folder / "shared" / "data" / "scenarios" for folder in Path(__file__).parents[2:]]
FOLDER = next((folder for folder in FOLDERS if folder.is_dir()), None)

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(FOLDER is None, reason="needs ../shared/data/scenarios beside the repository"),
]
RIGHT_MIN = 0.96
"""Of the dangerous runs, those that must be stopped in time, with baselines from the past."""


@cache
def registry() -> Registry:
    """What the deployment has configured."""
    assert FOLDER is not None
    path = FOLDER / "registry.json"
    return read_registry(path.read_bytes(), path)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Baseline:
    """Learned from the fortnight before."""
    assert FOLDER is not None
    out = tmp_path_factory.mktemp("trained") / "baseline.json"
    files = sorted(str(path) for path in (FOLDER / "history").glob("*.ndjson.gz"))
    train_recorded(recordings("scenario", files, Policy(), registry()), Policy(), out, SIGNER)
    return read_artifact(out.read_bytes(), out, TRUSTED)


def scenarios(*kinds: str) -> list[dict[str, Any]]:
    """The index's entries of these kinds."""
    assert FOLDER is not None
    listed = json.loads((FOLDER / "index.json").read_bytes())
    return [scenario for scenario in listed if scenario["kind"] in kinds]


def commands(scenario: dict[str, Any], baseline: Baseline | None) -> list[dict[str, Any]]:
    """What was ordered, in order."""
    assert FOLDER is not None
    replay = Replay(Policy(), baseline, "scenario", registry())
    with gzip.open(FOLDER / scenario["file"]) as lines:
        rows = list(replay.rows(line.rstrip(b"\n") for line in lines))
    return [row for row in rows if row["kind"] == "command"]


def named(entries: object) -> set[str]:
    """Every id in a part of the index."""
    match entries:
        case {"id": str(name)}:
            return {name}
        case dict():
            return {name for entry in entries.values() for name in named(entry)}
        case list():
            return {name for entry in entries for name in named(entry)}
        case str():
            return {entries}
    return set()


def test_no_benign_run_is_stopped(baseline: Baseline) -> None:
    """Every gain on dangerous chains is worth nothing if an honest job is cut off."""
    stopped = [
        (scenario["id"], command["action"], command["reason"])
        for scenario in scenarios("benign")
        for command in commands(scenario, baseline)
        if command["action"] in STOPS
    ]
    assert stopped == []


def test_no_benign_run_is_stopped_before_anything_was_learned() -> None:
    """A first day without a baseline stops no honest job either."""
    stopped = [
        (scenario["id"], command["action"], command["reason"])
        for scenario in scenarios("benign")
        for command in commands(scenario, None)
        if command["action"] in STOPS
    ]
    assert stopped == []


def test_dangerous_runs_are_stopped_in_time_and_no_bystander_is_named(baseline: Baseline) -> None:
    """The weakest acceptable action on what must be named, in time, and not before it is fair."""
    weight = {"observe": 0, "step_up": 1, "read_only": 1, "kill_session": 2, "revoke_token": 3}
    right, every = 0, scenarios("malicious", "twin")
    for scenario in every:
        expect = scenario["expect"]
        must, never = named(expect["act_on"]["must_name"]), named(expect["never"])
        ordered = commands(scenario, baseline)
        stops = [command for command in ordered if command["action"] in STOPS]
        bystanders = {each for stop in stops for each in (stop["session"], stop["credential"])} & never
        assert not bystanders, scenario["id"]
        fitting = [
            command["input_index"]
            for command in ordered
            if weight.get(command["action"], 3) >= weight[expect["action"]]
            and {command["session"], command["agent"], command["workflow"], command["credential"]} & must
        ]
        early = any(
            stop["input_index"] < expect["earliest_fair"] and {stop["session"], stop["credential"]} & must
            for stop in stops
        )
        right += bool(fitting) and min(fitting) <= expect["decide_by"] and not early
    assert right >= RIGHT_MIN * len(every), f"{right} of {len(every)}"
