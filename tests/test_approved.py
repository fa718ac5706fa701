"""What people allowed at the gateway: under a step-up an approved change goes through, and no other does."""

import json
from typing import Any

import pytest

from detectors.policy import ApprovalSettings
from models.event import Approval, Delegation, Operation
from models.registry import Content, Registry
from stream.enforcement.approved import Approved
from stream.enforcement.calls import read_call, read_fact

NOW_MS = 1_790_000_000_000
SOURCE = "//chainbrake/gateway/test"
CHANGE = {"op_class": "privilege_change", "operation": "iam:AttachRolePolicy", "target": "role/app"}
WHO = {"workflow": "wf", "session": "s", "agent": "agent/app", "principal": "svc-app"}


def call(now_ms: int = NOW_MS, **changed: Any) -> Operation:
    """The change, as the agent asks for it."""
    return read_call(json.dumps({**WHO, **CHANGE, **changed}).encode(), SOURCE, now_ms)


def approval(**changed: object) -> Approval:
    """Of that very change, by a person who took ten seconds, a minute ago."""
    at_ms = NOW_MS - 60_000
    fields = {
        "kind": "approval",
        "workflow": "wf",
        "session": "s",
        "agent": "agent/app",
        "operation": CHANGE["operation"],
        "target": CHANGE["target"],
        "decided_by": "ann@example.org",
        "at_ms": at_ms,
        "requested_ms": at_ms - 10_000,
    }
    fact = read_fact(json.dumps({**fields, **changed}).encode(), SOURCE, NOW_MS)
    assert isinstance(fact, Approval)
    return fact


def delegation(parent: str, child: str) -> Delegation:
    """`parent` hands work to `child`."""
    fields = {"kind": "delegation", "workflow": "wf", "session": child, "agent": "agent/helper"}
    fact = read_fact(json.dumps({**fields, "parent_session": parent}).encode(), SOURCE, NOW_MS)
    assert isinstance(fact, Delegation)
    return fact


def told(*facts: Approval | Delegation) -> Approved:
    """A gateway that heard these."""
    approved = Approved()
    for fact in facts:
        approved.hear(fact)
    return approved


def test_an_approved_change_goes_through_once() -> None:
    """One approval, one act."""
    approved = told(approval())
    assert approved.take(call()) is not None
    assert approved.take(call()) is None


def test_an_approval_after_the_refusal_counts_as_well_as_one_before() -> None:
    """That is what a step-up asks for."""
    approved = told()
    assert approved.take(call()) is None
    approved.hear(approval(at_ms=NOW_MS + 20_000, requested_ms=NOW_MS))
    assert approved.take(call(NOW_MS + 21_000)) is not None


@pytest.mark.parametrize(
    "other",
    [
        {"operation": "iam:CreateAccessKey"},
        {"target": "role/admin"},
        {"session": "another"},
        {"workflow": "another"},
    ],
)
def test_another_change_does_not(other: dict[str, str]) -> None:
    """Not another operation, target, session or workflow."""
    changed: dict[str, Any] = {**other}
    assert told(approval()).take(call(**changed)) is None


@pytest.mark.parametrize(
    "other",
    [
        {"decided_by": "agent/app"},
        {"decided_by": "svc-app"},
        {"decided_by": "s"},
        {"decided_by": "bob", "requested_by": "bob"},
        {"requested_ms": NOW_MS - 60_000 - 500},
        {"expires_ms": NOW_MS - 1},
        {"at_ms": NOW_MS - 9 * 3_600_000, "requested_ms": None},
        {"at_ms": NOW_MS + 10_000, "requested_ms": None},
        {"digest_fits": False},
    ],
)
def test_what_is_no_approval_for_the_judge_is_none_here(other: dict[str, object]) -> None:
    """By whoever acts or asked, faster than a person reads, run out, not given yet, or of something else."""
    fields = {name: value for name, value in other.items() if value is not None}
    if "requested_ms" in other and other["requested_ms"] is None:
        fields["requested_ms"] = int(str(fields["at_ms"])) - 10_000
    assert told(approval(**fields)).take(call()) is None


def test_an_agent_that_was_seen_in_the_workflow_approves_nothing_in_it() -> None:
    """Delegates must not approve one another."""
    approved = told(delegation("s", "helper"))
    approved.take(call(session="reader", agent="agent/reader", op_class="discovery"))
    for agent in ("agent/helper", "agent/reader"):
        approved.hear(approval(decided_by=agent))
        assert approved.take(call()) is None


def test_an_approval_reaches_the_session_that_the_work_was_handed_to() -> None:
    """And not the one that handed it over, for which it was not given."""
    approved = told(delegation("s", "child"), approval())
    assert approved.take(call(session="child")) is not None
    assert told(delegation("s", "child"), approval(session="child")).take(call()) is None


def test_work_is_handed_over_once() -> None:
    """Else a session under a step-up would name another parent, one with an approval."""
    approved = told(delegation("parent", "s"), delegation("rich", "s"), approval(session="rich"))
    assert approved.take(call()) is None


def test_what_was_allowed_once_is_not_allowed_again_after_a_call_that_needed_no_step_up() -> None:
    """Else a change made before the step-up could be repeated under it."""
    approved = told(approval())
    assert approved.take(call()) is not None  # nothing stood against it
    assert approved.take(call(NOW_MS + 1_000)) is None


def test_an_approval_of_a_call_that_was_not_made_is_still_good() -> None:
    """The broker was away: the agent tries again."""
    approved = told(approval())
    grant = approved.take(call())
    assert grant is not None
    approved.give_back(grant)
    assert approved.take(call()) is not None


def test_reading_uses_up_no_approval() -> None:
    """It needs none."""
    approved = told(approval())
    assert approved.take(call(op_class="policy_read")) is None
    assert approved.take(call()) is not None


def test_the_policy_says_how_long_a_person_takes_and_how_long_it_holds() -> None:
    """The gateway is given the worker's."""
    approved = Approved(ApprovalSettings(pause_ms_min=60_000))
    approved.hear(approval())
    assert approved.take(call()) is None
    approved = Approved(ApprovalSettings(lifetime_ms=30_000))
    approved.hear(approval())
    assert approved.take(call()) is None


def test_where_the_registry_lists_approvers_nobody_else_approves() -> None:
    """As for the judge."""
    approved = Approved(registry=Registry(Content(approvers=("maria@example.org",))))
    approved.hear(approval())
    assert approved.take(call()) is None
    approved.hear(approval(decided_by="maria@example.org", at_ms=NOW_MS - 30_000))
    assert approved.take(call()) is not None


def test_workflows_remembered_are_limited() -> None:
    """Whoever was silent longest asks anew."""
    approved = Approved(workflows_max=3)
    for number in range(5):
        approved.hear(approval(workflow=f"wf-{number}"))
    assert len(approved) == 3
    assert approved.take(call(workflow="wf-0")) is None
    assert approved.take(call(workflow="wf-4")) is not None
