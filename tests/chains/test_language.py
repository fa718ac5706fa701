"""The chain language: what each key means, and what a mistake is answered with."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from detectors.chains.compiling import compiled
from detectors.policy import ChainOverride, Policy
from models.attested import Effect
from models.command import Action
from models.errors import RuleError
from models.event import AnyEvent, CredentialKind, Grade, SystemKind
from stream.configuration.chain_files import declarations
from stream.configuration.rule_files import load_declared
from tests.builders import Judged, approval, op, rotation, told, trained
from tests.chains.hosting import alone, judging

CHAIN = """
name: mine
title: looked up, then granted
steps:
  - {id: look, class: discovery}
  - {id: grant, class: [privilege_change, role_mapping]}
within: 1h
"""


def heard(text: str, events: list[AnyEvent], policy: Policy | None = None) -> Judged:
    """What comes of these events with these chains alone."""
    chains = [chain for chain, _ in declarations("mine.yaml", text.encode())]
    obeyed = policy or alone()
    return judging([compiled(chain, obeyed.approvals) for chain in chains], obeyed).fold(events)


def fires(text: str, *events: AnyEvent) -> bool:
    """Whether the chain is completed."""
    return bool(heard(text, list(events)).findings)


def test_a_chain_says_who_did_what_and_how_long_it_took() -> None:
    """And on which evidence, with its tags and confidence."""
    text = CHAIN + "confidence: 0.6\ntags: [T1098.003, ASI03, L4, GOVERN-1.1]\n"
    (finding,) = heard(text, told("D@0 V@90")).findings
    assert finding.detector == "mine"
    assert finding.confidence == 0.6
    assert finding.tags == ("T1098.003", "ASI03", "L4", "GOVERN-1.1")
    assert finding.evidence == ("w1/s1/D@0", "w1/s1/V@90")
    assert finding.reason == (
        "looked up, then granted: iam:ListRoles, then iam:AttachRolePolicy on role/app in 90.0 s"
    )


KEY_MADE = """
name: mine
title: a key was made
steps: [{id: key, class: credential_mint, habit: HABIT}]
within: 1h
"""


@pytest.mark.parametrize(
    ("changed", "taught", "is_habit"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"target": "svc-other", "facts": {"beneficiary": "svc-other"}}, True, False),
        ({"agent_role": "helpdesk"}, True, False),
        ({"effects": (Effect.MINTS, Effect.ADMIN)}, True, False),
    ],
    ids=["as ever", "nobody knows", "another target", "another job", "a grave one"],
)
def test_what_a_job_always_does_is_a_habit(*, changed: dict[str, Any], taught: bool, is_habit: bool) -> None:
    """The baseline says whom and what; how much was given it does not know, so nothing grave is one."""
    events: list[AnyEvent] = [replace(rotation("s1")[-1], **changed)]
    for wanted in (True, False):
        text = KEY_MADE.replace("HABIT", str(wanted).lower())
        chains = [compiled(chain, alone().approvals) for chain, _ in declarations("mine.yaml", text.encode())]
        heard = judging(chains, baseline=trained() if taught else None).fold(events)
        assert bool(heard.findings) is (wanted is is_habit)


CONDITIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "operation: 'iam:attach*'": ({}, {"operation": "iam:PutRolePolicy"}),
    "operation: ['x:*', 'iam:AttachRolePolicy']": ({}, {"operation": "iam:AttachRolePolicyNow"}),
    "system: aws": ({}, {"system": "okta"}),
    "system_kind: iam": ({"system_kind": SystemKind.IAM}, {"system_kind": SystemKind.VAULT}),
    "target: 'role/*'": ({}, {"target": "user/app"}),
    "target_kind: role": ({}, {"target_kind": "user"}),
    "principal: 'svc-*'": ({}, {"principal": "ann"}),
    "agent: agent-7": ({}, {"agent": "agent-8"}),
    "agent_role: helpdesk": ({"agent_role": "helpdesk"}, {"agent_role": "deployer"}),
    "source: aws": ({}, {"source": "okta"}),
    "outcome: [denied, error]": ({"outcome": "denied"}, {}),
    "credential_kind: static": ({"credential_kind": CredentialKind.STATIC}, {}),
    "effects: [admin, wide]": ({"effects": (Effect.WIDE, Effect.ADMIN)}, {"effects": (Effect.ADMIN,)}),
    "some: [admin, wide]": ({"effects": (Effect.WIDE,)}, {"effects": (Effect.EXPANDS,)}),
    "without: admin": ({"effects": (Effect.EXPANDS,)}, {"effects": (Effect.ADMIN,)}),
    "facts: {issuer: '*.example.org'}": ({"facts": {"issuer": "ci.example.org"}}, {"facts": {}}),
    "proven: true": ({"workload_proven": True}, {}),
    "vouched: false": ({}, {"id": "vouched"}),
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_what_a_step_says_of_an_operation_has_to_be_so(condition: str) -> None:
    """Each key alone: an operation that is so, and one that differs in this only."""
    text = CHAIN.replace("role_mapping]", f"role_mapping], {condition}")
    so, otherwise = CONDITIONS[condition]
    given = [approval(50)] if otherwise.get("id") == "vouched" else []
    assert fires(text, op("D", 0), op("V", 90, **so))
    assert not fires(text, op("D", 0), *given, op("V", 90, **otherwise))


def test_a_step_within_counts_from_the_step_before_and_the_chain_from_its_start() -> None:
    """To the millisecond."""
    text = CHAIN.replace("role_mapping]", "role_mapping], within: 90s")
    assert fires(text, *told("D@0 V@90"))
    assert not fires(text, *told("D@0 V@90.001"))
    assert fires(CHAIN, *told("D@0 V@3600"))
    assert not fires(CHAIN, *told("D@0 V@3600.001"))


SECRETS = """
name: mine
title: many secrets
steps:
  - {id: many, class: secret_read, count: 20, distinct: target}
