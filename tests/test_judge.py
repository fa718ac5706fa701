"""The fold: what a stop survives, who is spared, and that what is remembered stays small."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from detectors.decision import INHERITED
from detectors.policy import BudgetSettings, Level, Policy
from models.attested import Effect
from models.command import Action
from models.event import AnyEvent, CredentialKind, Grade, OpClass
from models.session import RECENT_IDS_MAX, SESSIONS_MAX, Workflow
from tests.builders import (
    AGENT,
    CHAIN,
    PRINCIPAL,
    Judged,
    approval,
    at,
    delegation,
    end,
    join,
    judged,
    op,
    release,
    started,
    told,
    trained,
)

STOP = [Action.KILL_SESSION, Action.REVOKE_TOKEN]
HOUR_S = 3600


def test_ordinary_work_leads_to_nothing() -> None:
    """No finding, no command, and each operation counted."""
    heard = judged(told("X@0 D@20 X@40 D@60 R@90"))
    assert (heard.findings, heard.commands) == ([], [])
    assert heard.judge.tally.operations == 5


def test_what_is_no_operation_is_not_counted_as_one() -> None:
    """An approval is an event, once, and takes nothing from the number of operations."""
    heard = judged([*told("X@0 D@20"), approval(30)])
    assert (heard.judge.tally.events, heard.judge.tally.operations) == (3, 2)


def test_a_release_clears_the_session_and_tells_the_hooks() -> None:
    """Whoever was stopped wrongly works on, with a clean slate."""
    heard = judged([*told(CHAIN), release(100, reason="a drill")])
    assert heard.actions == [*STOP, Action.RELEASE_SESSION]
    assert heard.session().verdict is Action.OBSERVE
    assert heard.session().alarms == {}
    assert heard.commands[-1].reason == "released by ann@example.org: a drill"
    assert heard.commands[-1].risk == 0.0
    assert heard.fold([op("V", 110)]).actions == [*STOP, Action.RELEASE_SESSION]


def test_a_released_session_may_earn_a_stop_anew() -> None:
    """A release forgives what was, not what comes."""
    heard = judged([*told(CHAIN), release(100), *told("D@200 P@230 S@260 V@290")])
    assert heard.actions == [*STOP, Action.RELEASE_SESSION, *STOP]


def test_a_release_of_a_session_nobody_remembers_reaches_the_hooks_and_leaves_nothing() -> None:
    """Its stop may still stand at a hook; a flood of releases fills no memory."""
    heard = judged([release(k, session=f"gone{k}", id=f"r{k}") for k in range(1000)])
    assert heard.actions == [Action.RELEASE_SESSION] * 1000
    assert heard.workflows["w1"].sessions == {}


@pytest.mark.parametrize(
    "budget",
    [BudgetSettings(protected_agents=(AGENT,)), BudgetSettings(protected_principals=(PRINCIPAL,))],
    ids=["agent", "principal"],
)
def test_a_protected_identity_is_asked_not_stopped(budget: BudgetSettings) -> None:
    """Our own hooks and break-glass accounts: less force, never silence."""
    heard = judged(told(CHAIN, grade=Grade.ATTESTED), Policy(budget=budget))
    assert heard.actions == [Action.STEP_UP]
    assert heard.commands[0].degraded_from is Action.KILL_SESSION
    assert "protected" in heard.commands[0].reason


def test_a_stop_that_protection_forbids_is_told_even_where_step_up_stands_already() -> None:
    """A human must hear that a stop was due, not only that something was odd before."""
    policy = Policy(budget=BudgetSettings(protected_agents=(AGENT,)))
    attested = told("D@0 P@30 S@60 V@90:denied", grade=Grade.ATTESTED)
    heard = judged([*attested, op("V", 100), op("V", 101)], policy)
    assert heard.actions == [Action.STEP_UP, Action.STEP_UP]
    assert [command.degraded_from for command in heard.commands] == [None, Action.KILL_SESSION]


def test_a_session_that_starts_again_after_idling_keeps_its_stop() -> None:
    """Silence is no amends."""
    heard = judged([*told(CHAIN), op("D", 90 + 2 * HOUR_S)])
    assert heard.session().verdict is Action.KILL_SESSION
    assert heard.session().events == 1
    again = told(f"D@{3 * HOUR_S} P@{3 * HOUR_S + 1} S@{3 * HOUR_S + 2} V@{3 * HOUR_S + 3}")
    assert heard.fold(again).actions == STOP


def test_the_end_of_a_session_keeps_its_stop() -> None:
    """Ending and starting under the same name is no way out."""
    heard = judged([*told(CHAIN), end(95)])
    assert heard.session().verdict is Action.KILL_SESSION


def test_a_session_that_ended_is_remembered_until_it_would_be_idle() -> None:
    """Then it would start anew anyway, so there is nothing to win by ending; and nothing is kept for ever."""
    heard = judged([*told("D@0"), end(HOUR_S - 1)])
    assert set(heard.workflows["w1"].sessions) == {"s1"}
    assert heard.fold([end(HOUR_S, id="again")]).workflows["w1"].sessions == {}


def test_a_stop_ends_with_its_lifetime_and_may_then_be_earned_again() -> None:
    """The policy's lifetime, on the event's clock."""
    day = 24 * HOUR_S
    heard = judged([*told(CHAIN), *told(f"D@{day + 100} P@{day + 101} S@{day + 102} V@{day + 103}")])
    assert heard.actions == [*STOP, *STOP]
    assert heard.commands[0].expires_ms == at(90) + day * 1000


def test_a_credential_that_must_not_be_revoked_means_its_session_is_killed() -> None:
    """A policy that only revokes would else be silent about a shared credential."""
    levels = (Level(name="revoke", risk_min=0.85, actions=(Action.REVOKE_TOKEN,)),)
    assert judged(told(CHAIN), Policy(levels=levels)).actions == [Action.REVOKE_TOKEN]
    shared = told(CHAIN, credential_kind=CredentialKind.SHARED)
    heard = judged(shared, Policy(levels=levels))
    assert heard.actions == [Action.KILL_SESSION]
    assert heard.session().verdict is Action.KILL_SESSION


def test_of_an_account_only_what_the_act_was_done_by_is_revoked() -> None:
    """Several runs may act by one account, each by a token of its own: no other run's is revoked."""
    work = [op("X", 0, credential="token-1"), op("X", 10, credential="token-2")]
    grave = {"effects": (Effect.EXPANDS, Effect.ADMIN), "credential": "token-1"}
    late = judged([*work, op("V", 5, **grave)])
    assert late.actions == STOP
    assert {command.credential for command in late.commands} == {"token-1"}
    run = started("s1", seconds=-1)
    known = judged([run, *work, op("V", 5, **grave)])
    revoked = {command.credential for command in known.commands if command.action is Action.REVOKE_TOKEN}
    assert revoked == {"token-1", "token-2"}, "a run's are all its own"


