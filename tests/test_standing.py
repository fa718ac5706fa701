"""What was ordered and what became of it, from the topics alone; and how that is told at night."""

import json
import shlex
import sys
import time
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

import stream.commands.stops as told
from models.acknowledgement import Acknowledgement, Certainty, Hit
from models.caep import to_caep
from models.command import Action, Command, Contribution, stable_id
from models.event import Grade
from models.finding import Finding, Verdict
from models.ocsf import to_ocsf
from models.remediation import to_remediation
from stream.cli import main
from stream.enforcement.ledger import escalated
from stream.enforcement.standing import Account, Ordered, Standing
from tests.builders import command_of
from tests.printed import printed

NOW_MS = 1_790_000_000_000
HOUR_MS = 3_600_000


def ordered(action: Action = Action.KILL_SESSION, session: str = "s", **changed: Any) -> Command:
    """A command against a session, whose id follows from both."""
    known = {"id": stable_id(action, session), "session": session}
    return command_of(action, NOW_MS, HOUR_MS, **{**known, **changed})


def lifting(*lifts: str, session: str = "s", workflow: str = "wf") -> Command:
    """A release."""
    said = {"reason": "released by ann: a drill", "event_id": "r", "id": f"release-{session}-{workflow}"}
    return ordered(Action.RELEASE_SESSION, session, workflow=workflow, lifts=lifts, **said)


def sent(command: Command) -> bytes:
    """As a record of the commands topic."""
    return msgspec.json.encode(to_caep(command, "https://test.invalid"))


def answered(command: Command, hook: str = "gateway", outcome: Hit = Hit.DONE, **more: Any) -> bytes:
    """As a record of the acknowledgements."""
    ack = Acknowledgement(command=command.id, hook=hook, outcome=outcome, at_ms=NOW_MS, **more)
    return msgspec.json.encode(to_remediation(ack))


def account_of(*commands: Command) -> list[Ordered]:
    """What an account has heard when these were sent."""
    account = Account()
    for command in commands:
        account.hear(sent(command))
    return list(account)


def standings(*commands: Command, at_ms: int = NOW_MS) -> list[Standing]:
    """What became of each."""
    return [each.standing(at_ms) for each in account_of(*commands)]


def test_a_command_that_is_sent_again_is_one() -> None:
    """The ledger sends what nobody answered under the same id."""
    (only,) = account_of(ordered(), ordered(), ordered())
    assert (only.sent, only.standing(NOW_MS)) == (3, Standing.IN_FORCE)


def test_it_stands_until_it_ends() -> None:
    """And what is only a verdict that would have been never does."""
    command = ordered()
    assert standings(command, at_ms=command.expires_ms - 1) == [Standing.IN_FORCE]
    assert standings(command, at_ms=command.expires_ms) == [Standing.EXPIRED]
    assert standings(replace(command, shadow=True)) == [Standing.SHADOW]


def test_a_release_lifts_what_came_before_it_against_this_session() -> None:
    """Of this workflow: a name may be used in two. What is earned later stands."""
    kill, other = ordered(), ordered(session="other")
    namesake = ordered(workflow="elsewhere", id="namesake")
    later = ordered(id="later", event_id="e2")
    found = standings(kill, other, namesake, lifting(), later)
    stands = Standing.IN_FORCE
    assert found == [Standing.LIFTED, stands, stands, Standing.RELEASE, stands]


def test_what_was_lifted_stays_so_when_it_comes_again() -> None:
    """First heard after its release, or as the stop that follows it because nobody had answered."""
    kill = ordered()
    again = escalated(kill, Action.QUARANTINE_WORKFLOW)
    assert standings(lifting(kill.id), kill, again) == [Standing.RELEASE, Standing.LIFTED, Standing.LIFTED]


def test_each_hook_has_its_newest_answer() -> None:
    """What is said of other commands is nobody's here."""
    account, command = Account(), ordered()
    account.hear(sent(command))
    account.answered(answered(command))
    account.answered(answered(command, certainty=Certainty.VERIFIED))
    account.answered(answered(command, hook="issuer", outcome=Hit.UNSUPPORTED))
    account.answered(answered(ordered(session="nobody's")))
    (only,) = account
    said = {hook: (answer.outcome, answer.certainty) for hook, answer in only.answers.items()}
    assert said == {
        "gateway": (Hit.DONE, Certainty.VERIFIED),
        "issuer": (Hit.UNSUPPORTED, Certainty.ACCEPTED),
    }
    assert account.unreadable == 0