within: 5m
"""


def test_distinct_things_are_counted_and_batches_count_as_many() -> None:
    """The same one again is not another."""
    assert fires(SECRETS, *(op("S", k, target=f"secret/{k}") for k in range(20)))
    assert not fires(SECRETS, *(op("S", k, target=f"secret/{k % 19}") for k in range(60)))
    assert not fires(SECRETS, *(op("S", 16 * k, target=f"secret/{k}") for k in range(20)))
    assert fires(SECRETS, op("S", 0, facts={"count": "20"}))


def test_three_systems_of_different_kind() -> None:
    """Repetition in one of them is not enough."""
    text = SECRETS.replace(
        "class: secret_read, count: 20, distinct: target", "count: 3, distinct: system_kind"
    )
    kinds = [SystemKind.VAULT, SystemKind.CLUSTER, SystemKind.IAM]
    assert fires(text, *(op("S", k, system_kind=kind) for k, kind in enumerate(kinds)))
    assert not fires(text, *(op("S", k, system_kind=kinds[k % 2]) for k in range(9)))


PARTLY = """
name: mine
title: both looks in any order, then the grant
order: any
steps:
  - {id: grant, class: privilege_change, after: [look, review]}
  - {id: look, class: discovery}
  - {id: review, class: policy_read}
within: 1h
"""


@pytest.mark.parametrize(("story", "whole"), [("D@0 P@1 V@2", True), ("P@0 D@1 V@2", True),
                                              ("P@0 V@1 D@2", False), ("D@0 D@1 V@2", False)])  # fmt: skip
def test_steps_may_be_partly_ordered(
    story: str,
    whole: bool,  # noqa: FBT001 - a story and its answer
) -> None:
    """`after` alone says what comes after what."""
    assert fires(PARTLY, *told(story)) is whole


BOUND = """
name: mine
title: the secret of somebody, then a grant to the same
steps:
  - {id: secret, class: secret_read}
  - id: grant
    class: privilege_change
    same: {beneficiary: secret.owner}
    differs: {principal: secret.principal}
