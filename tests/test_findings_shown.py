"""Findings as a person or a program reads them back from their topic."""

import json
from types import SimpleNamespace

import msgspec
import pytest
from msgspec.structs import replace

import stream.commands.findings as told
from models.errors import InputError
from models.event import Grade
from models.finding import Elsewhere, Finding, Verdict
from models.ocsf import from_ocsf, to_ocsf
from stream.configuration.settings import Settings
from stream.kafka.messages import record_of
from stream.kafka.topics import topics_of
from tests.printed import printed

FOUND = Finding(
    id="f1",
    detector="three_systems",
    confidence=0.6,
    reason="three systems [red]in\x1b[2J one workflow",
    evidence=("e1", "e2"),
    grade=Grade.ATTESTED,
    session="s1",
    workflow="w1",
    agent="a1",
    at_ms=1_790_000_000_000,
    event_id="e2",
    event_source="test",
    risk=0.7,
    tags=("T1552",),
    elsewhere=(Elsewhere(workflow="w9", session="s9", event_id="e9", at_ms=1),),
)
WORD = replace(
    FOUND, id="d1", detector="disposition", about="f1", verdict=Verdict.TRUE_POSITIVE, reason="f1 was right"
)
OTHER = replace(
    FOUND, id="f2", detector="after_stop", session="s2", workflow="w2", agent="a2", reason="others'"
)


def shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str, also: bytes = b""
) -> str:
    """What `chainbrake findings …` prints where these lie on the topic."""
    values = [msgspec.json.encode(to_ocsf(each)) for each in (FOUND, WORD, OTHER)] + [also] * bool(also)
    topics = {"chainbrake.findings.v1": [SimpleNamespace(value=value) for value in values]}
    return printed(monkeypatch, capsys, told, topics, "findings", *arguments)


@pytest.mark.parametrize("finding", [FOUND, WORD, OTHER], ids=lambda each: each.id)
def test_a_finding_is_read_back_whole(finding: Finding) -> None:
    """From the form that a SIEM reads."""
    assert from_ocsf(msgspec.json.encode(to_ocsf(finding))) == finding


@pytest.mark.parametrize(
    ("detector", "analytic"),
    [
        ("unusual_transition", "Learning (ML/DL)"),
        ("resembles_hijack", "Learning (ML/DL)"),
        ("unfamiliar_act", "Learning (ML/DL)"),
        ("secret_then_change", "Rule"),
        ("a_chain:crossing", "Rule"),
    ],
)
def test_a_siem_is_told_what_was_learned_and_what_is_a_rule(detector: str, analytic: str) -> None:
    """By the catalog, whatever a detector is called."""
    record = record_of(replace(FOUND, detector=detector), topics_of(Settings()), "//test")
    assert json.loads(record.value)["finding_info"]["analytic"]["type"] == analytic


@pytest.mark.parametrize(
    "garbage", [b"", b"{", b"null", b"\xff", b'{"unmapped": {}}', b'{"class_uid": 2004}', b"[" * 100_000]
)
def test_another_event_is_none_of_ours(garbage: bytes) -> None:
    """Of OCSF or of nobody."""
    with pytest.raises(InputError, match="not a finding of ours"):
        from_ocsf(garbage)


def test_what_was_noticed_is_told_with_what_it_rests_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what people said of it; names and reasons move no terminal."""
    first, second, third, end = shown(monkeypatch, capsys, also=b"{").split("\n\n")
    assert "three_systems  0.60 sure, risk 0.70, attested" in first
    assert "agent a1, session s1, workflow w1" in first
    assert "three systems [red]in\\x1b[2J one workflow" in first
    assert "finding f1, events e1, e2; T1552" in first
    assert "and in workflow w9, session s9: event e9" in first
    assert "f1 was right" in second
    assert "others'" in third
    assert end.startswith("3 since ")
    assert ": three_systems 1, disposition 1, after_stop 1" in end


@pytest.mark.parametrize(
    "narrowed", [["s2"], ["--workflow", "w2"], ["--agent", "a2"], ["--detector", "after_stop"]], ids=str
)
def test_those_of_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], narrowed: list[str]
) -> None:
    """Session, workflow, agent or detector."""
    said = shown(monkeypatch, capsys, *narrowed)
    assert "finding f2" in said
    assert "finding f1" not in said


def test_a_program_reads_a_finding_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole, and nothing else."""
    rows = list(map(json.loads, shown(monkeypatch, capsys, "--json").splitlines()))
    assert [row["kind"] for row in rows] == ["finding"] * 3
    assert [msgspec.convert(row, Finding) for row in rows] == [FOUND, WORD, OTHER]
