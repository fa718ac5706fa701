"""A responder contains a case: it takes away, and resets logins under its number; its evil twins do more."""

from typing import Any

import pytest

from detectors.judge import Judge
from detectors.policy import Policy
from models.attested import Effect
from models.command import Action
from models.event import AnyEvent, Grade, Operation
from models.registry import Client, Content, Protected, Registry
from models.session import Workflow
from stream.sources.vocabularies import load_vocabulary
from tests.builders import op, registered

SOAR, CASE, APPROVER = "app-soar", "CASE-7", "ann@example.org"
RESET, MAIL = "user.mfa.factor.reset_all", "user.account.update_primary_email"
OFFICE = Registry(
    Content(
        approvers=(APPROVER,),
        clients=(Client(provider="okta", client="app-other", name="integration"),),
        protected=tuple(
            Protected(provider=each, client=SOAR, name="responder") for each in ("okta", "entra", "gcp")
        ),
    )
)


def act(seconds: float, user: str, operation: str, *effects: Effect, **changed: Any) -> Operation:
    """Of the responder, as the platform recorded it; `number` is the case that the record names."""
    client, number = changed.pop("client", SOAR), changed.pop("number", CASE)
    fields = {
        "id": f"{operation}-{user}-{seconds:g}",
        "system": "okta",
        "source": "okta",
        "grade": Grade.ATTESTED,
        "agent": "",
        "principal": client,
        "operation": operation,
        "target": user,
        "target_kind": "factor",
        "effects": effects,
        "facts": {"client": client, "change": number},
    }
    return op("V", seconds, **(fields | changed))


def reset(seconds: float, user: str, operation: str = RESET, **changed: Any) -> Operation:
    """All factors of a user."""
    return act(seconds, user, operation, Effect.WEAKENS, **changed)


def opened(**changed: Any) -> AnyEvent:
    """The case."""
    return registered("case", -30, CASE, **changed)


def wave(**changed: Any) -> list[AnyEvent]:
    """Twelve users' factors are reset, a second apart."""
    return [reset(k, f"user{k}@example.org", **changed) for k in range(12)]


def actions(*events: AnyEvent) -> list[Action]:
    """What is ordered."""
    judge, workflow = Judge(Policy(), None, OFFICE), Workflow("w1")
    decisions = [judge.fold(workflow, event, at, event.at_ms) for at, event in enumerate(events)]
    return [command.action for decision in decisions if decision is not None for command in decision.commands]


def test_a_playbook_that_resets_many_accounts_is_left_alone() -> None:
    """Under its case, whose number each record bears."""
    assert actions(opened(), *wave()) == []
    assert actions(opened(targets=(APPROVER,)), reset(0, APPROVER)) == []


@pytest.mark.parametrize(
    ("provider", "operation"),
    [("entra", "Disable Strong Authentication"), ("gcp", "turnOff2StepVerification")],
)
def test_so_is_one_of_another_platform(provider: str, operation: str) -> None:
    """Which calls it differently."""
    known = load_vocabulary(provider).look_up(operation)
    fields: dict[str, Any] = {"source": provider, "system": provider, "target_kind": known.target_kind}
    assert known.effects == (Effect.WEAKENS,)
    assert actions(opened(), *wave(operation=operation, **fields)) == []
    assert Action.KILL_SESSION in actions(*wave(operation=operation, **fields))


@pytest.mark.parametrize(
    "events",
    [
        wave(),
        [opened(), *wave(number="CASE-8")],
        [opened(), *wave(number="")],
        [opened(), *wave(client="app-other")],
        [opened(decided_by=SOAR), *wave()],
        [opened(grade=Grade.OBSERVED), *wave()],
        [*wave(), registered("case", 60, CASE)],
        [opened(targets=("eve@example.org",)), reset(0, APPROVER)],
        [
            opened(),
            *(reset(k, f"user{k}@example.org", operation=MAIL, target_kind="user") for k in range(2)),
        ],
        [
            opened(),
            act(0, "eve@example.org", "user.mfa.factor.activate", Effect.MINTS, Effect.EXPANDS),
        ],
    ],
    ids=[
        "no case",
        "another case's number",
        "no number",
        "a client that is no responder",
        "a case that it opened itself",
        "a case that only telemetry tells of",
        "a case opened afterwards",
        "an approver's login, and the case is about somebody else",
        "where recovery links go is changed",
        "a factor is enrolled",
    ],
)
def test_its_evil_twin_is_stopped(events: list[AnyEvent]) -> None:
    """The number in a record is a claim; with the responder and the case it is an order."""
    assert Action.KILL_SESSION in actions(*events)


def test_one_that_enrols_its_own_factor_is_none_of_it() -> None:
    """Self-service is no change."""
    own = act(0, SOAR, "user.mfa.factor.activate", Effect.MINTS, Effect.EXPANDS, op_class="other")
    assert actions(opened(), own) == []