def test_shadow_mode_decides_and_marks_every_command() -> None:
    """The verdict that would have been, and nobody acts on it."""
    heard = judged(told(CHAIN), Policy(shadow=True))
    assert heard.actions == STOP
    assert all(command.shadow for command in heard.commands)


def test_what_may_not_stop_asks_for_step_up_at_any_risk() -> None:
    """The policy names what may stop."""
    heard = judged(told(CHAIN), Policy(may_stop=("denied_then_elsewhere",)))
    assert heard.actions == [Action.STEP_UP]


def test_an_inherited_suspicion_is_half_the_parents_and_fades_like_any() -> None:
    """Evidence and grade come along, so that the reason can be told."""
    heard = judged([*told(CHAIN), delegation(90, "s1", "s2")])
    alarm = heard.session("s2").alarms[INHERITED]
    assert alarm.confidence == pytest.approx(0.97 * Policy().inherited_share)
    assert alarm.evidence == tuple(event.id for event in told(CHAIN))
    assert heard.session("s2").parent == "s1"


def test_a_first_operation_that_names_its_parent_inherits_like_a_delegation() -> None:
    """Telemetry without delegation events still carries the tree."""
    heard = judged([*told(CHAIN), op("D", 91, session="s2", parent_session="s1")])
    assert INHERITED in heard.session("s2").alarms


def test_a_delegation_from_a_session_beyond_suspicion_hands_nothing_on() -> None:
    """No alarm, nothing to inherit."""
    heard = judged([*told("D@0"), delegation(1, "s1", "s2"), delegation(2, "nobody", "s3")])
    assert heard.session("s2").alarms == {}
    assert heard.session("s3").alarms == {}


def test_the_same_offset_is_folded_once() -> None:
    """What comes again after a crash is known by its position."""
    heard = Judged()
    workflow = Workflow("w1")
    events = told(CHAIN)
    for _ in range(2):
        for position, event in enumerate(events):
            heard.judge.fold(workflow, event, position, event.at_ms)
    assert heard.judge.tally.redelivered == 4
    assert workflow.sessions["s1"].events == 4


GRAVE = (Effect.EXPANDS, Effect.ADMIN)


def test_what_is_later_than_the_policy_states_is_judged_and_counted() -> None:
    """Late is counted against the session's newest event."""
    heard = judged([op("D", 1000), op("D", 1000 - 300), op("D", 1000 - 300.001)])
    assert heard.judge.tally.late == 1
    in_time = judged([op("S", 250), op("V", 0, effects=GRAVE)])
    late = judged([op("S", 400), op("V", 0, effects=GRAVE)])
    assert "(late: " not in in_time.findings[-1].reason
    assert late.findings[-1].reason.endswith("(late: its session's newest act is 7 min younger)")


