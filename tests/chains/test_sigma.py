"""Sigma: what a detection rule matches, what it may lead to, and what is refused."""

from typing import Any

import pytest
from msgspec.structs import replace

from detectors.asking import look_of
from detectors.policy import ChainOverride, Policy
from models.errors import RuleError
from models.event import CredentialKind, Grade, OpClass, Outcome, SystemKind
from stream.sigma.mapping import LOOKED_AT
from tests.builders import op
from tests.chains.hosting import judging
from tests.chains.sigma_rules import ORDERED, THREE, act, correlation, detection, heard, loaded


def test_a_detection_rule_fires_on_each_operation_it_matches() -> None:
    """Title, confidence by its level, tags as the other detectors write them."""
    rules = (
        detection("{op_class: secret_read}") + "level: critical\ntags: [attack.t1555.006, attack.impact]\n"
    )
    (finding,) = heard(rules, [op("S", 0), op("D", 1)]).findings
    assert finding.detector == "sigma:one"
    assert finding.confidence == 0.9
    assert finding.reason.startswith("one: ")
    assert finding.tags == ("T1555.006", "attack.impact")


@pytest.mark.parametrize(
    "condition",
    [
        "{operation: iam:attachrolepolicy}",
        "{operation|cased: iam:AttachRolePolicy}",
        "{operation|endswith: [rolepolicy, x]}",
        "{operation|startswith: 'iam:'}",
        "{target|contains: ole/a}",
        "{target: 'role/a?p'}",
        "{target|re: '^role/.p+$'}",
        "{issuer: null}",
        "{issuer|exists: false, target|exists: true}",
        "{address|cidr: 10.0.0.0/8}",
        "{facts.count|gte: 5, count|lt: 6}",
        "{count: 5}",
        "{effects: wide}",
        "{effects|contains|all: [wid, adm]}",
        "{granted: [nothing, policy/admin]}",
        "{workload_proven: true}",
        "{principal|fieldref: agent_role}",
        "{session.uid: s1, actor.user.uid: svc-agent-7}",
        "{outcome: ok, system_kind: iam, grade: attested}",
    ],
)
def test_what_sigma_says_of_fields_is_understood(condition: str) -> None:
    """Wildcards and case, lists, regular expressions, networks, numbers, absence; each also negated."""
    facts = {"address": "10.1.2.3", "count": "5", "granted": "policy/read, policy/admin"}
    event = op(
        "V", 0, facts=facts, effects=("admin", "wide"), workload_proven=True, grade=Grade.ATTESTED,
        agent_role="svc-agent-7", system_kind="iam",
    )  # fmt: skip
    rules = detection(condition)
    assert heard(rules, [event]).detectors == ["sigma:one"]
    assert heard(rules.replace("condition: it", "condition: not it"), [event]).detectors == []


@pytest.mark.parametrize(
    "condition",
    [
        "{operation|cased: iam:attachrolepolicy}",
        "{operation: AttachRolePolicy}",
        "{target: 'role/a?'}",
        "{target|re: '^ole'}",
        "{issuer|exists: true}",
        "{address|cidr: 11.0.0.0/8}",
        "{target|cidr: 10.0.0.0/8}",
        "{count|gt: 5}",
        "{target|gt: 5}",
        "{effects: removes}",
        "{workload_proven: false}",
        "{principal|fieldref: target}",
    ],
)
def test_and_not_more_than_it_says(condition: str) -> None:
    """The same operation."""
    facts = {"address": "10.1.2.3", "count": "5"}
    event = op("V", 0, facts=facts, effects=("admin",), workload_proven=True)
    assert heard(detection(condition), [event]).detectors == []


@pytest.mark.parametrize(
    ("product", "service", "condition", "source", "operation"),
    [
        ("aws", "cloudtrail", "{eventName: AttachRolePolicy, eventSource: iam.amazonaws.com}",
         "aws.cloudtrail", "iam:AttachRolePolicy"),
        ("kubernetes", "audit", "{verb: create, objectRef.resource: pods, objectRef.subresource: exec}",
         "kubernetes.audit", "create pods/exec"),
        ("okta", "okta", "{eventType: system.api_token.create}", "okta.system_log",
            "system.api_token.create"),
        ("azure", "auditlogs", "{OperationName: Add member to role}", "entra.audit", "Add member to role"),
        ("github", "audit", "{action: git.push}", "github.audit", "git.push"),
        ("gcp", "gcp.audit", "{gcp.audit.method_name: SetIamPolicy}", "gcp.audit", "SetIamPolicy"),
        ("vault", "audit", "{request.operation: update}", "vault.audit", "update kv/data"),
    ],
)  # fmt: skip
def test_fields_may_be_called_as_the_provider_calls_them(
    product: str, service: str, condition: str, source: str, operation: str
) -> None:
    """And only records of that provider match."""
    rules = detection(condition, product, service)
    event = op("V", 0, source=source, operation=operation)
    assert heard(rules, [event]).detectors == ["sigma:one"]
    assert heard(rules, [op("V", 0, source="elsewhere", operation=operation)]).detectors == []
    assert heard(rules, [op("V", 0, source=source, operation="other thing")]).detectors == []


