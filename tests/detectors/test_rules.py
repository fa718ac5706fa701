"""`faster_than_human` and `denied_then_elsewhere`: how sure they are, and which way a detour was."""

from typing import Any

import pytest

from models.attested import Effect
from models.command import Action
from models.event import AnyEvent, CredentialKind, Grade
from tests.builders import AGENT, FAST, approval, fast_run, judged, only, op, told, trained

FASTER = only("faster_than_human")
DENIED = only("denied_then_elsewhere")
STOP = [Action.KILL_SESSION, Action.REVOKE_TOKEN]


def test_speed_alone_orders_nothing() -> None:
    """A fast change is worth a look, no more: machines are fast."""
    heard = judged(told("D@0 V@3"))
    assert heard.detectors == ["faster_than_human"]
    assert heard.commands == []


@pytest.mark.parametrize("story", ["D@0 V@3", "V@3 D@0"])
def test_the_pause_is_told_in_the_order_it_happened(story: str) -> None:
    """Whichever of the pair the log brings first."""
    (finding,) = judged(told(story), FASTER).findings
    assert finding.reason.startswith("iam:AttachRolePolicy 3000 ms after iam:ListRoles")
    assert finding.evidence == ("w1/s1/D@0", "w1/s1/V@3")


def test_a_fast_role_is_let_be_only_once_that_was_learned() -> None:
    """Without a baseline nobody knows it: it is an alarm, and no stop."""
    run = fast_run("s1", 90_010)
    assert judged(run, FASTER, trained()).findings == []
    assert judged(run, FASTER).detectors == ["faster_than_human"]
    assert judged(run, FASTER).commands == []


def test_the_floor_is_the_policys() -> None:
    """A site whose people are slower says so."""
    assert judged(told("D@0 V@20"), only("faster_than_human", human_floor_ms=30_000)).findings != []
    assert judged(told("D@0 V@20", agent_role=FAST), FASTER).findings == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"principal": "svc-shared"}, "as svc-shared instead of svc-agent-7"),
        ({"system": "k8s"}, "in k8s instead of aws"),
        ({"credential_kind": CredentialKind.STATIC}, "with a credential of kind static instead of ephemeral"),
        ({"operation": "iam:PutRolePolicy"}, "by another operation to the same end"),
    ],
    ids=["principal", "system", "credential", "operation"],
)
def test_a_detour_to_the_same_target_is_stopped_and_named(changed: dict[str, str], words: str) -> None:
    """The strictest boundary said no; that the laxest says yes is no permission."""
    heard = judged([op("V", 0, outcome="denied"), op("V", 60, **changed)], DENIED)
    assert heard.findings[0].reason.endswith(words)
    assert heard.actions[0] is Action.KILL_SESSION


def test_a_detour_to_another_target_asks_for_step_up() -> None:
    """It may be other work altogether."""
    events: list[AnyEvent] = [op("V", 0, outcome="denied"), op("R", 60, target="group/x", system="okta")]
    assert judged(events, DENIED).actions == [Action.STEP_UP]


_DELEGATE: dict[str, Any] = {"session": "s2", "agent": "agent-8", "principal": "svc-8"}


def test_a_secret_that_an_entitled_delegate_reads_asks_for_step_up() -> None:
    """To have read what one may not read is what delegation is for, honestly or not: a human looks."""
    events: list[AnyEvent] = [op("S", 0, outcome="denied"), op("S", 60, **_DELEGATE)]
    assert judged(events, DENIED).actions == [Action.STEP_UP]


@pytest.mark.parametrize(
    ("letter", "changed"),
    [
        ("S", _DELEGATE | {"credential_kind": CredentialKind.SHARED}),
        ("S", _DELEGATE | {"credential_kind": CredentialKind.UNKNOWN}),
        ("S", {"principal": "svc-8"}),
        ("V", _DELEGATE),
        ("C", _DELEGATE),
    ],
    ids=["a shared account", "nobody knows whose", "the same session", "a grant", "a credential"],
)
def test_a_delegate_with_no_right_of_its_own_is_a_detour(letter: str, changed: dict[str, Any]) -> None:
    """Neither are grants and credentials work that is handed on because it was refused."""
    events: list[AnyEvent] = [op(letter, 0, outcome="denied"), op(letter, 60, **changed)]
    assert judged(events, DENIED).actions[0] is Action.KILL_SESSION


def test_a_delegates_change_after_such_a_read_is_a_stop() -> None:
    """The secret alone is a question; what is done with it answers."""
    change = op("V", 90, effects=(Effect.EXPANDS, Effect.ADMIN), **_DELEGATE)
    events: list[AnyEvent] = [op("S", 0, outcome="denied"), op("S", 60, **_DELEGATE), change]
    assert judged(events).stopped == {"s2"}


