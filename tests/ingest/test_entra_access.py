"""Sign-ins, Graph, key vaults and the resource manager; and the same in other spellings."""

import json

import pytest

from models.errors import UnreadableEventError
from models.event import CredentialKind, OpClass, Outcome
from stream.sources.entra.records import normalise
from stream.sources.sighting import Handle
from tests.ingest.changing import encoded
from tests.ingest.clouds import azure, graph, read, sign_in, vault
from tests.ingest.entra_records import CLUSTER, OWNER, SAMPLES


def test_a_sign_in_brings_its_token_and_says_from_where() -> None:
    """A login of its own; a refused one brings nothing."""
    for category in ("ServicePrincipalSignInLogs", "ManagedIdentitySignInLogs"):
        sighting, event = read(normalise, sign_in(category))
        assert sighting.brings == (Handle("entra.uti", "uti-1"),)
        assert (event.source, event.op_class, event.effects) == ("entra.signin", OpClass.OTHER, ("mints",))
        assert (event.facts["minted"], event.facts["address"]) == ("uti-1", "192.0.2.5")
        assert event.facts["beneficiary"] == "desk-bot"
        assert event.workload_proven
    sighting, event = read(
        normalise, sign_in(status={"errorCode": 7000215}, clientCredentialType="clientSecret")
    )
    assert (sighting.brings, event.effects, event.outcome) == ((), (), Outcome.DENIED)
    assert (event.workload_proven, event.credential_kind) == (False, CredentialKind.STATIC)
    assert read(normalise, sign_in(status={"errorCode": 50076}))[1].outcome is Outcome.ERROR


def test_azure_names_resources_alike_in_any_case() -> None:
    """The resource manager shouts; a cluster's credentials are a secret of the cluster."""
    operation = "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action"
    for spelled in (operation, operation.upper(), operation.lower()):
        _, event = read(normalise, azure(spelled, CLUSTER))
        assert (event.operation, event.op_class, event.target) == (operation, OpClass.SECRET_READ, "aks-1")
        assert event.credential_kind is CredentialKind.STATIC
    shouted = azure(operation, CLUSTER) | {"identity": None, "properties": {}, "resourceId": CLUSTER.upper()}
    assert read(normalise, shouted)[1].target == "aks-1"


def test_a_role_assignment_says_role_principal_and_reach() -> None:
    """A subscription is the whole of it; a denial is no error."""
    write = "Microsoft.Authorization/roleAssignments/write"
    body = {
        "Properties": {"RoleDefinitionId": f"/providers/x/roleDefinitions/{OWNER}", "PrincipalId": "sp-9"}
    }
    _, event = read(
        normalise,
        azure(write, "/subscriptions/sub-1/providers/Microsoft.Authorization/roleAssignments/a", body),
    )
    assert set(event.effects) == {"expands", "admin", "wide"}
    assert (event.target, event.facts["granted"], event.facts["beneficiary"]) == ("sub-1", "Owner", "sp-9")
    assert event.facts["thing"].endswith("/roleAssignments/a")
    refused = azure(write, f"{CLUSTER}/providers/Microsoft.Authorization/roleAssignments/a", body)
    refused |= {"resultType": "Failure", "resultSignature": "Failed.Forbidden"}
    _, event = read(normalise, refused)
    assert (event.outcome, event.target) == (Outcome.DENIED, "aks-1")
    assert "wide" not in event.effects


def test_a_federated_credential_says_whose_pipelines_get_in() -> None:
    """The issuer is one for all the world."""
    write = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write"
    identity = (
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
    )
    issuer = "https://token.actions.githubusercontent.com"
    body = {"properties": {"issuer": issuer, "subject": "repo:stranger/app:ref:refs/heads/main"}}
    _, event = read(normalise, azure(write, f"{identity}/federatedIdentityCredentials/ci", body))
    assert (event.facts["issuer"], event.facts["admits"]) == (
        "token.actions.githubusercontent.com",
        "stranger",
    )
    body["properties"] |= {"issuer": "https://gitlab.example.org", "subject": "project_path:any-group/app:*"}
    _, event = read(normalise, azure(write, f"{identity}/federatedIdentityCredentials/ci", body))
    assert (event.facts["issuer"], "admits" in event.facts) == ("gitlab.example.org", False)