@pytest.mark.parametrize("garbage", [b"", b"{", b"\xff\xfe", b"null", b'{"events": []}', b"[" * 100_000])
def test_garbage_is_counted_and_never_the_end(garbage: bytes) -> None:
    """On either topic."""
    account = Account()
    account.hear(garbage)
    account.answered(garbage)
    account.hear(sent(ordered()))
    assert (len(list(account)), account.unreadable) == (1, 2)


def shown(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *arguments: str,
    commands: Iterable[Command | bytes] = (),
    answers: Iterable[bytes] = (),
    findings: Iterable[bytes] = (),
) -> str:
    """What `chainbrake stops …` prints where these lie on the topics."""
    ordered_ones = [each if isinstance(each, bytes) else sent(each) for each in commands]
    lying = {"commands": ordered_ones, "acks": answers, "findings": findings}
    topics = {
        f"chainbrake.{name}.v1": [SimpleNamespace(value=value) for value in each]
        for name, each in lying.items()
    }
    return printed(monkeypatch, capsys, told, topics, "stops", *arguments)


@pytest.fixture
def kill() -> Command:
    """A kill that stands now, as the clock is."""
    now_ms = int(time.time() * 1000)
    weighed = Contribution(
        detector="read_then_write_chain",
        confidence=0.9,
        faded=0.9,
        share=1.0,
        grade=Grade.ATTESTED,
        evidence=("e-read", "e-write"),
    )
    command = ordered(contributions=(weighed,), principal="svc")
    return replace(command, at_ms=now_ms, seen_ms=now_ms, expires_ms=now_ms + HOUR_MS)


def test_a_decision_is_told_as_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kill: Command
) -> None:
    """Whom, what, whether it stands, what each hook hit, what stays open, and who said nothing."""
    revoke = replace(kill, id="revoke", action=Action.REVOKE_TOKEN)
    other = replace(kill, id="other", session="other", agent="", event_id="e2")
    said = shown(
        monkeypatch,
        capsys,
        commands=[revoke, kill, other, other],
        answers=[
            answered(kill, certainty=Certainty.VERIFIED),
            answered(revoke, outcome=Hit.PARTIAL, residual="tokens"),
        ],
    )
    first, second, end = said.split("\n\n")
    assert "kill_session, revoke_token  in force until " in first
    assert "agent agent, session s, workflow wf" in first
    assert "risk 0.90 from read_then_write_chain 100%" in first
    assert "kill_session: gateway done, verified" in first
    assert "revoke_token: gateway partial, accepted; stays open: tokens" in first
    assert "agent unknown, session other" in second
    assert "kill_session: no hook has answered, sent 2 times" in second
    assert "2 ordered since " in end
    assert "2 in force" in end


def test_of_one_session_everything_is_told_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kill: Command
) -> None:
    """By its name or by the command that a gateway's refusal names; what it prints can be run."""
    other = replace(kill, id="other", session="other")
    for asked in (kill.session, kill.id):
        said = shown(monkeypatch, capsys, asked, commands=[kill, other])
        assert "other" not in said
        assert "why: a test" in said
        assert "read_then_write_chain: 0.90 sure, attested, events e-read, e-write" in said
        assert f"kill_session is command {kill.id}" in said
        runs = [shlex.split(line) for line in said.splitlines() if line.startswith("  chainbrake ")]
        assert [words[1] for words in runs] == ["explain", "release", "dispose"]
        assert all(words[words.index("--workflow") + 1] == "wf" for words in runs)


def test_a_name_is_no_command_of_a_shell_and_none_of_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kill: Command
) -> None:
    """Sessions are named by whoever is watched, and the lines are there to be copied."""
    named = "s; $(touch owned) '\"[red]\x1b[2J"
    said = shown(monkeypatch, capsys, kill.id, commands=[replace(kill, session=named)])
    release = next(line for line in said.splitlines() if line.startswith("  chainbrake release "))
    assert "\x1b" not in said
    assert shlex.split(release)[2] == named.replace("\x1b", "\\x1b")


