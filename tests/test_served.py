"""What is asked about, not stopped: a help desk's odd reset, new addresses, passwords in an emergency."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from detectors.judge import Judge
from detectors.policy import Policy
from models.attested import Effect
from models.baselines.baseline import Baseline, read_artifact, write_artifact
from models.baselines.learning import learn
from models.command import Action
from models.event import AnyEvent, Grade, Operation
from models.registry import Client, Content, Registry
from models.session import Workflow
from stream.sources.vocabularies import load_vocabulary
from tests.builders import PRINCIPAL, SIGNER, TRUSTED, op, registered

DESK = "desk"
APPROVER = "ann@example.org"
SYNC, READER = "app-sync", "app-reader"
OFFICE = Registry(
    Content(
        approvers=(APPROVER,),
        clients=(
            Client(provider="okta", client=SYNC, scope="users and ordinary groups"),
            Client(provider="okta", client=READER, name="users"),
        ),
    )
)
PASSWORD: dict[str, Any] = {
    "operation": "Reset user password",
    "effects": (Effect.MINTS,),
    "target_kind": "user",
}
RESET = "user.mfa.factor.reset_all"


def act(letter: str, seconds: float, **changed: Any) -> Operation:
    """Of the help desk, as the platform recorded it."""
    fields = {"system": "okta", "agent_role": DESK, "grade": Grade.ATTESTED, "source": "okta"}
    return op(letter, seconds, **(fields | changed))


def ticket(seconds: float, author: str = "employee") -> Operation:
    """One that it opens."""
    return act("X", seconds, system="tickets", facts={"author": author})


def factor(seconds: float, user: str, **changed: Any) -> Operation:
    """It takes one of a user's factors away."""
    fields = {"operation": "user.mfa.factor.deactivate", "effects": (Effect.REMOVES,), "target": user}
    return act("V", seconds, **(fields | {"target_kind": "factor"} | changed))


def reset(seconds: float, user: str = "eve@example.org", **changed: Any) -> Operation:
    """All of them."""
    return factor(seconds, user, **({"operation": RESET, "effects": (Effect.WEAKENS,)} | changed))


@cache
def baseline() -> Baseline:
    """Of a help desk that has taken away one factor in each of thirty sessions, of one user after another."""
    runs = [
        [
            ticket(k * 9_000),
            factor(k * 9_000 + 60, f"user{k % 9}@example.org", session=f"s{k}"),
        ]
        for k in range(30)
    ]
    return read_artifact(write_artifact(*learn(runs, {}), SIGNER), Path("desk"), TRUSTED)


def actions(*events: AnyEvent) -> list[Action]:
    """What is ordered."""
    judge, workflow, told = Judge(Policy(), baseline(), OFFICE), Workflow("w1"), list[Action]()
    for place, event in enumerate(events):
        decision = judge.fold(workflow, event, place, event.at_ms)
        told += [command.action for command in decision.commands] if decision is not None else []
    return told


def test_a_help_desk_that_takes_all_factors_once_is_asked() -> None:
    """For an employee's ticket, and one user: three doubts about one small act."""
    assert actions(ticket(0), reset(60)) == [Action.STEP_UP]
    assert actions(ticket(0, "external"), ticket(30), reset(60)) == [Action.STEP_UP]


@pytest.mark.parametrize(
    "events",
    [
        (ticket(0), reset(60, APPROVER)),
        (reset(60),),
        (ticket(0, "external"), reset(60)),
        (ticket(0, "unauthenticated"), ticket(30), reset(60)),
        (ticket(0), reset(60), reset(120, "bob@example.org")),
        (ticket(0), act("V", 30, operation="policy.rule.update", effects=(Effect.WEAKENS,)), reset(60)),
        (ticket(0), act("V", 30, outcome="denied", effects=(Effect.EXPANDS,)), reset(60)),
        (ticket(0), reset(60, system="entra")),
        (ticket(0), reset(60, effects=(Effect.WEAKENS, Effect.EXPANDS))),
        (ticket(0), reset(60, "root")),
    ],
    ids=[
        "an approver's login",
        "no ticket",
        "a ticket from outside",
        "a ticket by nobody known before",
        "a second login",
        "a rule was loosened before",
        "something was refused before",
        "another platform",
        "it gives more, too",
        "no such target",
    ],
)
def test_its_evil_twin_is_stopped(events: tuple[Operation, ...]) -> None:
    """Where any of that is missing."""
    assert Action.KILL_SESSION in actions(*events)


def test_an_approvers_login_is_a_guard_rail() -> None:
    """Whoever takes it over allows whatever they want; nobody has to know the job for that."""
    judge, workflow = Judge(Policy(), None, OFFICE), Workflow("w1")
    other = judge.fold(workflow, reset(0), 0, 0)
    assert other is not None
    assert Action.KILL_SESSION not in [command.action for command in other.commands]
    for event, stopped in ((reset(0, APPROVER), True), (reset(0, APPROVER, principal=APPROVER), False)):
        decision = judge.fold(Workflow("w2"), event, 0, 0)
        assert decision is not None
        assert (Action.KILL_SESSION in [command.action for command in decision.commands]) is stopped