def test_conditions_over_selections_are_understood() -> None:
    """And, or, not, and `1 of`."""
    rules = """
title: one
name: one
logsource: {product: chainbrake}
detection:
  sel_read: {op_class: secret_read}
  sel_grant: {op_class: privilege_change}
  own: {target|startswith: secret/own}
  condition: 1 of sel_* and not own
"""
    events = [op("S", 0), op("V", 1), op("S", 2, target="secret/own/1"), op("D", 3)]
    for event in events:
        assert bool(heard(rules, [event]).detectors) is (event.id[-3:] in ("S@0", "V@1")), event.id


def test_rules_that_only_take_part_do_not_fire_alone_unless_they_generate() -> None:
    """Sigma's `generate`."""
    assert heard(ORDERED, [act("a", 0)]).detectors == []
    generating = ORDERED.replace("type: temporal_ordered", "type: temporal_ordered\n  generate: true")
    assert heard(generating, [act("a", 0)]).detectors == ["sigma:a"]


def test_what_a_rule_may_lead_to_is_its_own_word() -> None:
    """Step-up at most, unless it says more under `chainbrake`."""
    rules = detection("{op_class: secret_read}") + "level: critical\n"
    assert heard(rules, [op("S", 0)]).stopped == set()
    assert heard(rules + "chainbrake: {response: kill_session}\n", [op("S", 0)]).stopped == {"s1"}
    watched = heard(rules + "chainbrake: {response: observe}\n", [op("S", 0)])
    assert watched.findings
    assert watched.commands == []


def test_failed_operations_match_unless_the_rule_says_ok() -> None:
    """A Sigma rule sees every record."""
    event = op("S", 0, outcome=Outcome.DENIED)
    assert heard(detection("{op_class: secret_read}"), [event]).findings
    assert not heard(detection("{op_class: secret_read, outcome: ok}"), [event]).findings


def test_a_claim_without_a_target_matches_too() -> None:
    """A Sigma rule says itself whether it needs one."""
    assert heard(detection("{op_class: privilege_change}"), [op("V", 0, target="")]).findings


REFUSED = {
    "value_sum": (correlation("value_sum", "[a]", condition="{gte: 3, field: count}"),
        "value_sum are not exec"),
    "value_avg": (correlation("value_avg", "[a]", condition="{gte: 3, field: count}"),
        "value_avg are not exec"),
    "fewer than": (correlation("event_count", "[a]", condition="{lt: 3}"),
        "lt is only known when the window"),
    "exactly": (correlation("event_count", "[a]", condition="{eq: 3}"), "eq is only known when the window"),
    "too many": (correlation("event_count", "[a]", condition="{gte: 3000}"),
        "valid is a whole number from 1"),
    "nothing": (correlation("temporal", "[a]", condition="not a"), "when nothing happens"),
    "a field that is not kept": (detection("{requestParameters.roleName: x}", "aws"),
        "is not kept in the event"),
    "a misspelt field": (detection("{op_clas: x}"), "did you mean op_class?"),
    "a keyword": (detection("[mimikatz, other]"), "name a field"),
    "a log source": (detection("{Image: x}", "windows"), "log source windows is none of ours"),
    "a long window": (correlation("temporal", timespan="30d"),
        "is longer than a silent workflow is remembered"),
    "a rule that is not there": (correlation("temporal", "[a, z]"), "z"),
    "a correlation of correlations": (
        correlation("temporal", "[a, b]") + "---" + correlation("temporal", "[a, it]").removeprefix(THREE)
        .replace("name: it", "name: outer").replace("\n---", ""),
        "which is a correlation",
    ),
    "a response": (detection("{agent: x}") + "chainbrake: {response: explode}\n", "response"),
    "an unknown key of ours": (detection("{agent: x}") + "chainbrake: {answer: x}\n", "valid keys are"),
    "a second rule of its name": (detection("{agent: x}") + "---" + detection("{agent: y}"), "has this name"),
    "a placeholder": (detection("{agent|expand: '%agents%'}"), "placeholder"),
    "no rule": ("title: x\n", "valid has a `detection`"),
    "an action": ("action: global\n" + detection("{agent: x}"), "are not carried out"),
    "no YAML": ("title: [", "no YAML"),
    "fewer of an order": (correlation("temporal_ordered", condition="{gte: 2}"), "which order is meant"),
    "a wrong timespan": (correlation("temporal", timespan="soon"), "soon"),
}  # fmt: skip


