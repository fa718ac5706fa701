"""The gateway's guard and hook, without any server: what is refused, what is answered, what is remembered."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.acknowledgement import Acknowledgement, Certainty, Hit
from models.caep import to_caep
from models.command import Action, Command
from models.errors import InputError
from models.event import CHANGES, READS, Approval, OpClass, Operation
from stream.enforcement.calls import OURS, read_call, read_fact
from stream.enforcement.guard import REASONS, Guard
from stream.enforcement.hook import OPEN, REFUSED, Hook, probe_of
from tests.builders import command_of

NOW_MS = 1_790_000_000_000
SOURCE = "//chainbrake/gateway/test"

names = st.sampled_from(["a", "b", "c"])
blocking = st.sampled_from(sorted(REASONS))


def ordered(action: Action, command_id: str = "c1", session: str = "a", **changed: object) -> Command:
    """A command in force for a second."""
    known = {"id": command_id, "session": session, "credential": "cred"}
    return command_of(action, NOW_MS, 1_000, **{**known, **changed})


def call(op_class: OpClass = OpClass.DISCOVERY, session: str = "a", **changed: str) -> Operation:
    """A call of a session whose workflow and credential nobody names."""
    fields = {"workflow": "another", "session": session, "agent": "agent", "operation": "x", **changed}
    return read_call(json.dumps({**fields, "op_class": op_class}).encode(), SOURCE, NOW_MS)


def refused_by(action: Action, session: str = "a") -> Operation:
    """A call that a command of this kind refuses."""
    if action is Action.QUARANTINE_WORKFLOW:
        return call(workflow="wf", session="other")
    if action is Action.REVOKE_TOKEN:
        return call(credential="cred", session="other")
    return call(OpClass.PRIVILEGE_CHANGE, session)


class Told:
    """A hook on a guard, and all it said."""

    def __init__(self) -> None:
        self.guard = Guard()
        self.said: list[Acknowledgement] = []
        self.probes: list[Command] = []
        self.hook = Hook("hook", self.guard, self.said.append, self.probes.append)

    def hear(self, command: Command, now_ms: int = NOW_MS) -> Acknowledgement:
        """What the hook answers at first."""
        self.hook.answer(command, self.hook.obey(command, now_ms), now_ms)
        return self.said[-1]


@given(action=blocking)
def test_a_command_refuses_until_it_expires_and_not_longer(action: Action) -> None:
    """A stop has a lifetime: nobody has to remember to lift it."""
    guard = Guard()
    guard.block(ordered(action), NOW_MS)
    refused = guard.refuses(refused_by(action), NOW_MS + 999)
    assert refused is not None
    assert refused.command == "c1"
    assert guard.refuses(refused_by(action), NOW_MS + 1_000) is None


@given(action=blocking)
def test_a_command_refuses_nobody_else(action: Action) -> None:
    """Another session, with another credential, in another workflow, goes on."""
    guard = Guard()
    guard.block(ordered(action), NOW_MS)
    for op_class in OpClass:
        assert guard.refuses(call(op_class, "bystander"), NOW_MS) is None


@given(op_class=st.sampled_from(OpClass))
def test_read_only_lets_reads_through_and_step_up_all_but_identity_changes(op_class: OpClass) -> None:
    """What is not known to be a read counts as a write."""
    reading, stepping = Guard(), Guard()
    reading.block(ordered(Action.READ_ONLY), NOW_MS)
    stepping.block(ordered(Action.STEP_UP), NOW_MS)
    assert (reading.refuses(call(op_class), NOW_MS) is None) == (op_class in READS)
    assert (stepping.refuses(call(op_class), NOW_MS) is None) == (op_class not in CHANGES)


@given(before=st.lists(st.tuples(blocking, names)), again=st.lists(st.tuples(blocking, names)))
def test_a_release_lifts_all_that_its_session_brought_however_often_it_is_sent_again(
    before: list[tuple[Action, str]], again: list[tuple[Action, str]]
) -> None:
    """Kafka may deliver an old command after the release: a human's word is not undone by that."""
    guard = Guard()
    for action, session in before:
        guard.block(ordered(action, f"{action}/{session}", session), NOW_MS)
    guard.lift("a", "wf")
    for action, session in again:
        if (action, session) in before:
            guard.block(ordered(action, f"{action}/{session}", session), NOW_MS)
    left = {session for _, session in before} - {"a"}
    assert len(guard) == len({pair for pair in before if pair[1] in left})
    assert all(block.session != "a" for block in guard.standing("a", NOW_MS))