@pytest.mark.parametrize(
    ("refused", "stopped"),
    [
        ({}, {"s1"}),
        ({"grade": Grade.OBSERVED}, set()),
        ({"target": "role/other"}, set()),
        ({"outcome": "error"}, set()),
    ],
    ids=["refused by record", "refused as the agent says", "another target was", "it broke"],
)
def test_an_approval_of_its_own_for_what_was_refused_is_stopped_before_the_act(
    refused: dict[str, Any], stopped: set[str]
) -> None:
    """Too fast and its own is a question; to wave through what the platform refused is none any more."""
    tried = {"outcome": "denied", "grade": Grade.ATTESTED, "effects": (Effect.EXPANDS,)} | refused
    heard = judged([op("V", -30, **tried), approval(0, asked_s=-0.4, decided_by=AGENT)])
    assert heard.stopped == stopped


def test_a_hasty_approval_of_what_was_refused_is_no_stop_where_a_human_gave_it() -> None:
    """One fault is what a colleague in a hurry makes."""
    tried = op("V", -30, outcome="denied", grade=Grade.ATTESTED, effects=(Effect.EXPANDS,))
    assert judged([tried, approval(0, asked_s=-0.4)]).stopped == set()


@pytest.mark.parametrize("first", [0, 1])
def test_either_of_the_pair_may_come_late(first: int) -> None:
    """The same verdict, whichever the log brings first."""
    pair: list[AnyEvent] = [op("V", 0, outcome="denied"), op("V", 290, principal="svc-shared")]
    heard = judged([pair[first], pair[1 - first]], DENIED)
    assert heard.actions == STOP
    assert heard.findings[0].evidence == ("w1/s1/V@0", "w1/s1/V@290")


def test_the_session_that_went_round_is_stopped_not_the_one_that_was_denied() -> None:
    """An act is held against whoever acted, even if a late denial makes it visible."""
    events: list[AnyEvent] = [
        op("V", 60, session="s2", agent="agent-8", principal="svc-8"),
        op("V", 0, outcome="denied"),
    ]
    assert judged(events, DENIED).stopped == {"s2"}


def test_a_permission_that_somebody_fixed_is_no_detour_even_after_many_tries() -> None:
    """The same call by the same principal, denied again and again, then allowed."""
    tries = [op("V", k, outcome="denied") for k in range(40)]
    assert judged([*tries, op("V", 50), op("V", 51)], DENIED).findings == []


ASSIGNED = "/subscriptions/sub-1/providers/Microsoft.Authorization/roleAssignments/a1"


@pytest.mark.parametrize(
    ("thing", "target", "approved", "fine"),
    [
        (ASSIGNED, "sub-1", ASSIGNED, True),
        (ASSIGNED, "sub-1", ASSIGNED.upper(), True),
        (ASSIGNED, "sub-1", ASSIGNED.replace("a1", "a2"), False),
        (ASSIGNED, "sub-1", "a1", False),
        ("org/infra@main", "org/infra", "org/infra@main", True),
        ("org/infra@main", "org/infra", "org/infra@refs/heads/main", True),
        ("org/infra@main", "org/infra", "org/infra@release", False),
        ("", "org/infra", "org/infra@main", False),
    ],
)
def test_the_whole_id_of_what_is_written_names_it(
    thing: str, target: str, approved: str, *, fine: bool
) -> None:
    """An assignment says whom it gives what: who allows its id allows that, and no other assignment."""
    change = op(
        "R",
        0,
        target=target,
        effects=(Effect.EXPANDS, Effect.ADMIN),
        facts={"beneficiary": "sp-9", "granted": "Owner", **({"thing": thing} if thing else {})},
    )
    heard = judged(
        [approval(-10, operation=change.operation, target=approved), change], only("unapproved_change")
    )
    assert (heard.findings == []) is fine


def test_a_guessed_denial_never_stops() -> None:
    """A detour is as certain as both of its halves."""
    events: list[AnyEvent] = [
        op("V", 0, outcome="denied", grade=Grade.INFERRED),
        op("V", 60, principal="svc-shared", grade=Grade.ATTESTED),
    ]
    assert judged(events, DENIED).actions == [Action.STEP_UP]


def test_the_same_detour_again_is_no_news() -> None:
    """Edge-triggered: one finding, one stop."""
    events: list[AnyEvent] = [op("V", 0, outcome="denied")]
    events += [op("V", 60 + k, principal="svc-shared") for k in range(20)]
    heard = judged(events, DENIED)
    assert heard.detectors == ["denied_then_elsewhere"]
    assert heard.actions == STOP
