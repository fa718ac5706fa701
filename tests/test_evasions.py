"""Ways round the judge that somebody thought of, each closed."""

from typing import Any

import pytest

from detectors.arrival import believed
from detectors.policy import BudgetSettings, Level, Policy
from models.acknowledgement import LEDGER
from models.attested import Effect
from models.command import Action
from models.event import AnyEvent, CredentialKind, Grade, OpClass, Outcome
from models.session import NAMES_MAX, SESSIONS_MAX
from tests.builders import (
    CHAIN,
    HUMAN,
    PRINCIPAL,
    approval,
    at,
    end,
    judged,
    op,
    registered,
    release,
    told,
    trained,
)

STOP = [Action.KILL_SESSION, Action.REVOKE_TOKEN]


def test_a_clock_that_is_ahead_makes_no_true_date_late() -> None:
    """Decoys dated minutes ahead are judged at their arrival, so they push nothing out of memory."""
    policy = Policy()
    decoys = [op("DP"[k % 2], 240 + k, id=f"decoy{k}") for k in range(40)]
    arrived = [believed(decoy, at(0), policy) for decoy in decoys]
    assert {event.at_ms for event in arrived} == {at(0)}
    assert judged([*arrived, *told("D@1 P@30 S@60 V@90")]).actions == STOP


@pytest.mark.parametrize("letters", ["D", "DP", "DPS"])
def test_guesses_do_not_take_the_place_of_evidence(letters: str) -> None:
    """An agent that calls its own steps inferred does not turn a stop into a step-up."""
    decoys = [
        op(letter, 61 + k, id=f"decoy{k}", grade=Grade.INFERRED) for k, letter in enumerate(letters * 8)
    ]
    assert judged([*told("D@0 P@30 S@60"), *decoys, op("V", 100)]).actions == STOP


def test_one_act_told_by_two_sources_uses_one_approval() -> None:
    """The gateway and the platform both tell of the approved change: an honest agent is not stopped."""
    act = op("V", 90)
    told_again = op("V", 91, id="platform-1", source="platform", grade=Grade.ATTESTED)
    allowed = approval(80, operation=act.operation, target=act.target)
    assert judged([*told("D@0 P@30 S@60"), allowed, act, told_again]).actions == []
    repeated = op("V", 95, id="again")
    assert judged([*told("D@0 P@30 S@60"), allowed, act, repeated]).actions == STOP


@pytest.mark.parametrize(
    ("tool", "allowed", "grade", "stopped"),
    [
        ("github_repo_add_admin", "repo.add_admin", Grade.OBSERVED, False),
        ("iam_attach_role_policy", "iam:AttachRolePolicy", Grade.OBSERVED, False),
        ("github_repo_add_admin", "repo.add_admin", Grade.ATTESTED, True),
        ("github_repo_add_admin", "repo.add_member", Grade.OBSERVED, True),
        ("okta_create_user", "iam:CreateUser", Grade.OBSERVED, True),
        ("repo", "...", Grade.OBSERVED, True),
    ],
)
def test_an_approval_covers_the_word_of_the_tool_that_is_called_like_it(
    tool: str, allowed: str, grade: Grade, *, stopped: bool
) -> None:
    """The agent's tool tells of the approved act before the platform does; another platform's is another."""
    act = op("V", 90, operation=tool, grade=grade)
    given = approval(80, operation=allowed, target=act.target)
    assert judged([*told("D@0 P@30 S@60"), given, act]).actions == (STOP if stopped else [])


def test_an_inferred_approval_allows_nothing() -> None:
    """Somebody has to have said it."""
    act = op("V", 90)
    guessed = approval(80, operation=act.operation, target=act.target, grade=Grade.INFERRED)
    assert judged([*told("D@0 P@30 S@60"), guessed, act]).actions == STOP


def test_an_approval_of_something_else_allows_nothing() -> None:
    """What was signed is another action or resource: this change stays unapproved."""
    act = op("V", 90)
    altered = approval(80, operation=act.operation, target=act.target, digest_fits=False)
    assert judged([*told("D@0 P@30 S@60"), altered, act]).actions == STOP


