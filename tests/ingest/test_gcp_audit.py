"""Google Cloud audit logs: each record says who did what to what, and who gains by it."""

import json
from typing import Any

import pytest
from hypothesis import given

from models.errors import UnreadableEventError
from models.event import CredentialKind, OpClass, Outcome
from stream.sources.gcp.audit import normalise
from stream.sources.sighting import Handle
from stream.sources.vocabularies import load_vocabulary
from tests.ingest.changing import encoded
from tests.ingest.clouds import (
    ROBOT,
    SECRET,
    deltas,
    gcp,
    mutated,
    never_tells,
    read,
    reads_or_refuses,
    reason,
    through,
)
from tests.recordings import MUTATIONS

ADA = "user:ada@shop.example"
VICTIM = "owner@shop-1.iam.gserviceaccount.com"
SINK = "projects/shop-1/sinks/audit"


def policy(*changes: tuple[str, str, str], **payload: Any) -> dict[str, Any]:
    """A policy of the project is set."""
    return gcp("SetIamPolicy", serviceData=deltas(*changes), **payload)


def sink(**told: Any) -> dict[str, Any]:
    """A log sink is changed."""
    return gcp("google.logging.v2.ConfigServiceV2.UpdateSink", SINK, request=told)


SAMPLES = [
    policy(("ADD", "roles/owner", ADA), authenticationInfo=through("agent:x:conv-9")),
    gcp("SetIamPolicy", request={"policy": {"bindings": [{"role": "roles/viewer", "members": [ADA]}]}}),
    gcp(
        "google.iam.admin.v1.CreateServiceAccountKey",
        f"projects/-/serviceAccounts/{VICTIM}",
        response={"name": f"projects/shop-1/serviceAccounts/{VICTIM}/keys/k1"},
    ),
    gcp("GenerateAccessToken", f"projects/-/serviceAccounts/{VICTIM}", request={"lifetime": "600s"}),
    sink(sink={"exclusions": [{"name": "n", "filter": f'x="{VICTIM}"'}]}, updateMask="exclusions"),
    gcp("google.cloud.orgpolicy.v2.OrgPolicy.UpdatePolicy", request={"policy": {"spec": {"rules": [{}]}}}),
    gcp("google.iam.admin.v1.CreateRole", request={"role": {"includedPermissions": ["a.b.setIamPolicy"]}}),
    gcp("io.k8s.authorization.rbac.v1.clusterrolebindings.create", request={"roleRef": {"name": "r"}}),
    gcp("google.admin.AdminService.addGroupMember", metadata={"event": [{"parameter": [{"name": "a"}]}]}),
    gcp("storage.objects.get", requestMetadata=reason("chg-17")),
]


def test_the_caller_behind_an_account_is_followed_and_proven() -> None:
    """A federated subject ends in the conversation it was minted for; the account is the principal."""
    sighting, event = read(normalise, gcp("GetProject", authenticationInfo=through("agent:x:conv-9")))
    assert sighting.follows == (Handle("conversation", "conv-9"),)
    assert (event.principal, event.session, event.workflow) == (ROBOT, f"gcp:{ROBOT}", f"gcp:{ROBOT}")
    assert event.workload_proven
    assert event.credential_kind is CredentialKind.EPHEMERAL
    assert event.at_ms == 1_777_863_721_234


def test_a_key_is_a_session_of_its_own_and_a_reason_may_name_the_conversation() -> None:
    """`serviceAccountKeyName` ends in the key's id; the reason comes in base64."""
    who = {
        "principalEmail": ROBOT,
        "serviceAccountKeyName": f"//iam/projects/p/serviceAccounts/{ROBOT}/keys/k9",
    }
    record = gcp("GetProject", authenticationInfo=who, requestMetadata=reason("conv-7"))
    sighting, event = read(normalise, record)
    assert sighting.follows == (Handle("conversation", "conv-7"),)
    assert event.session == f"gcp:{ROBOT}:k9"
    assert (event.credential, event.credential_kind) == ("k9", CredentialKind.STATIC)


def test_a_reason_in_prose_stays_here() -> None:
    """Only a reference leaves: one word."""
    sighting, event = read(normalise, gcp("GetProject", requestMetadata=reason(f"because {SECRET}")))
    assert sighting.follows == ()
    assert "change" not in event.facts


def test_a_pipeline_is_known_by_its_subject() -> None:
    """GitHub's subject names repository and branch."""
    _, event = read(
        normalise, gcp("GetProject", authenticationInfo=through("repo:shop/infra:ref:refs/heads/main"))
    )
    assert (event.facts["repository"], event.facts["ref"]) == ("shop/infra", "refs/heads/main")


