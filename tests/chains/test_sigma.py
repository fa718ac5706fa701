"""Sigma: what a rule matches, what correlations want, engines' known mistakes, and what is refused."""

from collections.abc import Iterable
from itertools import permutations
from typing import Any

import pytest

from detectors.policy import ChainOverride, Policy
from models.errors import RuleError
from models.event import AnyEvent, Grade, Operation, Outcome
from stream.sigma.loading import load_sigma
from tests.builders import Judged, op
from tests.chains.hosting import judging

THREE = "\n---\n".join(
    f"""
title: {letter}
name: {letter}
logsource: {{product: chainbrake}}
detection:
  it: {{operation: {letter}}}
  condition: it"""
    for letter in "abc"
)
"""Three detection rules: an operation called a, b or c."""


def act(name: str, seconds: float, **changed: Any) -> Operation:
    """An operation that the rule of that name matches."""
    fields = {"operation": name, "target": f"thing/{name}", "target_kind": "thing", **changed}
    fields.setdefault("id", f"{fields.get('session', 's1')}/{name}@{seconds:g}")
    return op("U", seconds, **fields)


def correlation(kind: str, rules: str = "[a, b, c]", timespan: str = "60s", **keys: str) -> str:
    """A correlation of the three, after them."""
    more = "\n".join(f"  {key.replace('_', '-')}: {value}" for key, value in keys.items())
    return f"""{THREE}
---
title: the correlation
name: it
level: high
correlation:
  type: {kind}
  rules: {rules}
  timespan: {timespan}
{more}
"""


def loaded(rules: str, policy: Policy | None = None) -> tuple[Any, ...]:
    """What is hosted for them."""
    return tuple(load_sigma([("rules.yml", rules.encode())], policy or Policy(), set()))


def heard(rules: str, events: Iterable[AnyEvent]) -> Judged:
    """What comes of these events with these rules alone."""
    return judging(loaded(rules)).fold(events)


def fired(rules: str, *events: AnyEvent) -> bool:
    """Whether the correlation matches."""
    return "sigma:it" in heard(rules, events).detectors


def detection(condition: str, product: str = "chainbrake", service: str = "") -> str:
    """One detection rule."""
    more = f", service: {service}" if service else ""
    return f"""
title: one
name: one
logsource: {{product: {product}{more}}}
detection:
  it: {condition}
  condition: it
"""


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
        ("okta", "okta", "{eventType: system.api_token.create}", "okta.system_log", "system.api_token.create"),
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


ORDERED = correlation("temporal_ordered", group_by="[session]")


def test_an_ordered_correlation_wants_its_order() -> None:
    """A then C then B is not A then B then C, whatever the order of arrival."""
    for order in permutations("abc"):
        events = [act(name, 10 * k) for k, name in enumerate(order)]
        for arrival in permutations(events):
            assert fired(ORDERED, *arrival) is (order == ("a", "b", "c")), order


def test_other_operations_and_repetitions_in_between_do_not_matter() -> None:
    """The subsequence is there."""
    assert fired(ORDERED, *(act(name, k) for k, name in enumerate("acbabxcc")))
    assert not fired(ORDERED, *(act(name, k) for k, name in enumerate("cbacba")))


def test_a_match_never_crosses_values_of_its_group() -> None:
    """Each session has its own; also where names differ only in what stands before the slash."""
    assert not fired(ORDERED, act("a", 0), act("b", 1, session="s2"), act("c", 2))
    by_target = correlation("temporal_ordered", group_by="[target]")
    for targets in (("role/x", "user/x", "role/x"), ("x", "X", "x"), ("", "", "")):
        acts = [
            act(name, k, target=target) for k, (name, target) in enumerate(zip("abc", targets, strict=True))
        ]
        assert not fired(by_target, *acts), targets
    assert fired(by_target, *(act(name, k, target="role/x") for k, name in enumerate("abc")))
    rates = correlation("event_count", "[a]", condition="{gte: 3}", group_by="[session, target]")
    assert not fired(rates, act("a", 0), act("a", 1, target="y"), act("a", 2, session="s2"), act("a", 3))


