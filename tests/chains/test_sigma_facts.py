"""Sigma rules about events that are no operations: approvals, delegations, registrations, starts and ends."""

import pytest
from msgspec.structs import replace

from models.errors import RuleError
from models.event import AnyEvent, ApprovalRequest, Grade, SessionStart
from tests.builders import HUMAN, approval, at, delegation, end, op, registered
from tests.chains.sigma_rules import heard, loaded

KINDS: dict[str, tuple[AnyEvent, str, str]] = {
    "approval": (approval(0), f"{{decided_by: {HUMAN}, target: role/app}}", "{decided_by: bob}"),
    "approval_request": (
        ApprovalRequest(
            id="r", source="x", at_ms=at(0), workflow="w1", session="s1", request="r-1", operation="o",
            target="t",
        ),
        "{request: r-1}",
        "{requested_by|exists: true}",
    ),
    "delegation": (delegation(0, "s0", "s1"), "{parent_session: s0}", "{parent_session: s1}"),
    "registration": (registered("incident", 0), "{what: incident}", "{what: plan}"),
    "session_start": (
        SessionStart(
            id="b", source="x", at_ms=at(0), workflow="w1", session="s1", facts={"pod": "p"},
            grade=Grade.ATTESTED,
        ),
        "{facts.pod: p, grade: attested}",
        "{facts.pod: q}",
    ),
    "session_end": (end(0), "{reason: ended}", "{reason: idle}"),
}  # fmt: skip


def about(kind: str, condition: str, name: str = "one") -> str:
    """A detection rule about such events."""
    return (
        f"title: {name}\nname: {name}\nlogsource: {{product: chainbrake, service: {kind}}}\n"
        f"detection:\n  it: {condition}\n  condition: it\n"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_is_about_events_of_its_kind(kind: str) -> None:
    """By the fields that these have; an operation is none of them, and none of them is an operation."""
    event, so, otherwise = KINDS[kind]
    known = op("D", -1)
    (finding,) = heard(about(kind, so), [known, event]).findings
    assert finding.detector == "sigma:one"
    assert finding.reason.startswith(f"one: {kind}")
    assert finding.evidence == (event.id,)
    assert not heard(about(kind, otherwise), [known, event]).findings
    others = [other for other, _, _ in KINDS.values() if type(other) is not type(event)]
    assert not heard(about(kind, "{session: s1}"), [known, *others]).findings
    assert not heard(
        about(kind, so).replace(f", service: {kind}", "").replace(so, "{session: s1}"), [event]
    ).findings


SOON = (
    about("approval", "{decided_by|exists: true}", "allowed")
    + "---\ntitle: changed\nname: changed\nlogsource: {product: chainbrake}\n"
    + "detection:\n  it: {op_class: privilege_change}\n  condition: it\n"
    + "---\ntitle: both\nname: both\ncorrelation:\n  type: temporal_ordered\n  rules: [allowed, changed]\n"
    + "  group-by: [session, target]\n  timespan: 5s\n"
)


def test_an_approval_and_an_operation_are_correlated() -> None:
    """In order, in a group, by event time, late and told twice."""
    allowed, changed = approval(0), op("V", 3)
    stories: list[list[AnyEvent]] = [
        [allowed, changed],
        [changed, allowed],
        [allowed, allowed, changed, changed],
    ]
    for events in stories:
        assert heard(SOON, events).detectors == ["sigma:both"]
    assert not heard(SOON, [approval(0), op("V", 6)]).findings
    assert not heard(SOON, [approval(4), op("V", 3)]).findings
    assert not heard(SOON, [replace(allowed, session="s2"), changed]).findings
    assert not heard(SOON, [replace(allowed, target="role/x"), changed]).findings
    assert not heard(SOON, [replace(allowed, grade=Grade.INFERRED), changed]).findings


def test_many_approvals_of_one_human_are_counted() -> None:
    """Each answer once, however often it is told."""
    rules = about("approval", "{decided_by|exists: true}", "allowed") + (
        "---\ntitle: many\nname: many\ncorrelation:\n  type: event_count\n  rules: [allowed]\n"
        "  group-by: [decided_by]\n  timespan: 1m\n  condition: {gte: 3}\n"
    )
    answers = [approval(k, target=f"role/{k}") for k in range(3)]
    assert heard(rules, answers).detectors == ["sigma:many"]
    assert not heard(rules, [*answers[:2], *answers[:2]]).findings
    assert not heard(rules, [*answers[:2], replace(answers[2], decided_by="bob")]).findings


def test_the_end_of_a_session_that_nobody_knows_leaves_nothing_behind() -> None:
    """It is told, and no session begins by it."""
    judge = heard(about("session_end", "{reason: ended}"), [end(0)])
    assert judge.detectors == ["sigma:one"]
    assert judge.workflows["w1"].sessions == {}


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (
            about("release", "{decided_by: ann}"),
            "rules.yml:3:34: logsource.service: rule one: no rule can",
        ),
        (about("join", "{into_session: s}"), "no rule can be about join"),
        (about("approval", "{op_class: other}"), "valid are id, source, at_ms"),
        (about("session_end", "{decided_by: ann}"), "chainbrake/approval and chainbrake/registration"),
    ],
)
def test_what_no_rule_can_be_about_is_refused_with_the_reason(rules: str, said: str) -> None:
    """And a field of another kind with where it is."""
    with pytest.raises(RuleError) as refused:
        loaded(rules)
    assert said in str(refused.value)
