"""Steps that are no operations: approvals, requests, delegations, registrations, starts and ends."""

import pytest
from msgspec.structs import replace

from models.event import AnyEvent, Grade
from tests.builders import AGENT, HUMAN, approval, op
from tests.chains.test_joining import over
from tests.chains.test_language import fires
from tests.chains.test_sigma_facts import KINDS

ACTS_ITSELF = """
name: mine
title: who allowed it did it
steps:
  - {id: allowed, kind: approval}
  - {id: change, class: privilege_change, same: {target: allowed.target, principal: allowed.decided_by}}
within: 1h
"""
ACTS_ANOTHER = ACTS_ITSELF.replace(
    "same: {target: allowed.target, principal: allowed.decided_by}",
    "same: {target: allowed.target}, differs: {principal: allowed.decided_by}",
)


def test_whoever_acts_is_held_against_whoever_allowed_it() -> None:
    """In either way, early or late; an approval of something else is none of this."""
    own, another = op("V", 90, principal=HUMAN), op("V", 90)
    told: tuple[list[AnyEvent], ...] = ([approval(60), own], [own, approval(60)])
    for events in told:
        assert fires(ACTS_ITSELF, *events)
        assert not fires(ACTS_ANOTHER, *events)
    assert fires(ACTS_ANOTHER, approval(60), another)
    assert not fires(ACTS_ITSELF, approval(60), another)
    assert not fires(ACTS_ITSELF, own)
    assert not fires(ACTS_ITSELF, approval(60, target="role/other"), own)
    assert not fires(ACTS_ITSELF, approval(120), own)
    assert not fires(ACTS_ITSELF, approval(60, grade=Grade.INFERRED), own)


NOT_BY_THE_OFFICE = """
name: mine
title: changed, and the office did not allow it meanwhile
steps: [{id: look, class: discovery}, {id: change, class: privilege_change}]
absent: [{kind: approval, after: look, decided_by: "*@office.example", same: {target: look.target}}]
within: 1h
"""


def test_an_approval_may_have_to_be_absent() -> None:
    """By whoever decides such things; anybody else's changes nothing."""
    look, change = op("D", 0, target="role/app"), op("V", 90)
    assert fires(NOT_BY_THE_OFFICE, look, change)
    assert fires(NOT_BY_THE_OFFICE, look, approval(60), change)
    assert not fires(NOT_BY_THE_OFFICE, look, approval(60, decided_by="Bob@Office.example"), change)
    elsewhere = approval(60, decided_by="bob@office.example", target="role/other")
    assert fires(NOT_BY_THE_OFFICE, look, elsewhere, change)


MANY = """
name: mine
title: three people were asked for one thing
steps: [{id: allowed, kind: approval, operation: "iam:*", count: 3, distinct: decided_by}]
by: target
within: 10m
"""


def test_approvals_are_counted_by_who_decided() -> None:
    """However often each is told."""
    answers = [approval(k, id=f"a{k}", decided_by=f"p{k}@x.example") for k in range(3)]
    assert fires(MANY, *answers)
    assert not fires(MANY, *answers[:2], *answers[:2])
    assert not fires(MANY, *(replace(one, decided_by=HUMAN) for one in answers))
    assert not fires(MANY, *answers[:2], replace(answers[2], target="role/other"))
    assert not fires(MANY, *answers[:2], replace(answers[2], operation="s3:PutObject"))


SAID: dict[str, tuple[dict[str, object], str, str]] = {
    "approval": ({}, f"decided_by: {HUMAN}, requested_by: {AGENT}", "decided_by: bob"),
    "approval_request": ({"requested_by": "ann"}, "requested_by: ann, target: t", "requested_by: bob"),
    "delegation": ({"agent": "planner"}, "agent: plan*", "agent: executor"),
    "registration": ({}, "what: incident, reference: ref-*", "what: plan"),
    "session_start": (
        {"facts": {"issuer": "idp"}, "agent_role": "deployer"},
        "facts: {issuer: idp}, agent_role: deployer",
        "facts: {issuer: other}",
    ),
    "session_end": ({"source": "gateway"}, "source: gateway", "source: other"),
}
"""Of an event of each kind what it says beside, a condition that it fulfils, and one that it does not."""


@pytest.mark.parametrize("kind", SAID)
def test_a_step_is_an_event_of_its_kind(kind: str) -> None:
    """By what such events say; none of another kind is one."""
    more, so, otherwise = SAID[kind]
    event = replace(KINDS[kind][0], **more)
    text = f"name: mine\ntitle: t\nsteps: [{{id: it, kind: {kind}, SAID}}]\nwithin: 1h\n"
    known = op("D", -1)
    assert fires(text.replace("SAID", so), known, event)
    assert not fires(text.replace("SAID", otherwise), known, event)
    others = [other for other, _, _ in KINDS.values() if type(other) is not type(event)]
    assert not fires(text.replace(", SAID", ""), known, *others)


def test_what_was_allowed_in_one_workflow_is_held_against_what_is_done_in_another() -> None:
    """With a scope that goes over workflows, an approval is noted as an operation is."""
    text = ACTS_ITSELF.replace("within: 1h", "within: 1h\nscope: agent")
    allowed = approval(60, workflow="w0", session="s0", agent=AGENT)
    own = op("V", 90, principal=HUMAN)
    (finding,) = over(text, allowed, own).findings
    assert finding.detector == "mine:crossing"
    assert [act.event_id for act in finding.elsewhere] == [allowed.id]
    assert not over(text, allowed, replace(own, principal="another")).findings
    assert not over(text, replace(allowed, agent="another"), own).findings
