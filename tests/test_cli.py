"""The command line: what it prints, for programs and for people, and how it fails."""

import gzip
import io
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import pytest

from models.event import EVENT_BYTES_MAX, AnyEvent
from stream.cli import main
from tests.builders import CHAIN, SLOW, artifact, op, recorded, told
from tests.test_sources import folder

SHARED = {
    "session",
    "workflow",
    "agent",
    "credential",
    "at_ms",
    "event_id",
    "input_index",
    "risk",
    "evidence",
    "reason",
}


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Standard output, each line an object: anything else fails here."""
        return [json.loads(line) for line in self.out.splitlines()]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Rows of one kind."""
        return [row for row in self.rows if row["kind"] == kind]


Run = Callable[..., Ran]

FALLING_RISK = """
levels:
- {name: a, risk_min: 0.9, actions: [step_up]}
- {name: b, risk_min: 0.5, actions: [kill_session]}
"""
FALLING_FORCE = """
levels:
- {name: a, risk_min: 0.5, actions: [kill_session]}
- {name: b, risk_min: 0.9, actions: [step_up]}
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `chainbrake` with these arguments, in this process."""

    def run(*arguments: str | Path, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["chainbrake", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(stdin))))
        code = 0
        try:
            main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 0
        return Ran(code, *capsys.readouterr())

    return run


def line(event: AnyEvent) -> bytes:
    """As a line of a file."""
    return msgspec.json.encode(event) + b"\n"