@pytest.mark.parametrize(
    ("role", "member", "effects", "facts"),
    [
        ("roles/owner", ADA, {"expands", "admin", "wide"}, {"beneficiary": "ada@shop.example"}),
        ("roles/iam.serviceAccountTokenCreator", f"serviceAccount:{ROBOT}", {"expands", "admin", "wide"}, {}),
        (
            "roles/monitoring.viewer",
            "group:g@shop.example",
            {"expands", "wide"},
            {"beneficiary": "g@shop.example"},
        ),
        ("roles/viewer", "allUsers", {"expands", "wide", "trust_path"}, {"beneficiary": "allUsers"}),
        (
            "roles/viewer",
            "serviceAccount:x@other-99.iam.gserviceaccount.com",
            {"expands", "wide"},
            {"foreign_account": "other-99"},
        ),
    ],
)
def test_a_policy_delta_says_who_gains_what(
    role: str, member: str, effects: set[str], facts: dict[str, str]
) -> None:
    """Administrative by what the role allows; wide where it holds for a whole project."""
    _, event = read(normalise, policy(("ADD", role, member)))
    assert event.op_class is OpClass.PRIVILEGE_CHANGE
    assert set(event.effects) == effects
    assert event.target == "shop-1"
    assert event.facts["granted"] == role
    assert facts.items() <= event.facts.items()


def test_what_only_takes_away_gives_nothing() -> None:
    """Even of an administrative role; one grant among removals is a grant, and names whom."""
    _, event = read(normalise, policy(("REMOVE", "roles/owner", ADA)))
    assert set(event.effects) == {"removes", "wide"}
    _, event = read(
        normalise, policy(("REMOVE", "roles/viewer", ADA), ("ADD", "roles/owner", "user:eve@x.example"))
    )
    assert {"expands", "admin"} <= set(event.effects)
    assert event.facts["beneficiary"] == "eve@x.example"


def test_a_resource_policy_reaches_one_thing_and_an_impersonation_is_a_way_in() -> None:
    """Without a delta the bindings that were set count."""
    bound = {"role": "roles/iam.workloadIdentityUser", "members": ["principalSet://iam/x/attribute.a/b"]}
    record = gcp(
        "google.iam.admin.v1.SetIAMPolicy",
        f"projects/-/serviceAccounts/{VICTIM}",
        request={"policy": {"bindings": [bound]}},
    )
    _, event = read(normalise, record)
    assert event.target == VICTIM
    assert set(event.effects) == {"expands", "trust_path"}


@pytest.mark.parametrize(
    ("name", "outsiders"),
    [
        ("projects/shop-1", True),
        (f"projects/-/serviceAccounts/{VICTIM}", True),
        ("projects/shop-1/secrets/db", True),
        ("projects/_/buckets/site", False),
    ],
)
def test_everybody_is_an_outsider_to_what_is_no_service_to_the_public(
    name: str,
    outsiders: bool,  # noqa: FBT001
) -> None:
    """A page may be for all; a project, an account or a secret is for nobody else."""
    _, event = read(
        normalise, gcp("SetIamPolicy", name, serviceData=deltas(("ADD", "roles/viewer", "allUsers")))
    )
    assert {"trust_path", "wide"} <= set(event.effects)
    assert event.facts.get("foreign_account", "") == ("*" if outsiders else "")


def test_a_key_that_works_again_is_its_account_s() -> None:
    """What was revoked comes back, for whoever has it."""
    again = gcp("google.iam.admin.v1.EnableServiceAccountKey", f"projects/-/serviceAccounts/{VICTIM}/keys/k1")
    _, event = read(normalise, again)
    assert (event.target, event.facts["beneficiary"]) == (VICTIM, VICTIM)
    assert {"mints", "long_lived"} <= set(event.effects)


def test_an_exempted_member_is_a_weaker_trail() -> None:
    """Audit configuration is part of the policy; logging more again is not weaker."""
    for action, weaker in (("ADD", True), ("REMOVE", False)):
        spared = {"action": action, "service": "allServices", "exemptedMember": ADA, "logType": "DATA_READ"}
        _, event = read(
            normalise, gcp("SetIamPolicy", serviceData={"policyDelta": {"auditConfigDeltas": [spared]}})
        )
        assert event.op_class is OpClass.GUARDRAIL_CHANGE
        assert ("weakens" in event.effects) is weaker
        assert event.facts["beneficiary"] == "ada@shop.example"