def test_a_vault_and_its_secrets_have_one_name_each() -> None:
    """Whatever version is asked for."""
    _, event = read(normalise, SAMPLES[6])
    assert (event.op_class, event.target, event.target_kind) == (OpClass.SECRET_READ, "kv-shop/db", "secret")
    _, event = read(normalise, vault("SecretList", "secrets?api-version=7.4", 403))
    assert (event.op_class, event.target, event.outcome) == (OpClass.DISCOVERY, "kv-shop", Outcome.DENIED)


@pytest.mark.parametrize(
    ("method", "uri", "operation", "target", "op_class"),
    [
        (
            "GET",
            "/v1.0/users/ada@x.example/memberOf",
            "GET /users/{id}/memberOf",
            "ada@x.example",
            "discovery",
        ),
        ("GET", "/beta/groups?$filter=x", "GET /groups", "", "discovery"),
        (
            "GET",
            "/v1.0/roleManagement/directory/roleAssignments",
            "GET /roleManagement/directory/roleAssignments",
            "",
            "discovery",
        ),
        (
            "GET",
            "/v1.0/policies/authorizationPolicy",
            "GET /policies/authorizationPolicy",
            "authorizationPolicy",
            "policy_read",
        ),
        (
            "GET",
            "/v1.0/users/ada@x.example/messages/AAMk1",
            "GET /users/{id}/messages/{id}",
            "AAMk1",
            "other",
        ),
        (
            "POST",
            "/v1.0/applications(appId='a-1')/addPassword",
            "POST /applications/{id}/addPassword",
            "a-1",
            "credential_mint",
        ),
        (
            "DELETE",
            "/v1.0/groups/g-1/members/u-1/$ref",
            "DELETE /groups/{id}/members/{id}/$ref",
            "g-1",
            "role_mapping",
        ),
        ("GET", "/v1.0/something/unheard", "GET /something/unheard", "unheard", "unclassified"),
    ],
)
def test_requests_to_graph_are_named_without_their_keys(
    method: str, uri: str, operation: str, target: str, op_class: str
) -> None:
    """So that a thousand people make one operation."""
    _, event = read(normalise, graph(method, uri))
    assert (event.operation, event.op_class) == (operation, op_class)
    assert event.target == target
    assert event.facts.get("beneficiary") == ("u-1" if op_class == "role_mapping" else None)


def test_exports_without_envelope_and_rows_of_tables_say_the_same() -> None:
    """As Graph returns it, as a log table holds it, and in lower case."""
    straight = read(normalise, SAMPLES[0])[1]
    bare = SAMPLES[0]["properties"]
    row = {each[:1].upper() + each[1:]: value for each, value in bare.items()}
    row |= {each: json.dumps(row[each]) for each in ("InitiatedBy", "TargetResources")} | {
        "Type": "AuditLogs"
    }
    lower = {each.lower(): value for each, value in SAMPLES[0].items()}
    for record in (bare, row, lower):
        event = read(normalise, record)[1]
        assert (event.id, event.session, event.operation, event.target) == (
            straight.id,
            straight.session,
            straight.operation,
            straight.target,
        )
        assert (event.effects, event.at_ms) == (straight.effects, straight.at_ms)
    user = sign_in(userId="u-1", userPrincipalName="ada@x.example")["properties"]
    event = read(normalise, user)[1]
    assert (event.source, event.session, event.principal) == ("entra.signin", "entra:u-1", "ada@x.example")


def test_a_batch_gives_one_sighting_each() -> None:
    """As event hubs send them."""
    for content in (encoded(SAMPLES[8]), json.dumps(SAMPLES[8], indent=2).encode()):
        assert [each.event.source for each in normalise(content)] == ["entra.signin", "entra.audit"]


def test_what_has_no_time_or_belongs_elsewhere_is_refused_with_a_reason() -> None:
    """A cluster's records go to the Kubernetes normaliser."""
    with pytest.raises(UnreadableEventError, match="kubernetes"):
        normalise(encoded(sign_in() | {"category": "kube-audit"}))
    with pytest.raises(UnreadableEventError, match="time"):
        normalise(encoded({"operationName": "x", "category": "Administrative", "properties": {}}))