def test_a_release_that_names_another_workflow_frees_nobody() -> None:
    """The judge would not know of it, and the session would be free for good."""
    told = Told()
    told.hear(ordered(Action.KILL_SESSION))
    told.hear(ordered(Action.RELEASE_SESSION, "c2", workflow="wrong"))
    assert told.guard.refuses(call(), NOW_MS) is not None
    assert told.said[-1].outcome is Hit.NOT_FOUND
    told.hear(ordered(Action.RELEASE_SESSION, "c3"))
    assert told.guard.refuses(call(), NOW_MS) is None


def test_a_new_command_after_a_release_counts() -> None:
    """A released session may earn it anew."""
    guard = Guard()
    guard.block(ordered(Action.KILL_SESSION), NOW_MS)
    guard.lift("a", "wf")
    assert guard.block(ordered(Action.KILL_SESSION, "c2"), NOW_MS)
    assert guard.refuses(call(), NOW_MS) is not None


@given(lifetimes_ms=st.lists(st.integers(1, 1_000), min_size=1, max_size=300))
def test_room_is_limited_and_the_expired_go_first(lifetimes_ms: list[int]) -> None:
    """However many commands come, memory is bounded; the one that lasts longest is still in force."""
    guard = Guard(blocks_max=20)
    later_ms = NOW_MS + 500
    for number, lifetime_ms in enumerate(lifetimes_ms):
        command = ordered(
            Action.KILL_SESSION, f"c{number}", f"s{number}", expires_ms=later_ms + lifetime_ms * 10
        )
        guard.block(command, later_ms)
        assert len(guard) <= 20
    longest = max(range(len(lifetimes_ms)), key=lifetimes_ms.__getitem__)
    assert guard.refuses(call(session=f"s{longest}"), later_ms) is not None


def test_sessions_seen_are_limited() -> None:
    """An agent that changes its session's name with every call fills no memory."""
    guard = Guard(seen_max=10)
    for number in range(100):
        guard.note(call(session=f"s{number}"), refused=False)
    assert guard.seen("s89") is None
    assert guard.seen("s99") is not None


@pytest.mark.parametrize("action", sorted(REASONS))
def test_the_probe_of_a_command_is_refused_by_it_alone(action: Action) -> None:
    """A probe that another command refuses would prove nothing."""
    command = ordered(action)
    probe = read_call(json.dumps(probe_of(command)).encode(), SOURCE, NOW_MS)
    guard = Guard()
    for other in REASONS:
        guard.block(ordered(other, other, "other", workflow="other", credential="other"), NOW_MS)
    assert guard.refuses(probe, NOW_MS) is None
    guard.block(command, NOW_MS)
    refused = guard.refuses(probe, NOW_MS)
    assert refused is not None
    assert refused.command == command.id


@pytest.mark.parametrize("action", sorted(REASONS))
def test_a_block_is_accepted_first_and_verified_when_its_probe_was_refused(action: Action) -> None:
    """Two answers to one command; the second is the surer one. What was asked is handed back."""
    told, command = Told(), ordered(action)
    first = told.hear(command)
    assert told.probes == [command]
    told.hook.probed(command, REFUSED, NOW_MS + 1)
    second = told.said[-1]
    assert (first.certainty, second.certainty) == (Certainty.ACCEPTED, Certainty.VERIFIED)
    assert {first.command, second.command} == {command.id}
    assert first.outcome is second.outcome
    assert first.stopped
    assert first.seen_ms == command.seen_ms
    assert (first.outcome is Hit.PARTIAL) == (action is Action.REVOKE_TOKEN) == bool(first.residual)


def test_a_session_never_seen_is_stopped_all_the_same_and_the_answer_says_so() -> None:
    """It may come later, or it may be another gateway's."""
    told = Told()
    assert "no call of this session was seen" in told.hear(ordered(Action.KILL_SESSION)).detail
    told.guard.note(call(session="b"), refused=False)
    assert told.hear(ordered(Action.KILL_SESSION, "c2", "b")).detail == ""


def test_a_probe_that_gets_through_takes_the_answer_back() -> None:
    """A stop that does not hold must not stay recorded as done."""
    told, command = Told(), ordered(Action.KILL_SESSION)
    told.hear(command)
    told.hook.probed(command, OPEN, NOW_MS)
    assert told.said[-1].outcome is Hit.FAILED


def test_a_probe_that_gets_through_because_a_human_lifted_the_stop_takes_nothing_back() -> None:
    """The release came between the block and its probe."""
    told, command = Told(), ordered(Action.KILL_SESSION)
    told.hear(command)
    told.guard.lift("a", "wf")
    told.hook.probed(command, OPEN, NOW_MS)
    assert len(told.said) == 1