def test_denied_reads_do_not_push_a_denied_grant_out_of_memory() -> None:
    """A flood of small denials hides no large one."""
    denied = op("V", 0, target="role/admin", outcome=Outcome.DENIED)
    flood = [op("S", 1 + k, id=f"s{k}", target=f"secret/{k}", outcome=Outcome.DENIED) for k in range(30)]
    done = op("V", 60, target="role/admin", system="cluster")
    assert "denied_then_elsewhere" in {f.detector for f in judged([denied, *flood, done]).findings}
    assert OpClass.PRIVILEGE_CHANGE is denied.op_class


def test_a_late_event_does_not_change_whose_credential_is_revoked() -> None:
    """The newest event says who a session is now."""
    late = op("D", 10, id="late", credential="old", principal="old")
    heard = judged([*told("D@0 P@30 S@60"), late, *told(CHAIN)[-1:]])
    assert {command.credential for command in heard.commands} != {"old"}


def test_a_credential_that_only_the_late_record_names_is_revoked_too() -> None:
    """Spans come first and name none; the platform's record of the same session is seconds behind."""
    chain = told(CHAIN, credential="", credential_kind=CredentialKind.UNKNOWN)
    record = op("L", 85, id="record", effects=(Effect.WEAKENS,), grade=Grade.ATTESTED)
    heard = judged([*chain, record])
    assert heard.actions == [Action.KILL_SESSION, Action.REVOKE_TOKEN]
    assert heard.commands[-1].credential == record.credential


def test_a_session_of_everybody_is_not_stopped_for_what_one_made_of_it() -> None:
    """A short-lived credential from a shared key: whose session that is, nobody knows any better."""
    shared = {"agent": "key-1", "principal": "key-1"}
    first = op("D", 0, credential="key-1", credential_kind=CredentialKind.SHARED, **shared)
    made = told("P@30 S@60 V@90", credential="token-1", **shared)
    assert judged([first, *made]).actions == [Action.STEP_UP]


def test_a_release_ends_the_alarm_about_what_comes_after_the_stop() -> None:
    """Whoever was let go again acts with leave."""
    stopped = [*told(CHAIN), registered("stop_done", 100, source=LEDGER)]
    assert "after_stop" in judged([*stopped, op("D", 300)]).detectors
    assert "after_stop" not in judged([*stopped, release(200), op("D", 300)]).detectors


@pytest.mark.parametrize("story", ["P@0 V@5", "S@0 C@5"])
def test_ending_between_a_read_and_a_change_hides_no_haste(story: str) -> None:
    """Whoever ends and resumes is who it was."""
    read, change = told(story)
    assert judged([read, change]).detectors == judged([read, end(2), change]).detectors != []


def test_ending_does_not_fade_what_a_session_is_suspected_of() -> None:
    """Its alarms stand, and count together with what comes after: no clean slate but by a human's release."""
    policy = Policy(levels=(Level(name="stop", risk_min=0.85, actions=(Action.KILL_SESSION,)),))
    before, after = told("D@0 P@30 S@60 V@90:denied"), told("V@120", target="role/other", system="cluster")
    unbroken, washed = judged([*before, *after], policy), judged([*before, end(100), *after], policy)
    assert washed.session().alarms == unbroken.session().alarms
    assert "read_then_write_chain" in washed.session().alarms
    assert washed.commands == unbroken.commands


def test_ending_again_and_again_slows_no_velocity() -> None:
    """Rates are the session's, however many ends it tells of."""
    burst = [op("D", k / 100, id=f"b{k}", agent_role="helpdesk", target=f"t{k}") for k in range(60)]
    parts = [part for k, act in enumerate(burst) for part in (act, end(k / 100, id=f"end{k}"))]
    unbroken, broken = judged(burst, baseline=trained()), judged(parts, baseline=trained())
    assert "unusual_velocity" in unbroken.detectors
    assert broken.detectors == unbroken.detectors


def crowd(seconds: float, size: int) -> list[AnyEvent]:
    """Sessions beside, of one other agent: more of them than are remembered push the others out."""
    return [
        op("X", seconds + k / 100, session=f"n{k}", agent="crowd", principal="crowd") for k in range(size)
    ]