def test_a_key_says_whose_it_is_and_its_id() -> None:
    """It lives until somebody deletes it."""
    sighting, event = read(normalise, SAMPLES[2])
    assert sighting.maker_of == (Handle("gcp.key", "k1"),)
    assert (event.operation, event.op_class) == ("CreateServiceAccountKey", OpClass.CREDENTIAL_MINT)
    assert set(event.effects) == {"mints", "long_lived"}
    assert event.target == event.facts["beneficiary"] == VICTIM
    assert event.facts["minted"] == "k1"


def test_a_token_of_another_account_is_minted_and_ones_own_is_a_login() -> None:
    """The named account tells."""
    _, event = read(normalise, SAMPLES[3])
    assert (event.op_class, event.facts["beneficiary"]) == (OpClass.CREDENTIAL_MINT, VICTIM)
    assert event.facts["lifetime_s"] == "600"
    _, event = read(normalise, gcp("GenerateAccessToken", f"projects/-/serviceAccounts/{ROBOT}"))
    assert event.op_class is OpClass.OTHER


@pytest.mark.parametrize(
    ("told", "weaker"),
    [
        (
            {"sink": {"exclusions": [{"name": "n", "filter": f'x="{VICTIM}"'}]}, "updateMask": "exclusions"},
            True,
        ),
        ({"sink": {"disabled": True}, "updateMask": "disabled"}, True),
        ({"sink": {"filter": "severity>=ERROR"}, "update_mask": "filter"}, True),
        ({"sink": {"filter": "same", "description": "d"}, "updateMask": "description"}, False),
        (
            {
                "sink": {"exclusions": [{"name": "n", "filter": "f", "disabled": True}]},
                "updateMask": "exclusions",
            },
            False,
        ),
    ],
)
def test_a_sink_is_weaker_where_it_leaves_something_out(told: dict[str, Any], *, weaker: bool) -> None:
    """And it says whose records it leaves out."""
    _, event = read(normalise, sink(**told))
    assert event.op_class is OpClass.GUARDRAIL_CHANGE
    assert ("weakens" in event.effects) is weaker
    assert (event.facts.get("beneficiary") == VICTIM) is (VICTIM in json.dumps(told))


@pytest.mark.parametrize(
    ("rule", "weaker"),
    [
        ({"enforce": False}, True),
        ({"enforce": True}, False),
        ({"allowAll": True}, True),
        ({"denyAll": True}, False),
    ],
)
def test_an_organization_policy_is_weaker_where_it_no_longer_holds(
    rule: dict[str, Any], *, weaker: bool
) -> None:
    """By its rules."""
    asked = {"policy": {"name": "projects/shop-1/policies/iam.disableKeys", "spec": {"rules": [rule]}}}
    _, event = read(normalise, gcp("google.cloud.orgpolicy.v2.OrgPolicy.UpdatePolicy", request=asked))
    assert event.op_class is OpClass.GUARDRAIL_CHANGE
    assert ("weakens" in event.effects) is weaker
    assert event.facts["granted"] == "iam.disableKeys"


def test_other_changes_tell_what_judging_them_needs() -> None:
    """A role's permissions, a provider's issuer, a group's member, a cluster's binding."""
    _, event = read(normalise, SAMPLES[6])
    assert "admin" in event.effects
    trusted = {"workloadIdentityPoolProvider": {"oidc": {"issuerUri": "https://tokens.evil.example/x"}}}
    _, event = read(
        normalise,
        gcp("google.iam.v1.WorkloadIdentityPools.CreateWorkloadIdentityPoolProvider", request=trusted),
    )
    assert (event.op_class, event.facts["issuer"]) == (OpClass.TRUST_CHANGE, "tokens.evil.example")
    given_to = [
        {"name": "USER_EMAIL", "value": "eve@x.example"},
        {"name": "GROUP_EMAIL", "value": "admins@x.example"},
    ]
    _, event = read(
        normalise,
        gcp("google.admin.AdminService.addGroupMember", metadata={"event": [{"parameter": given_to}]}),
    )
    assert (event.target, event.facts["beneficiary"]) == ("admins@x.example", "eve@x.example")
    bound = {"roleRef": {"name": "cluster-admin"}, "subjects": [{"name": "bot", "namespace": "apps"}]}
    record = gcp("io.k8s.authorization.rbac.v1.clusterrolebindings.create", request=bound)
    record["resource"]["labels"]["cluster_name"] = "eu-1"
    _, event = read(normalise, record)
    assert (event.system, event.facts["beneficiary"]) == ("k8s:eu-1", "apps/bot")
    assert {"admin", "wide", "expands"} <= set(event.effects)