def address(seconds: float, user: str, client: str = SYNC, **changed: Any) -> Operation:
    """A user's new one, as a client writes it."""
    fields = {"operation": "user.account.update_primary_email", "target_kind": "user", "agent_role": "sync"}
    return reset(seconds, user, **(fields | {"facts": {"client": client}} | changed))


def test_a_client_registered_for_users_is_asked_about_their_new_addresses() -> None:
    """Many of them, after a merger."""
    assert set(actions(*(address(k, f"user{k}@example.org") for k in range(9)))) == {Action.STEP_UP}


@pytest.mark.parametrize(
    "changed",
    [
        {"client": READER},
        {"client": "app-unknown"},
        {"effects": (Effect.WEAKENS, Effect.EXPANDS)},
        {"target_kind": "factor"},
        {"user": APPROVER},
    ],
    ids=["not registered for users", "nobody's client", "it gives more, too", "factors", "an approver's"],
)
def test_other_addresses_and_other_clients_are_stopped(changed: dict[str, Any]) -> None:
    """A name of users is no registration for them."""
    events = [address(k, **({"user": f"user{k}@example.org"} | changed)) for k in range(2)]
    assert Action.KILL_SESSION in actions(*events)


def password(seconds: float, user: str = "eve@example.org", **changed: Any) -> Operation:
    """A new one, for somebody else."""
    return act("C", seconds, **(PASSWORD | {"target": user, "facts": {"beneficiary": user}} | changed))


def enrolled(seconds: float, user: str = "eve@example.org", **changed: Any) -> Operation:
    """A factor, for somebody else."""
    fields = {"operation": "Admin registered security info", "target_kind": "factor"}
    return password(seconds, user, **(fields | changed))


def declared(**changed: Any) -> AnyEvent:
    """An incident, for whoever acts."""
    return registered("incident", -60, "inc-1", **({"targets": (PRINCIPAL,)} | changed))


def test_whoever_an_incident_was_declared_for_gives_people_passwords() -> None:
    """Several, in a row."""
    assert set(actions(declared(), *(password(k, f"user{k}@example.org") for k in range(9)))) == {
        Action.STEP_UP
    }


@pytest.mark.parametrize(
    "events",
    [
        [],
        [declared(targets=("somebody-else",))],
        [declared(decided_by=PRINCIPAL)],
        [declared(grade=Grade.OBSERVED)],
        [declared(), registered("incident_closed", -5, "inc-1")],
        [declared(expires_ms=password(-1).at_ms)],
    ],
    ids=["none", "for somebody else", "by itself", "telemetry's", "closed", "over"],
)
def test_without_an_incident_of_theirs_they_are_stopped(events: list[AnyEvent]) -> None:
    """As before, by what is new for them beside what nobody approved."""
    assert Action.KILL_SESSION in actions(*events, *(password(k, f"user{k}@example.org") for k in range(9)))


@pytest.mark.parametrize(
    "changed",
    [
        {"effects": (Effect.MINTS, Effect.LONG_LIVED)},
        {"effects": (Effect.MINTS, Effect.EXPANDS)},
        {"effects": (Effect.EXPANDS, Effect.ADMIN), "op_class": "role_mapping"},
    ],
    ids=["it lasts", "it gives more, too", "an administrator is made"],
)
def test_an_emergency_excuses_nothing_that_stays(changed: dict[str, Any]) -> None:
    """It passes; what it leaves does not."""
    events = [password(k, f"user{k}@example.org", **changed) for k in range(9)]
    assert Action.KILL_SESSION in actions(declared(), *events)


def test_nor_does_it_excuse_factors_and_the_approvers_passwords() -> None:
    """A factor stays; and whoever logs in as an approver allows the rest, and not in an emergency only."""
    assert Action.KILL_SESSION in actions(
        declared(), *(enrolled(k, f"user{k}@example.org") for k in range(9))
    )
    assert Action.KILL_SESSION in actions(declared(), password(0, APPROVER))
    assert Action.KILL_SESSION in actions(password(0, APPROVER))
    assert Action.KILL_SESSION not in actions(password(0, APPROVER, principal=APPROVER))


@pytest.mark.parametrize(
    ("provider", "operation"),
    [
        ("entra", "Disable Strong Authentication"),
        ("entra", "Admin deleted security info"),
        ("aws", "iam:DeactivateMFADevice"),
        ("aws", "sso-directory:DeleteMfaDeviceForUser"),
        ("gcp", "turnOff2StepVerification"),
        ("github", "two_factor_authentication.disabled"),
        ("okta", RESET),
    ],
)
def test_a_factor_is_no_address_on_any_platform(provider: str, operation: str) -> None:
    """What a client registered for users may write is where they are reached."""
    known = load_vocabulary(provider).look_up(operation)
    fields: dict[str, Any] = {"operation": operation, "effects": known.effects, "op_class": known.op_class}
    events = [address(k, f"user{k}@example.org", target_kind=known.target_kind, **fields) for k in range(2)]
    assert Action.KILL_SESSION in actions(*events)