@pytest.mark.parametrize("start_s", [0, 29.5, 55, 59.999, 3_599])
def test_windows_are_not_cut_at_the_borders_of_buckets(start_s: float) -> None:
    """Wherever it begins, sixty seconds are sixty seconds; and not one millisecond more."""
    rates = correlation("event_count", "[a]", condition="{gte: 3}", group_by="[session]")
    for rules, names in ((ORDERED, "abc"), (rates, "aaa"), (correlation("temporal"), "cba")):
        times = (start_s, start_s + 30, start_s + 60)
        assert fired(rules, *(act(name, s) for name, s in zip(names, times, strict=True)))
        times = (start_s, start_s + 30, start_s + 60.001)
        assert not fired(rules, *(act(name, s) for name, s in zip(names, times, strict=True)))


def test_a_late_event_counts() -> None:
    """For every type, as if it had come in time; the window is that of the events."""
    for kind, names in (("temporal_ordered", "abc"), ("temporal", "bca")):
        for late in range(3):
            acts = [act(name, 20 * k) for k, name in enumerate(names)]
            assert fired(correlation(kind), *(a for k, a in enumerate(acts) if k != late), acts[late])
    rates = correlation("event_count", "[a]", condition="{gte: 4}")
    noise = [act("a", 1000 + 20 * k) for k in range(6)]
    assert not fired(rates, *noise[:3], noise[5])
    assert fired(rates, *noise[:2], noise[3], noise[2])
    values = correlation("value_count", "[a]", condition="{gte: 3, field: target}")
    acts = [act("a", 20 * k, target=f"t{k}") for k in range(3)]
    assert all(fired(values, *arrival) for arrival in permutations(acts))


def test_value_count_counts_different_values_of_the_window() -> None:
    """The same value again is not another one, and one that has left the window is none."""
    rules = correlation("value_count", "[a, b]", condition="{gte: 3, field: target}", group_by="[session]")
    assert not fired(rules, *(act("a", k, target=f"t{k % 2}") for k in range(20)))
    assert fired(rules, act("a", 0, target="t0"), act("b", 1, target="t1"), act("a", 60, target="t2"))
    assert not fired(rules, act("a", 0, target="t0"), act("b", 1, target="t1"), act("a", 61, target="t2"))
    assert fired(
        rules,
        *(
            act("a", k, target=target)
            for k, target in zip((0, 1, 40, 70), ("t0", "t1", "t0", "t2"), strict=True)
        ),
        act("a", 60.5, target="t1", id="again"),
    )
    assert not fired(rules, *(act("a", k, target="") for k in range(5)))


def test_event_count_counts_two_witnesses_of_one_act_once() -> None:
    """And an event that was delivered twice, once."""
    rules = correlation("event_count", "[a]", condition="{gt: 1}")
    assert not fired(rules, act("a", 0), act("a", 0))
    assert not fired(rules, act("a", 0, act="r1"), act("a", 1, act="r1", source="other"))
    assert fired(rules, act("a", 0, act="r1"), act("a", 1, act="r2"))


EXTENDED = {
    "a and b": ("ab", "ba", "acb"),
    "a or b": ("a", "b"),
    "a and (b or c)": ("ab", "ca"),
    "a and b and not c": ("ab", "cab", "abc"),
    "a and not (b and c)": ("a", "ab", "ac"),
    "a and not (b or c)": ("a", "ba"),
}
EXTENDED_NOT = {
    "a and b": ("aa", "ac"),
    "a or b": ("c",),
    "a and (b or c)": ("a", "bc"),
    "a and b and not c": ("acb", "bca", "a"),
    "a and not (b and c)": ("b", "c"),
    "a and not (b or c)": ("b", "c"),
}