def test_a_release_is_told_with_what_it_lifted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kill: Command
) -> None:
    """And there is nothing left to lift."""
    commands = [kill, replace(lifting(), seen_ms=kill.seen_ms, expires_ms=kill.expires_ms)]
    said = shown(monkeypatch, capsys, commands=commands)
    assert "lifted " in said
    assert "released by ann: a drill" in said
    assert "1 ordered since " in said
    assert "0 in force" in said
    assert "chainbrake release" not in shown(monkeypatch, capsys, "s", commands=commands)
    assert "0 ordered since " in shown(monkeypatch, capsys, "--in-force", commands=commands)


def test_what_people_said_of_it_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kill: Command
) -> None:
    """The last word counts; what detectors noticed is no word on a command."""
    noticed = Finding(
        id="f",
        detector="read_then_write_chain",
        confidence=0.9,
        reason="noticed",
        evidence=("e",),
        grade=Grade.ATTESTED,
        session="s",
        workflow="wf",
        agent="agent",
        at_ms=NOW_MS,
        event_id="e",
        event_source="test",
        risk=0.9,
    )
    words = [
        replace(
            noticed, detector="disposition", about=kill.id, verdict=verdict, reason=said, decided_by="ann"
        )
        for verdict, said in (
            (Verdict.TRUE_POSITIVE, "it was right, says ann"),
            (Verdict.FALSE_POSITIVE, "it was a false alarm, says ann"),
        )
    ]
    findings = [msgspec.json.encode(to_ocsf(each)) for each in (noticed, *words)]
    said = shown(monkeypatch, capsys, commands=[kill], findings=[b"{", *findings])
    assert "\n  it was a false alarm, says ann\n" in said
    assert "noticed" not in said
    assert "right" not in said


def test_a_time_that_no_calendar_has_is_shown_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kill: Command
) -> None:
    """Whoever can write there can write that."""
    said = shown(monkeypatch, capsys, commands=[replace(kill, expires_ms=10**18)])
    assert f"in force until {10**18} ms" in said


def test_those_of_an_agent_or_a_workflow_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kill: Command
) -> None:
    """Each by itself."""
    commands = [
        kill,
        replace(kill, id="a2", session="s2", agent="a2"),
        replace(kill, id="w2", session="s3", workflow="w2"),
    ]
    assert "1 ordered since " in shown(monkeypatch, capsys, "--agent", "a2", commands=commands)
    assert "session s3" in shown(monkeypatch, capsys, "--workflow", "w2", commands=commands)


def test_what_no_hook_has_done_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kill: Command
) -> None:
    """Failed and unsupported are no answer; a shadow waits for none."""
    failed = replace(kill, id="failed", session="failed")
    commands = [
        kill,
        failed,
        replace(kill, id="silent", session="silent"),
        replace(kill, id="shadow", session="shadow", shadow=True),
    ]
    answers = [answered(kill, outcome=Hit.PARTIAL), answered(failed, outcome=Hit.FAILED)]
    said = shown(monkeypatch, capsys, "--unanswered", commands=commands, answers=answers)
    assert "session failed" in said
    assert "session silent" in said
    assert "2 ordered since " in said


def test_a_program_reads_a_command_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kill: Command
) -> None:
    """Each command by itself, whole, and nothing else on standard output."""
    said = shown(
        monkeypatch, capsys, "--json", commands=[b"{", kill, lifting(kill.id)], answers=[answered(kill)]
    )
    row, release = map(json.loads, said.splitlines())
    assert (row["kind"], row["standing"], row["sent"]) == ("command", "lifted", 1)
    assert row["lifted_by"] == release["command"]["id"]
    assert msgspec.convert(row["command"], Command) == kill
    assert row["answers"][0]["outcome"] == "done"
    assert release["standing"] == "release"


@pytest.mark.parametrize("span", ["10", "h", "0m", "-1h", "yesterday", "2026-13-01", "9999999d"])
def test_a_time_that_is_none_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], span: str
) -> None:
    """It says what would be one."""
    monkeypatch.setattr(sys, "argv", ["chainbrake", "stops", f"--since={span}"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert f"--since: '{span}' is no span such as 90m, 12h or 7d, and no time" in capsys.readouterr().err
