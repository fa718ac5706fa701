"""Training: who teaches, and who does not."""

import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from detectors.policy import Policy
from models.baselines.baseline import read_artifact
from models.errors import InputError
from models.event import AnyEvent
from stream.learning.teaching import Recorded
from stream.learning.training import Trained, train
from tests.builders import CHAIN, SIGNER, SLOW, TRUSTED, approval, release, slow_run, told


def lines(events: list[AnyEvent]) -> list[bytes]:
    """As lines of a file."""
    return [msgspec.json.encode(event) for event in events]


def honest(count: int) -> list[AnyEvent]:
    """So many sessions, a workflow each."""
    return [event for k in range(count) for event in slow_run(f"s{k}", k, workflow=f"w{k}")]


def learned(events: list[AnyEvent], out: Path) -> Trained:
    """What training on them leaves."""
    return train(lines(events), Policy(), out, SIGNER)


def test_a_session_that_the_rules_stopped_does_not_teach(tmp_path: Path) -> None:
    """Else an attack, seen often enough, becomes normal; it is counted by reason instead."""
    rogue = told(CHAIN, session="rogue", workflow="wr", agent_role=SLOW)
    trained = learned([*honest(30), *rogue], tmp_path / "b.json")
    assert trained.roles == {SLOW: 30}
    assert trained.header.left_out == {"rules:kill_session": 1}
    content = (tmp_path / "b.json").read_bytes()
    assert b"iam:AttachRolePolicy" not in content
    assert read_artifact(content, tmp_path, TRUSTED).header.left_out == {"rules:kill_session": 1}


def test_nor_does_one_that_was_stopped_and_released(tmp_path: Path) -> None:
    """A human let it go on; whether it was normal is another question."""
    rogue = told(CHAIN, session="rogue", workflow="wr", agent_role=SLOW)
    trained = learned(
        [*honest(30), *rogue, release(100, session="rogue", workflow="wr")], tmp_path / "b.json"
    )
    assert trained.roles == {SLOW: 30}


def test_the_accomplice_that_only_looked_teaches_and_the_one_that_wrote_does_not(tmp_path: Path) -> None:
    """A stop is of the session that acted."""
    split = [
        *told("D@0 P@30", session="planner", workflow="wr", agent_role=SLOW),
        *told("S@60 V@90", session="executor", workflow="wr", agent_role=SLOW),
    ]
    assert learned([*honest(30), *split], tmp_path / "b.json").roles == {SLOW: 31}


def test_an_approved_change_teaches(tmp_path: Path) -> None:
    """It is what an honest session does."""
    granted = [approval(80, workflow="wr"), *told(CHAIN, workflow="wr", agent_role=SLOW)]
    assert learned([*honest(30), *granted], tmp_path / "b.json").roles == {SLOW: 31}


def test_a_duplicate_teaches_once(tmp_path: Path) -> None:
    """A log that was delivered twice is no evidence of twice the rate."""
    events = honest(30)
    once, twice = tmp_path / "once.json", tmp_path / "twice.json"
    learned(events, once)
    learned([event for event in events for _ in range(2)], twice)
    assert once.read_bytes() == twice.read_bytes()


def test_how_sessions_lie_among_each_other_does_not_matter(tmp_path: Path) -> None:
    """One after the other, or mixed as they come: what counts is each one's own order of arrival."""
    events = honest(30)
    apart, mixed = tmp_path / "a.json", tmp_path / "m.json"
    learned(sorted(events, key=lambda event: int(event.workflow[1:])), apart)
    place: Counter[str] = Counter()
    rank = {}
    for event in events:
        rank[event.id] = place[event.workflow]
        place[event.workflow] += 1
    learned(sorted(events, key=lambda event: rank[event.id]), mixed)
    assert json.loads(apart.read_bytes())["payload"] == json.loads(mixed.read_bytes())["payload"]


def test_a_session_is_learned_as_it_arrives(tmp_path: Path) -> None:
    """As a worker folds it: a source that lags is part of what is normal."""
    events = honest(30)
    timely, lagging = tmp_path / "t.json", tmp_path / "l.json"
    learned(events, timely)
    learned(sorted(events, key=lambda event: (int(event.workflow[1:]), -event.at_ms)), lagging)
    assert json.loads(timely.read_bytes())["payload"] != json.loads(lagging.read_bytes())["payload"]


def test_unreadable_lines_are_counted_and_skipped(tmp_path: Path) -> None:
    """A broken line costs itself only."""
    trained = train([b"{", b"", *lines(honest(30)), b"{}"], Policy(), tmp_path / "b.json", SIGNER)
    assert trained.dead_letters == {"invalid": 1, "not_json": 1}
    assert trained.first_refused is not None
    assert (trained.first_refused.index, trained.first_refused.reason) == (0, "not_json")
    assert trained.roles == {SLOW: 30}


def test_nothing_to_learn_from_says_why_and_writes_nothing(tmp_path: Path) -> None:
    """An empty baseline would be silence."""
    with pytest.raises(InputError, match=r"1 not_json; line 0 \(from 0\): "):
        train([b"{"], Policy(), tmp_path / "b.json", SIGNER)
    assert list(tmp_path.iterdir()) == []


def test_an_endless_session_teaches_by_its_first_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run must not drown the others, nor memory."""
    monkeypatch.setattr("stream.learning.teaching.SESSION_EVENTS_MAX", 10)
    recorded = Recorded(Policy())
    for line in lines(told(" ".join(f"X@{k}" for k in range(25)))):
        recorded.add(line)
    (heard,) = recorded.told()
    assert len(heard.run.operations) == 10