@pytest.mark.parametrize("condition", EXTENDED)
def test_extended_conditions(condition: str) -> None:
    """And, or, not, brackets: what must not match, does not from the first to the last of what must."""
    referenced = [name for name in "abc" if name in condition.replace("and", "").split() + list(condition)]
    rules = correlation("temporal", f"[{', '.join(referenced)}]", condition=condition)
    for story in EXTENDED[condition]:
        assert fired(rules, *(act(name, k) for k, name in enumerate(story))), story
    for story in EXTENDED_NOT[condition]:
        assert not fired(rules, *(act(name, k) for k, name in enumerate(story))), story


def test_an_extended_condition_may_want_an_order() -> None:
    """That of its rules."""
    rules = correlation("temporal_ordered", "[a, b, c]", condition="a and b and not c")
    assert fired(rules, act("a", 0), act("b", 1))
    assert not fired(rules, act("b", 0), act("a", 1))
    assert not fired(rules, act("a", 0), act("c", 0.5), act("b", 1))


def test_one_event_may_be_several_rules_of_an_unordered_correlation() -> None:
    """As Sigma has it: each rule has matched."""
    both = THREE.replace("it: {operation: b}", "it: {op_class: unclassified}")
    rules = both + correlation("temporal", "[a, b]").removeprefix(THREE)
    assert fired(rules, act("a", 0))
    assert not fired(rules, op("U", 0, operation="x"))


def test_an_alias_calls_different_fields_by_one_name() -> None:
    """Whoever reads in one rule is whom the other one is about."""
    rules = correlation(
        "temporal_ordered",
        "[a, b]",
        group_by="[who]",
        aliases="{who: {a: principal, b: beneficiary}}",
    )
    assert fired(rules, act("a", 0, principal="p1"), act("b", 1, facts={"beneficiary": "p1"}))
    assert not fired(rules, act("a", 0, principal="p1"), act("b", 1, facts={"beneficiary": "p2"}))


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
    "value_sum": (correlation("value_sum", "[a]", condition="{gte: 3, field: count}"), "value_sum are not exec"),
    "value_avg": (correlation("value_avg", "[a]", condition="{gte: 3, field: count}"), "value_avg are not exec"),
    "fewer than": (correlation("event_count", "[a]", condition="{lt: 3}"), "lt is only known when the window"),
    "exactly": (correlation("event_count", "[a]", condition="{eq: 3}"), "eq is only known when the window"),
    "too many": (correlation("event_count", "[a]", condition="{gte: 3000}"), "valid is a whole number from 1"),
    "nothing": (correlation("temporal", "[a]", condition="not a"), "when nothing happens"),
    "a field that is not kept": (detection("{requestParameters.roleName: x}", "aws"), "is not kept in the event"),
    "a misspelt field": (detection("{op_clas: x}"), "did you mean op_class?"),
    "a keyword": (detection("[mimikatz, other]"), "name a field"),
    "a log source": (detection("{Image: x}", "windows"), "log source windows is none of ours"),
    "a long window": (correlation("temporal", timespan="30d"), "is longer than a silent workflow is remembered"),
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


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_executed_is_refused_with_its_place_and_reason(what: str) -> None:
    """Nothing is dropped in silence."""
    rules, reason = REFUSED[what]
    with pytest.raises(RuleError, match="rules.yml") as refused:
        loaded(rules)
    assert reason in str(refused.value)


def test_the_policy_changes_a_rule_by_its_name() -> None:
    """Window, confidence, response, or off."""
    policy = Policy(chains={"sigma:it": ChainOverride(within_ms=5_000, confidence=0.3)})
    acts = [act(name, 10 * k) for k, name in enumerate("abc")]
    assert judging(loaded(ORDERED, policy)).fold(acts).findings == []
    off = Policy(chains={"sigma:it": ChainOverride(enabled=False)})
    assert loaded(ORDERED, off) == ()