def test_what_is_read_has_one_name_whatever_the_version() -> None:
    """A secret's version, a project's number and an object's name come and go."""
    for resource, target in (
        ("projects/77/secrets/db/versions/latest", "db"),
        ("projects/77", "shop-1"),
        ("projects/_/buckets/raw/objects/a/b.csv", "raw"),
        ("projects/shop-1/zones/z/instances/vm-1", "vm-1"),
        ("//cloudresourcemanager.googleapis.com/projects/shop-1", "shop-1"),
    ):
        assert read(normalise, gcp("GetProject", resource))[1].target == target
    _, event = read(
        normalise, gcp("a.v1.SecretManagerService.AccessSecretVersion", "projects/1/secrets/db/versions/1")
    )
    assert (event.op_class, event.system_kind, event.effects) == (
        OpClass.SECRET_READ,
        "secret_store",
        ("secret_value",),
    )


@pytest.mark.parametrize(
    ("payload", "outcome"),
    [
        ({"status": {"code": 7}}, Outcome.DENIED),
        ({"status": {"code": 5}}, Outcome.ERROR),
        ({"status": None, "authorizationInfo": [{"permission": "p", "granted": False}]}, Outcome.DENIED),
        ({"authorizationInfo": [{"permission": "p"}]}, Outcome.OK),
        ({"methodName": "google.login.LoginService.loginFailure"}, Outcome.DENIED),
    ],
)
def test_how_it_ended(payload: dict[str, Any], outcome: Outcome) -> None:
    """A refusal is not an error."""
    assert (
        read(normalise, gcp("GetProject") | {"protoPayload": gcp("GetProject")["protoPayload"] | payload})[
            1
        ].outcome
        is outcome
    )


def test_a_table_spells_in_lower_case_and_a_time_may_stand_elsewhere() -> None:
    """Lakes lower the entry's own names; without a time it is no record."""
    record = gcp("GetProject", requestMetadata={"requestAttributes": {"time": "2026-05-04T03:02:01Z"}})
    record["protopayload"] = record.pop("protoPayload")
    del record["timestamp"]
    assert read(normalise, record)[1].at_ms == 1_777_863_721_000
    record["protopayload"]["requestMetadata"] = None
    with pytest.raises(UnreadableEventError, match="timestamp"):
        normalise(encoded(record))


NAMES = frozenset(
    {
        "methodName",
        "serviceName",
        "resourceName",
        "principalEmail",
        "principalSubject",
        "callerIp",
        "role",
        "member",
    }
    | {"callerSuppliedUserAgent", "insertId", "project_id", "name", "lifetime", "reason", "filter", "members"}
)


def test_no_secret_leaves() -> None:
    """Wherever a text stands that is no name."""
    for sample in SAMPLES:
        sample["protoPayload"]["response"] = {"privateKeyData": "x", "accessToken": "y", "text": {"a": "b"}}
        sample["protoPayload"]["status"] = {"message": "m"}
        never_tells(normalise, sample, NAMES | {"includedPermissions"})


@pytest.mark.corpus
@MUTATIONS
@given(record=mutated(SAMPLES))
def test_whatever_comes_is_read_or_refused(record: bytes) -> None:
    """Nothing else escapes."""
    reads_or_refuses(normalise, record)


@pytest.mark.parametrize(
    ("name", "op_class"),
    [
        ("TestIamPermissions", "discovery"),
        ("AccessSecretVersion", "secret_read"),
        ("SetIamPolicy", "privilege_change"),
        ("GenerateAccessToken", "credential_mint"),
        ("ListServiceAccounts", "discovery"),
        ("CreateServiceAccountKey", "credential_mint"),
        ("UpdateSink", "guardrail_change"),
        ("Nobody.KnowsThis", "unclassified"),
    ],
)
def test_operations_of_the_chains_are_classified(name: str, op_class: str) -> None:
    """As the chains need them; what nobody knows stays unclassified."""
    assert load_vocabulary("gcp").look_up(name).op_class == op_class


def test_a_name_without_end_is_cut() -> None:
    """Found by mutation: a role's name of three thousand characters made an event beyond its limits."""
    bound = {"roleRef": {"name": "é" * 3_000}}
    _, event = read(normalise, gcp("io.k8s.rbac.v1.clusterrolebindings.create", request=bound))
    assert len(event.facts["granted"]) == 1_024