def test_duplicates_are_known_by_id_and_source_for_as_long_as_they_are_remembered() -> None:
    """Another source may use the same id; a duplicate that is too late is judged again."""
    twice = [op("D", 0, id="e"), op("D", 0, id="e"), op("D", 0, id="e", source="okta")]
    assert judged(twice).judge.tally.duplicates == 1
    assert judged(twice).judge.tally.ids_reused == 0
    others = [op("D", k, id=f"o{k}") for k in range(RECENT_IDS_MAX)]
    assert judged([op("D", 0, id="e"), *others, op("D", 0, id="e")]).judge.tally.duplicates == 0


def size_of(workflow: Workflow) -> int:
    """Bytes as stored."""
    return len(msgspec.msgpack.encode(workflow))


def flood(count: int, start: int = 0) -> list[AnyEvent]:
    """Everything distinct: ids, sessions, targets, operations, principals, approvals, delegations."""
    classes = list(OpClass)
    events: list[AnyEvent] = []
    for k in range(start, start + count):
        name = f"{k:06d}"
        changed = {"id": f"e{name}", "session": f"s{name}", "operation": f"op:{name}", "target": f"t/{name}"}
        outcome = ("ok", "denied", "error")[k % 3]
        events.append(
            op("D", k, **changed, principal=f"p{name}", op_class=classes[k % len(classes)], outcome=outcome)
        )
        if k % 5 == 0:
            events.append(approval(k, id=f"a{name}", session=f"s{name}", target=f"t/{name}"))
            events.append(delegation(k, f"s{name}", f"d{name}", id=f"d{name}"))
            events.append(release(k, session=f"s{name}", id=f"r{name}"))
    return events


@pytest.mark.slow
def test_ten_thousand_distinct_events_leave_as_much_as_two_thousand() -> None:
    """State is bounded, whatever an agent invents."""
    heard = Judged(baseline=trained()).fold(flood(2000))
    before = size_of(heard.workflows["w1"])
    heard.fold(flood(8000, start=2000))
    after = size_of(heard.workflows["w1"])
    assert after < before * 1.1
    assert after < 100_000
    assert len(heard.workflows["w1"].sessions) == SESSIONS_MAX
    assert heard.judge.tally.sessions_forgotten > 0


@pytest.mark.slow
def test_one_session_with_ten_thousand_events_stays_small() -> None:
    """Rings and registers do not grow with the length of a run."""
    heard = Judged(baseline=trained()).fold(replace(event, session="s1") for event in flood(10_000))
    assert size_of(heard.workflows["w1"]) < 40_000


def test_a_stopped_session_is_forgotten_last() -> None:
    """A flood of new sessions does not wash a stop away."""
    heard = judged(told(CHAIN))
    heard.fold(op("X", 100 + k, session=f"n{k}", agent=f"a{k}") for k in range(10 * SESSIONS_MAX))
    assert heard.session("s1").verdict is Action.KILL_SESSION


@pytest.mark.parametrize("who", [AGENT, PRINCIPAL, "planner", "s2"])
def test_nobody_releases_a_session_of_their_own_workflow(who: str) -> None:
    """A release that the stopped agent or one beside it decided changes nothing, and is told."""
    beside = op("X", 0, session="s2", agent="planner")
    heard = judged([beside, *told(CHAIN), release(100, decided_by=who)])
    assert heard.actions == STOP
    assert heard.session().verdict is Action.KILL_SESSION
    assert heard.findings[-1].detector == "self_release"


def test_a_late_end_does_not_take_what_came_after_it() -> None:
    """An end of before says nothing of what the session has done since."""
    heard = judged([*told("P@100"), end(50), *told("C@101")])
    assert heard.detectors == ["faster_than_human"]


def test_a_session_that_has_ended_answers_for_its_own_act() -> None:
    """A late first step by another completes the chain: whoever wrote is stopped, not who came late."""
    heard = judged([*told("P@30 S@60 V@90"), end(91), op("D", 1, session="s2", agent="honest")])
    assert heard.stopped == {"s1"}
    assert heard.session("s1").verdict is Action.KILL_SESSION


def test_a_session_that_answers_takes_the_room_of_the_longest_silent() -> None:
    """The number of sessions keeps its limit, and the session of the event keeps its place."""
    crowd = [op("X", 100 + k, session=f"n{k}") for k in range(SESSIONS_MAX)]
    heard = judged([*told("P@30 S@60 V@90"), end(91), *crowd, op("D", 1, session="n0")])
    assert heard.stopped == {"s1"}
    assert len(heard.workflows["w1"].sessions) == SESSIONS_MAX
    assert heard.session("n0").events == 2


def test_what_moved_to_its_true_session_is_held_against_nobody_else() -> None:
    """A provisional session answers for what is left to it, and for no more."""
    grave: dict[str, Any] = {"effects": (Effect.EXPANDS, Effect.ADMIN)}
    heard = judged([op("V", 0, outcome="denied", **grave), op("D", 1)])
    assert set(heard.session().alarms) == {"unapproved_change"}
    (moved,) = [event.id for event in told("V@0")]
    heard.fold([join(2, moved=(moved,))])
    assert heard.session().alarms == {}
    assert heard.fold([join(3, moved=(moved, "w1/s1/D@1"))]).workflows["w1"].sessions == {}