def test_a_probe_without_a_clear_answer_proves_nothing() -> None:
    """Neither that it holds, nor that it does not."""
    told, command = Told(), ordered(Action.KILL_SESSION)
    told.hear(command)
    told.hook.probed(command, 503, NOW_MS)
    assert [ack.certainty for ack in told.said] == [Certainty.ACCEPTED]


def test_a_released_command_that_comes_again_is_answered_so_that_nobody_escalates_it() -> None:
    """The ledger repeats what it heard no answer to; a failure would turn a lifted stop into a larger one."""
    told, command = Told(), ordered(Action.KILL_SESSION)
    told.hear(command)
    told.hear(ordered(Action.RELEASE_SESSION, "c2"))
    assert told.hear(command).stopped
    assert told.guard.refuses(call(), NOW_MS) is None


def test_an_expired_command_fails_and_blocks_nobody() -> None:
    """Too late is not done."""
    told = Told()
    answer = told.hear(ordered(Action.KILL_SESSION, expires_ms=NOW_MS))
    assert (answer.outcome, answer.detail) == (Hit.FAILED, "expired")
    assert len(told.guard) == 0


def test_a_revocation_without_a_credential_fails() -> None:
    """Nothing would be refused, so nothing was done."""
    assert Told().hear(ordered(Action.REVOKE_TOKEN, credential="")).outcome is Hit.FAILED


def test_what_the_hook_cannot_do_it_says() -> None:
    """Another hook may do better."""
    assert Told().hear(ordered(Action.OBSERVE)).outcome is Hit.UNSUPPORTED


@given(value=st.one_of(st.none(), st.binary(max_size=200), st.recursive(st.none(), st.lists).map(json.dumps)))
def test_anything_on_the_commands_topic_is_survived(value: bytes | str | None) -> None:
    """A record that is no command is skipped, never raised about."""
    Told().hook.read(value.encode() if isinstance(value, str) else value)


def test_a_command_is_read_as_it_was_written_unless_it_is_a_shadow_or_everybodys() -> None:
    """A complex subject without a session would be every session."""
    told, command = Told(), ordered(Action.KILL_SESSION)
    claims = to_caep(command, "https://test.invalid")
    assert told.hook.read(json.dumps(claims).encode()) == command
    shadow = to_caep(ordered(Action.KILL_SESSION, shadow=True), "https://test.invalid")
    assert told.hook.read(json.dumps(shadow).encode()) is None
    (event,) = claims["events"].values()
    event["chainbrake"]["session"] = ""
    assert told.hook.read(json.dumps(claims).encode()) is None
    event["chainbrake"]["session"] = "s" * 10_000
    assert told.hook.read(json.dumps(claims).encode()) is None
    assert told.hook.read(b"[" * 200_000) is None


@pytest.mark.parametrize("field", sorted(OURS))
def test_an_agent_does_not_say_what_the_gateway_knows(field: str) -> None:
    """With an id it could hide a call as a duplicate, with a date or a grade it could slip past a limit."""
    body = {"workflow": "w", "session": "s", "agent": "a", "operation": "x", field: "1"}
    with pytest.raises(InputError, match=field):
        read_call(json.dumps(body).encode(), SOURCE, NOW_MS)


def test_an_approval_keeps_the_date_it_was_given() -> None:
    """We hear of it later than it was decided."""
    body = {
        "kind": "approval",
        "at_ms": NOW_MS - 60_000,
        "requested_ms": NOW_MS - 90_000,
        "workflow": "w",
        "session": "s",
        "operation": "iam:AttachRolePolicy",
        "target": "role/app",
        "decided_by": "ann@example.org",
    }
    approval = read_fact(json.dumps(body).encode(), SOURCE, NOW_MS)
    assert isinstance(approval, Approval)
    assert (approval.at_ms, approval.seen_ms, approval.source) == (NOW_MS - 60_000, NOW_MS, SOURCE)


@pytest.mark.parametrize("kind", ["release", "disposition", "operation", "unheard-of"])
def test_only_facts_are_taken_for_facts(kind: str) -> None:
    """Who may lift a stop does not ask an agent's gateway for it."""
    body = {"kind": kind, "workflow": "w", "session": "s", "decided_by": "me", "agent": "a", "operation": "x"}
    with pytest.raises(InputError, match="kind"):
        read_fact(json.dumps(body).encode(), SOURCE, NOW_MS)