within: 1h
"""


def test_targets_are_bound_between_steps_and_others_told_apart() -> None:
    """By short names; what a record does not say is neither the same nor another."""
    read = [op("S", 0, facts={"owner": "user/app"}), op("S", 1, facts={"owner": "user/other"})]
    assert fires(BOUND, *read, op("V", 9, principal="p2", facts={"beneficiary": "arn:aws:iam::1:user/app"}))
    assert not fires(BOUND, *read, op("V", 9, principal="p2", facts={"beneficiary": "user/third"}))
    assert not fires(BOUND, *read, op("V", 9, facts={"beneficiary": "user/app"}))
    assert not fires(BOUND, *read, op("V", 9, principal="", facts={"beneficiary": "user/app"}))
    assert not fires(BOUND, op("S", 0), op("V", 9, principal="p2"))


def test_a_matching_operation_in_between_ends_the_match() -> None:
    """And only in between: a new start is a new match."""
    text = CHAIN + "absent:\n  - {class: exchange, after: look, before: grant}\n"
    assert fires(text, *told("D@0 V@90"))
    assert fires(text, *told("X@0 D@10 V@90 X@95"))
    assert not fires(text, *told("D@0 X@10 V@90"))
    assert fires(text, *told("D@0 X@10 D@20 V@90"))
    late = told("D@0 V@90 X@10")
    assert fires(text, *late), "what has fired has fired"
    assert not fires(text, *told("X@10 V@90 D@0"))


def test_an_absence_may_be_of_the_same_thing_only() -> None:
    """Notice of another target does not excuse."""
    step = "{class: exchange, after: review, before: grant, same: {target: review.target}}"
    text = CHAIN.replace("{id: look, class: discovery}", "{id: review, class: policy_read}")
    text += f"absent:\n  - {step}\n"
    assert fires(text, *told("P@0"), op("X", 10, target="role/other"), *told("V@90"))
    assert not fires(text, *told("P@0"), op("X", 10, target="role/app"), *told("V@90"))


SCOPES = {
    "workflow": {"session": "s2", "agent": "a2", "principal": "p2"},
    "agent": {"session": "s2", "principal": "p2"},
    "principal": {"session": "s2", "agent": "a2"},
    "session": {"agent": "a2", "principal": "p2"},
}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_chain_is_followed_in_its_scope(scope: str) -> None:
    """Whatever else changes; and nothing from another one of its kind."""
    text = CHAIN + f"scope: {scope}\n"
    assert fires(text, op("D", 0), op("V", 90, **SCOPES[scope]))
    if scope != "workflow":
        assert not fires(text, op("D", 0), op("V", 90, **{scope: "another"}))
    assert not fires(text, op("D", 0), op("V", 90, workflow="w2"))


def test_by_follows_each_thing_of_its_own() -> None:
    """All steps about one and the same."""
    text = CHAIN.replace("class: discovery", "class: policy_read") + "by: target\n"
    assert fires(text, op("P", 0), op("P", 1, target="role/x"), op("V", 90, target="app"))
    assert not fires(text, op("P", 0), op("V", 90, target="role/x"))


def test_a_late_first_step_completes_the_chain() -> None:
    """Whoever wrote is named, when it wrote."""
    judge = heard(CHAIN, [op("V", 90, session="writer"), op("D", 0, session="reader")])
    (finding,) = judge.findings
    assert finding.session == "writer"


def test_weaker_evidence_than_declared_does_not_count() -> None:
    """`observed` is the least unless a chain says otherwise."""
    for grade, least in ((Grade.OBSERVED, "attested"), (Grade.INFERRED, "observed")):
        events = [op("D", 0), op("V", 90, grade=grade)]
        assert not fires(CHAIN + f"grade: {least}\n", *events)
        assert fires(CHAIN + f"grade: {grade}\n", *events)


@pytest.mark.parametrize(
    ("response", "actions"),
    [
        ("observe", []),
        ("step_up", [Action.STEP_UP]),
        ("kill_session", [Action.KILL_SESSION, Action.REVOKE_TOKEN]),
    ],
)
def test_a_response_has_its_ceiling(response: str, actions: list[Action]) -> None:
    """However sure the finding is."""
    judge = heard(CHAIN + f"confidence: 1.0\nresponse: {response}\n", told("D@0 V@90"))
    assert judge.actions == actions
    assert judge.findings


def test_a_release_starts_chains_anew() -> None:
    """What a human has let be is not held against the session once more."""
    from tests.builders import release  # noqa: PLC0415

    assert not heard(CHAIN, [*told("D@0"), release(10), *told("V@90")]).findings


COUNTED = """
name: mine
title: three secrets of one owner, then somebody else grants to the owner
steps:
  - {id: mint, class: credential_mint}
  - {id: secrets, class: secret_read, count: 3, distinct: target, same: {owner: mint.target}}
  - id: grant
    class: privilege_change
    same: {beneficiary: secrets.owner}
    differs: {principal: secrets.principal}