def lines(*events: AnyEvent) -> bytes:
    """As a file."""
    return b"".join(map(line, events))


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A file with the chain in it."""
    path = tmp_path / "chain.ndjson"
    path.write_bytes(lines(*told(CHAIN)))
    return path


def test_json_output_is_objects_and_nothing_else(run: Run, chain: Path) -> None:
    """A program reads it line by line: findings and commands as they come, the summary last."""
    ran = run("replay", chain, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert [row["kind"] for row in ran.rows] == ["finding", "command", "command", "summary"]
    for row in ran.rows[:-1]:
        assert row.keys() >= SHARED
    (finding,), commands = ran.of_kind("finding"), ran.of_kind("command")
    assert finding["detector"] == "read_then_write_chain"
    assert [command["action"] for command in commands] == ["kill_session", "revoke_token"]
    for row in (finding, *commands):
        assert (row["session"], row["workflow"], row["agent"]) == ("s1", "w1", "agent-7")
        assert row["credential"] == "cred-7"
        assert row["event_id"] == "w1/s1/V@90"
        assert row["at_ms"] == op("V", 90).at_ms
        assert row["input_index"] == 3
        assert row["evidence"] == [event.id for event in told(CHAIN)]
        assert 0.85 <= row["risk"] <= 1.0


def test_the_summary_counts_what_was_seen(run: Run, tmp_path: Path) -> None:
    """Events, sessions, findings, commands, and dead letters by reason."""
    path = tmp_path / "mixed.ndjson"
    far = op("D", 0, seen_ms=op("D", 0).at_ms + 10**9)
    path.write_bytes(
        lines(*told(CHAIN)) + b"{\n" + b"{}\n" + line(far) + b"\n" + lines(op("D", 100, session="s2"))
    )
    (summary,) = run("replay", path, "--json").of_kind("summary")
    assert summary["events"] == 5
    assert summary["sessions"] == 2
    assert (summary["findings"], summary["commands"]) == (1, 2)
    assert summary["dead_letters"] == {"invalid": 1, "not_json": 1, "time_in_past": 1}
    assert summary["lines"] == 9


def test_the_index_is_the_line_also_after_blank_and_broken_ones(run: Run, tmp_path: Path) -> None:
    """Whoever looks the event up finds it with a line number, less one."""
    d, p, s, v = map(line, told(CHAIN))
    content = (
        d + b"\n" + b"{broken\n" + p + b"\r\n" + b"\xff\n" + s + b"x" * (EVENT_BYTES_MAX + 9) + b"\n" + v
    )
    path = tmp_path / "holes.ndjson"
    path.write_bytes(content)
    ran = run("replay", path, "--json")
    assert {row["input_index"] for row in ran.rows[:-1]} == {8}
    assert content.splitlines()[8] + b"\n" == v
    assert ran.rows[-1]["dead_letters"] == {"not_json": 1, "not_utf8": 1, "too_large": 1}


def test_a_last_line_without_an_end_is_a_line(run: Run, tmp_path: Path) -> None:
    """Files are cut off where the writer was."""
    path = tmp_path / "cut.ndjson"
    path.write_bytes(lines(*told(CHAIN)).rstrip(b"\n"))
    assert len(run("replay", path, "--json").of_kind("command")) == 2


@pytest.mark.slow
def test_gzip_standard_input_and_several_files_are_read_alike(run: Run, tmp_path: Path, chain: Path) -> None:
    """One chain over two files and a pipe; the index goes on from file to file."""
    packed = tmp_path / "events.gz"
    packed.write_bytes(gzip.compress(lines(*told(CHAIN))))
    plain = run("replay", chain, "--json").out
    assert run("replay", packed, "--json").out == plain
    assert run("replay", "-", "--json", stdin=chain.read_bytes()).out == plain
    first, second = tmp_path / "1.ndjson", tmp_path / "2.ndjson.gz"
    first.write_bytes(lines(*told("D@0 P@30")))
    second.write_bytes(gzip.compress(lines(*told("S@60"))))
    ran = run("replay", first, second, "-", "--json", stdin=lines(*told("V@90")))
    assert {row["input_index"] for row in ran.of_kind("command")} == {3}


def test_people_get_a_line_each_and_the_summary(run: Run, chain: Path) -> None:
    """The same, to be read."""
    ran = run("replay", chain)
    assert ran.code == 0
    assert "kill_session" in ran.out
    assert "not approved" in ran.out
    assert "commands         2" in ran.out


@pytest.mark.slow
@pytest.mark.parametrize("command", ["replay", "train"])
def test_a_file_that_cannot_be_read_is_an_error_not_a_traceback(
    run: Run, tmp_path: Path, command: str
) -> None:
    """Missing, a folder, or gzip that is none: exit code 2, and its name."""
    damaged = gzip.compress(lines(*told(CHAIN)))
    (tmp_path / "cut.gz").write_bytes(damaged[:-12])
    (tmp_path / "bent.gz").write_bytes(damaged[:30] + b"\xff\x00\xff\x00" + damaged[34:])
    out = ["--out", str(tmp_path / "b.json")] if command == "train" else ["--json"]
    for name in ("missing.ndjson", ".", "cut.gz", "bent.gz"):
        ran = run(command, tmp_path / name, *out)
        assert ran.code == 2, name
        assert str(tmp_path / name) in ran.err
        assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("half_life: 3", "half_life"),
        ("detectors: {faster_than_human: {floor_ms: 3}}", "detectors.faster_than_human"),
        ("detectors: {unusual_velocity: {tail: often}}", "detectors.unusual_velocity.tail"),
        ("inherited_share: 1.5", "inherited_share"),
        (FALLING_RISK,
         "levels: risk_min must rise"),
        (FALLING_FORCE,
         "levels: the strongest action must rise"),
        ("levels: [{name: a, risk_min: 0.5, actions: [explode]}]", "levels.0.actions.0"),
        ("levels: [{name: a, risk_min: 0.5, actions: [release_session]}]", "release_session"),
        ("levels: []", "levels"),
        ("may_stop: [gut_feeling]", "unknown detector gut_feeling"),
        ("commands: {escalate_to: step_up}", "commands.escalate_to"),
        ("levels: [", "policy.yaml"),
        ("- a list", "policy.yaml"),
        ("\x00", "policy.yaml"),
        ("name: 2001-13-45", "policy.yaml"),
        ("[" * 400, "policy.yaml"),
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_a_policy_with_a_mistake_is_refused_by_file_and_field(
    run: Run, tmp_path: Path, policy: str, said: str
) -> None:
    """A misspelt name is an error, not a silence."""
    path = tmp_path / "policy.yaml"
    path.write_text(policy)
    ran = run("check", "--policy", path)
    assert ran.code == 2
    assert str(path) in ran.err
    assert said in ran.err
    assert run("replay", "-", "--policy", path).code == 2


@pytest.mark.slow
def test_check_says_what_it_has_read(run: Run, tmp_path: Path) -> None:
    """And prints a policy with all defaults that is read as the same policy again."""
    policy, baseline, printed = (
        tmp_path / "policy.yaml",
        tmp_path / "baseline.json",
        tmp_path / "printed.yaml",
    )
    policy.write_text("name: ours\nhalf_life_ms: 60000\n")
    baseline.write_bytes(artifact())
    ran = run("check", "--policy", policy, "--baseline", baseline)
    assert ran.code == 0
    assert "policy ours@" in ran.out
    assert "6 cohorts with enough seen" in ran.out
    printed.write_text(run("check", "--policy", policy, "--print").out)
    assert run("check", "--policy", printed).out == run("check", "--policy", policy).out


def test_check_refuses_a_damaged_baseline_and_a_missing_file(run: Run, tmp_path: Path) -> None:
    """Before a worker meets it."""
    (tmp_path / "b.json").write_bytes(artifact()[:-9])
    for options in (["--baseline", "b.json"], ["--baseline", "none.json"], ["--policy", "none.yaml"]):
        ran = run("check", options[0], tmp_path / options[1])
        assert ran.code == 2
        assert options[1] in ran.err


@pytest.mark.slow
def test_a_baseline_is_trained_and_used(run: Run, tmp_path: Path) -> None:
    """From recorded sessions to a finding that nobody wrote a rule for."""
    events, baseline = tmp_path / "events.ndjson", tmp_path / "baseline.json"
    events.write_bytes(b"".join(lines(*session) for session in recorded(60)))
    ran = run("train", events, "--out", baseline)
    assert ran.code == 0
    assert "helpdesk" in ran.out
    assert str(baseline) in ran.out.replace("\n", "")
    burst = lines(*(op("S", k, agent_role=SLOW) for k in range(20)))
    rows = run("replay", "-", "--baseline", baseline, "--json", stdin=burst).of_kind("finding")
    assert "unusual_velocity" in {row["detector"] for row in rows}
    assert all(row["model"].startswith("baseline@") for row in rows)


def test_recorded_runs_are_trained_on_and_scored(run: Run, tmp_path: Path) -> None:
    """One object a session, with the names that whoever measures it expects."""
    calls: list[dict[str, Any]] = [{"op": "look"}, {"op": "pay", "prov": {"to": ["user"]}}]
    runs, baseline = folder(tmp_path / "runs", calls), tmp_path / "baseline.json"
    ran = run("train", "--source", "agent-runs", "--out", baseline, runs)
    assert ran.code == 0
    assert "bank/t1" in ran.out
    (row,) = run("score", "--source", "agent-runs", "--baseline", baseline, "--json", runs).rows
    assert {"session", "events", "score", "score_with_end", "alarm", "first_alarm_index"} <= row.keys()
    assert (row["session"], row["events"]) == ("r/1", 2)
    assert "not enough seen" in run("score", "--source", "agent-runs", "--baseline", baseline, runs).out


def test_own_events_are_scored(run: Run, tmp_path: Path) -> None:
    """By the same command, against what was learned of their agent."""
    baseline = tmp_path / "baseline.json"
    baseline.write_bytes(artifact())
    session = lines(*(op("S", k, agent_role=SLOW) for k in range(20)))
    (row,) = map(
        json.loads, run("score", "-", "--baseline", baseline, "--json", stdin=session).out.splitlines()
    )
    assert row["alarm"] is True
    for command in ("score", "evaluate"):
        asked = (command, "-", "--baseline", baseline, "--json")
        ran = run(*asked, stdin=session + b"{}\n")
        assert "not read: 1 lines (invalid)" in ran.err
        ran = run(*asked, "--source", "aws.cloudtrail", stdin=b"{}\n")
        assert "no session in it, and 1 lines could not be read" in ran.err


def test_nothing_to_learn_from_is_an_error_and_leaves_no_file(run: Run, tmp_path: Path, chain: Path) -> None:
    """The only session is one that the rules stopped."""
    ran = run("train", chain, "--out", tmp_path / "baseline.json")
    assert ran.code == 2
    assert "rules:kill_session" in ran.err
    assert list(tmp_path.glob("baseline*")) == []


def test_a_baseline_that_cannot_be_written_is_an_error_not_a_traceback(run: Run, tmp_path: Path) -> None:
    """The folder is not there."""
    events, out = tmp_path / "events.ndjson", tmp_path / "nowhere" / "b.json"
    events.write_bytes(lines(*(event for one in recorded(60) for event in one)))
    ran = run("train", events, "--out", out)
    assert ran.code == 2
    assert str(out) in ran.err


def test_an_unknown_source_is_refused(run: Run, tmp_path: Path, chain: Path) -> None:
    """Before anything is read."""
    ran = run("train", chain, "--out", tmp_path / "b.json", "--source", "okta")
    assert ran.code == 2
    assert "okta" in ran.err


@pytest.mark.slow
def test_a_wrong_source_or_file_shows_in_one_line(run: Run, tmp_path: Path, chain: Path) -> None:
    """The first dead letter is told, with its line and reason; programs get the counts."""
    ran = run("replay", chain, "--source", "okta.system_log")
    (said,) = ran.err.splitlines()
    assert said.startswith(f"first dead letter: line 0 (from 0) of {chain} is no record of okta.system_log: ")
    assert run("replay", chain, "--source", "okta.system_log", "--json").err == ""
    packed = tmp_path / "none.gz"
    packed.write_text("hello\n")
    assert (
        "is no record of aws.cloudtrail: not_json" in run("replay", packed, "--source", "aws.cloudtrail").err
    )


def test_the_schema_is_printed(run: Run) -> None:
    """For producers, in the standard's own form."""
    ran = run("schema")
    assert ran.code == 0
    assert json.loads(ran.out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("arguments", [[], ["fly"], ["replay"], ["replay", "-", "--jsno"]], ids=str)
def test_a_mistake_in_the_arguments_is_exit_code_two(run: Run, arguments: list[str]) -> None:
    """With a hint, on standard error or as help."""
    ran = run(*arguments)
    assert ran.code == 2
    assert ran.out + ran.err


def test_the_version_is_printed(run: Run) -> None:
    """That of the installed distribution: what a report of a fault begins with."""
    ran = run("--version")
    assert ran.code == 0
    assert ran.out == f"chainbrake {version('chainbrake')} (pure)\n"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CHAINBRAKE_KAFAK", "CHAINBRAKE_KAFKA"),
        ("CHAINBRAKE_POLCY", "CHAINBRAKE_POLICY"),
        ("CHAINBRAKE_GATEWAY_PROT", "CHAINBRAKE_GATEWAY_PORT"),
        ("CHAINBRAKE_PORT", "CHAINBRAKE_WEB_PORT"),
    ],
)
def test_a_misspelt_setting_is_refused_and_the_nearest_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    """Else the default would be taken, and nobody would know."""
    monkeypatch.setenv(name, "6066")
    ran = run("check")
    assert ran.code == 2
    assert f"{name} is not a setting; did you mean {meant}?" in ran.err


def test_what_kubernetes_puts_into_the_environment_is_no_setting(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service called chainbrake, or chainbrake-worker, must not keep every pod from starting."""
    for name, value in {
        "CHAINBRAKE_SERVICE_HOST": "10.0.0.1",
        "CHAINBRAKE_SERVICE_PORT": "6066",
        "CHAINBRAKE_SERVICE_PORT_HTTP": "6066",
        "CHAINBRAKE_PORT": "tcp://10.0.0.1:6066",
        "CHAINBRAKE_PORT_6066_TCP_ADDR": "10.0.0.1",
        "CHAINBRAKE_WORKER_PORT": "tcp://10.0.0.1:6066",
        "CHAINBRAKE_GATEWAY_HOST": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    assert run("check").code == 0