@pytest.mark.parametrize("name", ["s2", "planner", "svc-planner"])
@pytest.mark.parametrize("gone", ["ended", "idle", "forgotten", "renamed"])
def test_who_has_left_a_workflow_approves_nothing_in_it(name: str, gone: str) -> None:
    """A delegate that says yes for another stays a delegate, whether its session is remembered or not."""
    beside = op("X", -7200, session="s2", agent="planner", principal="svc-planner")
    leaves: dict[str, list[AnyEvent]] = {
        "ended": [end(-7100, session="s2")],
        "idle": [end(-100, session="s2")],
        "forgotten": crowd(-90, SESSIONS_MAX),
        "renamed": [op("X", -7100, session="s2", agent="another", principal="svc-another")],
    }
    allowed = approval(80, decided_by=name)
    heard = judged([beside, *leaves[gone], *told("D@0 P@30 S@60"), allowed, op("V", 90)])
    assert heard.stopped == {"s1"}


def test_who_has_left_a_workflow_releases_nothing_in_it() -> None:
    """As with an approval."""
    beside = op("X", -7200, session="s2", agent="planner")
    heard = judged([beside, end(-100, session="s2"), *told(CHAIN), release(100, decided_by="planner")])
    assert heard.actions == STOP


def test_a_human_approves_after_any_number_of_sessions_came_and_went() -> None:
    """Names that left are bounded, and nobody else's."""
    heard = judged([*crowd(-90, 2 * NAMES_MAX), *told("D@0 P@30 S@60"), approval(80), op("V", 90)])
    assert heard.actions == []
    assert len(heard.workflows["w1"].names) == NAMES_MAX
    assert not heard.workflows["w1"].owns(HUMAN)


PROTECTING = Policy(
    budget=BudgetSettings(protected_agents=("break-glass",), protected_principals=("break-glass",))
)


@pytest.mark.parametrize("claim", [{"agent": "break-glass"}, {"principal": "break-glass"}])
@pytest.mark.parametrize("story", [CHAIN, "V@90"])
def test_naming_a_protected_identity_is_no_protection(claim: dict[str, Any], story: str) -> None:
    """Telemetry says who it likes to be, at the end or from the start: the platform's record counts."""
    before = told(CHAIN)[:-1] if story == "V@90" else []
    assert judged([*before, *told(story, **claim)], PROTECTING).actions == STOP


def test_a_protected_credential_picked_up_on_the_way_is_no_protection() -> None:
    """Whose session it is was attested before: who gets hold of a break-glass account does not become it."""
    before = [op("X", -1, grade=Grade.ATTESTED), *told("D@0 P@30 S@60")]
    last = op("V", 90, principal="break-glass", grade=Grade.ATTESTED)
    assert judged([*before, last], PROTECTING).actions == STOP


def test_what_the_platform_attested_protects_whatever_telemetry_says_later() -> None:
    """A hook of ours is not stopped because an agent's telemetry gives it another name."""
    first = op("X", -1, principal="break-glass", grade=Grade.ATTESTED)
    heard = judged([first, *told(CHAIN)], PROTECTING)
    assert heard.actions == [Action.STEP_UP]
    assert {event.principal for event in told(CHAIN)} == {PRINCIPAL}


def test_an_id_used_again_hides_no_act() -> None:
    """A chain under one id is the chain it is; told again, each of its steps is a duplicate."""
    chain = told(CHAIN, id="e")
    heard = judged(chain)
    assert heard.actions == STOP
    assert (heard.judge.tally.ids_reused, heard.judge.tally.duplicates) == (3, 0)
    assert heard.fold([chain[-1]]).judge.tally.duplicates == 1


@pytest.mark.parametrize(
    "changed", [{"target": "role/admin"}, {"operation": "iam:PutRolePolicy"}, {"at_ms": 1}]
)
def test_only_the_same_act_is_a_duplicate(changed: dict[str, Any]) -> None:
    """Operation, target and time tell acts apart."""
    act = op("V", 0, id="e")
    other = op("V", 0, **{"id": "e", **changed})
    heard = judged([act, other, act, act])
    assert heard.judge.tally.operations == 3
    assert (heard.judge.tally.ids_reused, heard.judge.tally.duplicates) == (2, 1)


def test_what_is_ordered_after_a_release_is_not_taken_for_what_it_lifted() -> None:
    """Hooks remember which commands were lifted: the same ids again would stop nobody."""
    before = judged(told(CHAIN, id="e"))
    ids = {command.id for command in before.commands}
    after = before.fold([release(100), *told("D@200 P@230 S@260"), op("V", 290, id="e")])
    assert after.actions == [*STOP, Action.RELEASE_SESSION, *STOP]
    assert ids.isdisjoint(command.id for command in after.commands[-2:])
    assert set(after.commands[2].lifts) == ids