within: 1h
"""


def secrets(*owners: str) -> list[AnyEvent]:
    """One secret of each of them is read, a second apart."""
    return [op("S", k, target=f"secret/{k}", facts={"owner": owner}) for k, owner in enumerate(owners)]


def test_a_counted_step_is_bound_to_others_and_others_to_it() -> None:
    """Each of its operations; and what others compare of it, its operations agree in."""
    mints = [op("C", -9, target="user/app"), op("C", -8, target="user/other")]
    grant = op("V", 9, principal="p2", facts={"beneficiary": "app"})
    assert fires(COUNTED, *mints, *secrets("app", "other", "app", "third", "user/app"), grant)
    assert not fires(COUNTED, *mints, *secrets("app", "other", "app", "other", "third", ""), grant)
    assert not fires(COUNTED, *mints, *secrets("other", "other", "other"), grant)
    assert not fires(COUNTED, *mints, *secrets("app", "app", "app"), op("V", 9, facts={"beneficiary": "app"}))
    assert fires(COUNTED, grant, *secrets("app", "app", "app"), *mints), "late"


def test_files_and_folders_are_loaded_and_the_version_tells_them_apart(tmp_path: Path) -> None:
    """Two policies with one version decide alike, so what they load is part of it."""
    (tmp_path / "mine.yaml").write_text(CHAIN)
    policy = Policy(chain_files=(str(tmp_path),))
    declared = load_declared(policy)
    assert "mine" in declared.names
    (tmp_path / "mine.yaml").write_text(CHAIN.replace("1h", "2h"))
    assert load_declared(policy).version != declared.version != ""
    assert load_declared(Policy()).version == ""
    judge = judging(declared.chains)
    assert judge.fold(told("D@0 V@90")).findings


def test_the_policy_changes_declared_chains_by_name(tmp_path: Path) -> None:
    """Off, or with another window, confidence and response; a name that is not there is a mistake."""
    path = tmp_path / "mine.yml"
    path.write_text(CHAIN)
    for change, found in ((ChainOverride(enabled=False), []), (ChainOverride(within_ms=1_000), [1_000])):
        declared = load_declared(Policy(chains={"mine": change}), str(path))
        assert [chain.shape.within_ms for chain in declared.chains if chain.name == "mine"] == found
    with pytest.raises(RuleError, match=r"'mein' is not loaded; valid are .*mine"):
        load_declared(Policy(chains={"mein": ChainOverride()}), str(path))


@pytest.mark.parametrize(
    ("change", "reason"),
    [("name: mine", "name: three_systems"), ("within: 1h", "within: 30d")],
)
def test_what_does_not_fit_beside_the_others_is_refused(tmp_path: Path, change: str, reason: str) -> None:
    """A detector's name, a window beyond what is remembered."""
    path = tmp_path / "mine.yaml"
    path.write_text(CHAIN.replace(change, reason))
    with pytest.raises(RuleError, match=r"mine.yaml:\d+:1: .*valid"):
        load_declared(Policy(), str(path))


def test_a_folder_without_rules_and_a_missing_file_are_mistakes(tmp_path: Path) -> None:
    """Not a silence."""
    for path in (tmp_path, tmp_path / "none.yaml"):
        with pytest.raises(RuleError, match=str(path)):
            load_declared(Policy(), str(path))