PLACES = {
    "a misspelt word": (detection("{op_class: secret_raed}"), "6:8", "did you mean secret_read?"),
    "a misspelt modifier": (detection("{target|contians: x}"), "6:8", "Unknown modifier"),
    "a wrong expression": (detection("{target|re: '('}"), "6:8", "is invalid"),
    "a condition": (
        detection("{agent: x}").replace("condition: it", "condition: it and"),
        "7:3",
        "valid are names",
    ),
    "a level": (detection("{agent: x}") + "level: severe\n", "8:1", "valid are informational, low, medium"),
    "a tag": (detection("{agent: x}") + "tags: [foo]\n", "8:1", "such as attack.t1098.003"),
    "a status": (detection("{agent: x}") + "status: whatever\n", "8:1", "valid are "),
    "a date": (detection("{agent: x}") + "date: yesterday\n", "8:1", "a day such as 2026-11-30"),
    "an empty list": (detection("{op_class: []}"), "6:8", "an empty list is never met"),
    "a number for a word": (detection("{op_class: 3}"), "6:8", "holds words, and no number"),
    "an id": (detection("{agent: x}") + "id: 5\n", "8:1", "no text"),
    "a timeframe": (detection("{agent: x}") + "  timeframe: 5m\n", "8:3", "a correlation's timespan"),
    "nothing": ("# nothing\n", "1:1", "nothing in it"),
    "a chain": ("name: m\ntitle: t\nsteps: [{id: a}]\nwithin: 1m\n", "1:1", "valid is --chains"),
    "no rules": (correlation("temporal", "[]"), "28:1", "names no rules"),
    "a rule that is not there": (correlation("temporal", "[a, z]"), "30:14", "'z' not found"),
    "a group": (correlation("temporal", group_by="[sesion]"), "32:14", "did you mean session?"),
    "a provider's field": (detection("{errorCode: x}", "aws"), "6:8", "is its `outcome`"),
    "a list as a key": (detection("{agent: x}") + "? [a]\n: b\n", "8:3", "a key is a list"),
    "an empty detection": (detection(""), "5:1", "a detection says nothing"),
}


@pytest.mark.parametrize("what", PLACES)
def test_a_mistake_is_told_with_file_line_and_column(what: str) -> None:
    """Of the key or the value that is meant."""
    rules, place, reason = PLACES[what]
    with pytest.raises(RuleError) as refused:
        loaded(rules)
    assert str(refused.value).startswith(f"rules.yml:{place}: ")
    assert reason in str(refused.value)


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_executed_is_refused_with_its_place_and_reason(what: str) -> None:
    """Nothing is dropped in silence."""
    rules, reason = REFUSED[what]
    with pytest.raises(RuleError, match=r"rules\.yml") as refused:
        loaded(rules)
    assert reason in str(refused.value)


def test_the_policy_changes_a_rule_by_its_name() -> None:
    """Window, confidence, response, or off."""
    policy = Policy(chains={"sigma:it": ChainOverride(within_ms=5_000, confidence=0.3)})
    acts = [act(name, 10 * k) for k, name in enumerate("abc")]
    assert judging(loaded(ORDERED, policy)).fold(acts).findings == []
    off = Policy(chains={"sigma:it": ChainOverride(enabled=False)})
    assert loaded(ORDERED, off) == ()


def test_what_looks_alike_is_decided_once_and_only_by_what_a_look_holds() -> None:
    """A field that a look does not hold would be decided for operations that differ in it."""
    event = op("V", 0)
    others: dict[str, Any] = {
        "op_class": OpClass.OTHER,
        "outcome": Outcome.DENIED,
        "target_kind": "user",
        "grade": Grade.ATTESTED,
        "system_kind": SystemKind.VAULT,
        "credential_kind": CredentialKind.STATIC,
        "workload_proven": True,
    }
    assert set(others) == LOOKED_AT
    for name, other in others.items():
        assert look_of(replace(event, **{name: other})) != look_of(event)
    (hosted,) = loaded(detection("{op_class: privilege_change, operation|startswith: iam, effects: admin}"))
    assert [bool(part.tests) for part in hosted.parts] == [False]
    for condition in (
        "{op_class: privilege_change, target: role/app}",
        "{issuer: x}",
        "{operation|fieldref: target}",
    ):
        (hosted,) = loaded(detection(condition))
        assert [bool(part.tests) for part in hosted.parts] == [True], condition
    (hosted,) = loaded(detection("{eventName: AttachRolePolicy}", "aws"))
    assert [bool(part.tests) for part in hosted.parts] == [True], "its source is no part of a look"
