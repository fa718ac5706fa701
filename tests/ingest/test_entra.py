"""Entra and Azure: each record says who did what to what, who gains by it, and what got weaker."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given

from models.errors import UnreadableEventError
from models.event import CredentialKind, OpClass, Outcome
from stream.ingest.entra import normalise
from stream.ingest.sighting import Handle
from stream.vocabularies import load_vocabulary
from tests.ingest.clouds import (
    MUTATIONS,
    PERSON,
    SHARED,
    azure,
    changed,
    directory,
    encoded,
    graph,
    lines,
    mutated,
    never_tells,
    read,
    reads_or_refuses,
    recorded,
    sign_in,
    thing,
    vault,
)

KEYS = "Update application – Certificates and secrets management "  # noqa: RUF001 - as the log writes it
ROLE = "Add member to role"
CONSENT = "Consent to application"
CA = "Update conditional access policy"
GROUP_SCOPE = "/subscriptions/sub-1/resourceGroups/rg-1"
IDENTITY = f"{GROUP_SCOPE}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mi-1"
FEDERATE = "MICROSOFT.MANAGEDIDENTITY/USERASSIGNEDIDENTITIES/FEDERATEDIDENTITYCREDENTIALS/WRITE"
CLUSTER = f"{GROUP_SCOPE}/providers/Microsoft.ContainerService/managedClusters/aks-1"
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"


def key(identifier: str) -> str:
    """A key as Entra describes it."""
    return f"[KeyIdentifier={identifier},KeyType=Password,KeyUsage=Verify,DisplayName=x]"


def keys(old: list[str], new: list[str], activity: str = KEYS) -> dict[str, Any]:
    """An application's keys change."""
    described = changed("KeyDescription", [key(each) for each in old], [key(each) for each in new])
    return directory(activity, thing("Application", "crm", described))


def access(old: Any, new: Any) -> dict[str, Any]:
    """A conditional access policy changes."""
    return directory(CA, thing("Policy", "MFA", changed("ConditionalAccessPolicy", old, new)))


SAMPLES = [
    directory(
        ROLE, thing("User", "ada@x.example", changed("Role.DisplayName", None, "Global Administrator"))
    ),
    keys([], ["11111111-aaaa"]),
    directory(
        CONSENT, thing("ServicePrincipal", "crm", changed("ConsentAction.Permissions", None, "[Mail.Read]"))
    ),
    access({"state": "enabled", "grantControls": {"builtInControls": ["mfa"]}}, {"state": "disabled"}),
    graph("GET", "/v1.0/users/ada@x.example/memberOf?$top=9"),
    azure(
        FEDERATE,
        f"{IDENTITY}/federatedIdentityCredentials/ci",
        {"properties": {"issuer": "https://e.example"}},
    ),
    vault("SecretGet", "secrets/db/0123456789abcdef0123456789abcdef?api-version=7.4"),
    sign_in(),
    {"records": [sign_in(), graph("GET", "/v1.0/groups")]},
]


def test_an_application_is_known_by_its_object_and_followed_by_request() -> None:
    """The caller's own request id first, then the token."""
    sighting, event = read(normalise, SAMPLES[4])
    assert sighting.follows == (
        Handle("entra.request", "client-1"),
        Handle("entra.request", "req-1"),
        Handle("entra.uti", "uti-1"),
    )
    assert (event.source, event.session, event.principal) == ("entra.audit", "entra:sp-1", "sp-1")
    assert (event.act, event.credential, event.credential_kind) == (
        "client-1",
        "uti-1",
        CredentialKind.EPHEMERAL,
    )
    assert event.workload_proven
    assert event.facts["address"] == "192.0.2.9"


def test_a_person_is_known_by_name_and_has_a_session_by_id() -> None:
    """`initiatedBy.user`."""
    _, event = read(normalise, directory("Add owner to application", initiatedBy=PERSON))
    assert (event.session, event.principal) == ("entra:u-1", "ada@shop.example")
    assert event.facts["address"] == "192.0.2.7"
    assert event.at_ms == 1_777_863_721_234


def test_a_sign_in_brings_its_token_and_says_from_where() -> None:
    """A login of its own; a refused one brings nothing."""
    for category in ("ServicePrincipalSignInLogs", "ManagedIdentitySignInLogs"):
        sighting, event = read(normalise, sign_in(category))
        assert sighting.brings == (Handle("entra.uti", "uti-1"),)
        assert (event.source, event.op_class, event.effects) == ("entra.signin", OpClass.OTHER, ("mints",))
        assert (event.facts["minted"], event.facts["address"]) == ("uti-1", "192.0.2.5")
        assert event.workload_proven
    sighting, event = read(
        normalise, sign_in(status={"errorCode": 7000215}, clientCredentialType="clientSecret")
    )
    assert (sighting.brings, event.effects, event.outcome) == ((), (), Outcome.DENIED)
    assert (event.workload_proven, event.credential_kind) == (False, CredentialKind.STATIC)
    assert read(normalise, sign_in(status={"errorCode": 50076}))[1].outcome is Outcome.ERROR


@pytest.mark.parametrize(
    ("record", "op_class", "target", "effects", "facts"),
    [
        (
            SAMPLES[0],
            "role_mapping",
            "Global Administrator",
            {"expands", "admin"},
            {"beneficiary": "ada@x.example"},
        ),
        (
            directory(
                "Remove member from role",
                thing("User", "ada@x.example", changed("Role.DisplayName", "Global Administrator", None)),
            ),
            "role_mapping",
            "Global Administrator",
            {"removes"},
            {"beneficiary": "ada@x.example"},
        ),
        (
            directory(
                "Add member to group",
                thing("User", "ada@x.example", changed("Group.DisplayName", None, "wiki-readers")),
            ),
            "role_mapping",
            "wiki-readers",
            {"expands"},
            {"beneficiary": "ada@x.example", "granted": "wiki-readers"},
        ),
        (
            directory(
                "Add member to group",
                thing("User", "ada@x.example", changed("Group.DisplayName", None, "tenant-admins")),
            ),
            "role_mapping",
            "tenant-admins",
            {"expands", "admin"},
            {},
        ),
        (
            directory(
                "Add eligible member to role in PIM completed (permanent)",
                thing("Role", "Privileged Role Administrator"),
                thing("ServicePrincipal", "desk-bot"),
            ),
            "privilege_change",
            "Privileged Role Administrator",
            {"expands", "admin", "long_lived"},
            {"beneficiary": "desk-bot,sp-1", "granted": "Privileged Role Administrator"},
        ),
        (
            directory(
                "Add member to role in PIM completed (timebound)",
                thing("Role", "Reports Reader"),
                thing("User", "bo@x.example"),
            ),
            "privilege_change",
            "Reports Reader",
            {"expands"},
            {"beneficiary": "bo@x.example"},
        ),
        (
            directory("Add owner to application", thing("User", "bo@x.example"), thing("Application", "crm")),
            "role_mapping",
            "crm",
            {"expands"},
            {"beneficiary": "bo@x.example"},
        ),
    ],
)
def test_a_grant_says_what_to_whom(
    record: dict[str, Any], op_class: str, target: str, effects: set[str], facts: dict[str, str]
) -> None:
    """Whoever made it and gains by it is named as both its names."""
    _, event = read(normalise, record)
    assert (event.op_class, event.target) == (op_class, target)
    assert set(event.effects) == effects
    assert facts.items() <= event.facts.items()


def test_keys_say_whose_which_and_whether_they_only_went() -> None:
    """By what was described before and after, whatever the activity is called."""
    _, event = read(normalise, keys([], ["11111111-aaaa"]))
    assert event.operation == "Update application - Certificates and secrets management"
    assert (event.op_class, event.target, event.facts["beneficiary"]) == (
        OpClass.CREDENTIAL_MINT,
        "crm",
        "crm",
    )
    assert set(event.effects) == {"mints", "long_lived"}
    assert event.facts["minted"] == "11111111-aaaa"
    _, event = read(normalise, keys(["11111111-aaaa"], ["22222222-bbbb"], "Update application"))
    assert (event.op_class, event.facts["minted"]) == (OpClass.CREDENTIAL_MINT, "22222222-bbbb")
    _, event = read(normalise, keys(["11111111-aaaa", "22222222-bbbb"], ["22222222-bbbb"]))
    assert event.effects == ("removes",)
    assert "minted" not in event.facts


def test_a_consent_says_its_scopes_and_for_whom() -> None:
    """Tenant-wide where an administrator consents; administrative by the permission."""
    admin = changed("ConsentContext.IsAdminConsent", None, "True")
    scopes = "[] => [[Id: 1, ConsentType: AllPrincipals, Scope:  Mail.Read User.Read, CreatedDateTime: , ]]; "
    for properties, effects, granted in (
        (
            (admin, changed("ConsentAction.Permissions", None, "[Mail.Read]")),
            {"expands", "wide"},
            "Mail.Read",
        ),
        ((changed("ConsentAction.Permissions", None, scopes),), {"expands", "wide"}, "Mail.Read,User.Read"),
        ((changed("ConsentAction.Permissions", None, "[User.Read]"),), {"expands"}, "User.Read"),
        (
            (changed("AppRole.Value", None, "RoleManagement.ReadWrite.Directory"),),
            {"expands", "admin"},
            "RoleManagement.ReadWrite.Directory",
        ),
    ):
        _, event = read(normalise, directory(CONSENT, thing("ServicePrincipal", "crm", *properties)))
        assert event.op_class is OpClass.PRIVILEGE_CHANGE
        assert set(event.effects) == effects
        assert event.facts["granted"] == granted


MFA = {
    "state": "enabled",
    "grantControls": {"builtInControls": ["mfa"]},
    "conditions": {"users": {"includeUsers": ["All"], "excludeUsers": []}},
}


@pytest.mark.parametrize(
    ("new", "weaker"),
    [
        (MFA, False),
        (MFA | {"state": "disabled"}, True),
        (MFA | {"state": "enabledForReportingButNotEnforced"}, True),
        (MFA | {"grantControls": {"builtInControls": []}}, True),
        (MFA | {"grantControls": {"builtInControls": ["mfa", "compliantDevice"]}}, False),
        (MFA | {"conditions": {"users": {"includeUsers": ["All"], "excludeUsers": ["u-9"]}}}, True),
        (MFA | {"conditions": {"users": {"includeUsers": ["u-1"], "excludeUsers": []}}}, True),
        (MFA | {"displayName": "renamed"}, False),
    ],
)
def test_a_policy_is_weaker_where_it_asks_less_or_spares_more(new: dict[str, Any], *, weaker: bool) -> None:
    """By its settings before and after; the other way round it is stronger."""
    _, event = read(normalise, access(MFA, new))
    assert event.op_class is OpClass.TRUST_CHANGE
    assert ("weakens" in event.effects) is weaker
    if weaker:
        assert "weakens" not in read(normalise, access(new, MFA))[1].effects


def test_a_federated_credential_says_whose_tokens_are_trusted() -> None:
    """On a managed identity by the resource manager, on an application by a property."""
    _, event = read(normalise, SAMPLES[5])
    assert (event.op_class, event.target) == (OpClass.TRUST_CHANGE, "mi-1")
    assert set(event.effects) == {"trust_path", "expands"}
    assert event.facts["issuer"] == "e.example"
    federated = changed(
        "FederatedIdentityCredentials", [], [{"Name": "ci", "Issuer": "https://ci.example/x"}]
    )
    _, event = read(normalise, directory("Update application", thing("Application", "crm", federated)))
    assert (event.op_class, event.facts["issuer"]) == (OpClass.TRUST_CHANGE, "ci.example")
    assert "trust_path" in event.effects


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
    refused = azure(write, f"{CLUSTER}/providers/Microsoft.Authorization/roleAssignments/a", body)
    refused |= {"resultType": "Failure", "resultSignature": "Failed.Forbidden"}
    _, event = read(normalise, refused)
    assert (event.outcome, event.target) == (Outcome.DENIED, "aks-1")
    assert "wide" not in event.effects


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
    assert [each.event.source for each in normalise(encoded(SAMPLES[8]))] == ["entra.signin", "entra.audit"]


def test_what_has_no_time_or_belongs_elsewhere_is_refused_with_a_reason() -> None:
    """A cluster's records go to the Kubernetes normaliser."""
    with pytest.raises(UnreadableEventError, match="kubernetes"):
        normalise(encoded(sign_in() | {"category": "kube-audit"}))
    with pytest.raises(UnreadableEventError, match="time"):
        normalise(encoded({"operationName": "x", "category": "Administrative", "properties": {}}))


NAMES = frozenset(
    {"operationName", "activityDisplayName", "displayName", "correlationId", "id", "category", "tenantId"}
    | {
        "callerIpAddress",
        "servicePrincipalId",
        "appId",
        "newValue",
        "oldValue",
        "requestUri",
        "requestMethod",
    }
    | {"clientRequestId", "requestId", "signInActivityId", "scope", "entity", "requestbody", "ipAddress"}
    | {"uniqueTokenIdentifier", "resourceDisplayName", "claims", "claim", "userPrincipalName", "type"}
)


def test_no_secret_leaves() -> None:
    """Wherever a text stands that is no name."""
    for sample in SAMPLES[:8]:
        sample["properties"] |= {"resultReason": "r", "additionalDetails": [{"key": "note", "value": "v"}]}
        sample["resultDescription"] = "d"
        never_tells(normalise, sample, NAMES)
    note = azure("Microsoft.Web/sites/config/write", GROUP_SCOPE, {"properties": {"password": "planted"}})
    assert b"planted" not in repr(normalise(encoded(note))).encode()


@MUTATIONS
@given(record=mutated(SAMPLES))
def test_whatever_comes_is_read_or_refused(record: bytes) -> None:
    """Nothing else escapes."""
    reads_or_refuses(normalise, record)


@pytest.mark.parametrize(
    ("name", "op_class"),
    [
        ("Add service principal credentials", "credential_mint"),
        ("Add owner to application", "role_mapping"),
        ("Add member to role", "role_mapping"),
        ("Update application - Certificates and secrets management", "credential_mint"),
        ("Consent to application", "privilege_change"),
        ("Update conditional access policy", "trust_change"),
        ("SecretList", "discovery"),
        ("SecretGet", "secret_read"),
        (
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write",
            "trust_change",
        ),
        ("GET /tenantRelationships/delegatedAdminRelationships", "discovery"),
        ("Something nobody knows", "unclassified"),
    ],
)
def test_operations_of_the_chains_are_classified(name: str, op_class: str) -> None:
    """As the chains need them; what nobody knows stays unclassified."""
    assert load_vocabulary("entra").look_up(name).op_class == op_class


@pytest.mark.skipif(not SHARED.is_dir(), reason="the corpora are not beside the repository")
def test_the_corpora_are_read_right() -> None:
    """Who, what, when and how it ended, by the raw fields; at least 99 of 100, and 98 of 100 classified."""
    results = [_right(record) for record in _corpora()]
    assert len(results) > 3_000
    assert sum(right for right, _ in results) >= 0.99 * len(results)
    assert sum(known for _, known in results) >= 0.98 * len(results)


def _corpora() -> Iterator[dict[str, Any]]:
    for _, record in recorded("entra.audit", "entra.signin"):
        yield record
    for each in lines(SHARED / "panther" / "tests.ndjson.gz"):
        record = each["event"]
        if (
            each["log_type"] in {"Azure.Audit", "Azure.MonitorActivity"}
            and record.get("category") != "kube-audit"
        ):
            yield record


def _right(record: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the sighting says what the raw fields say; whether it is classified."""
    event: Any = normalise(encoded(record))[0].event
    said = record.get("properties") or {}
    moment = (
        said.get("activityDateTime")
        or said.get("createdDateTime")
        or said.get("timeGenerated")
        or record["time"]
    )
    at = datetime.fromisoformat(moment.removesuffix("Z").replace(" ", "T")[:23] + "+00:00").timestamp() * 1000
    called = said.get("activityDisplayName") or record.get("operationName") or record.get("operationname")
    plain = str(called).strip().lower().replace("–", "-")  # noqa: RUF001 - as the log writes it
    named = event.operation.lower() == plain or "requestUri" in said
    return (
        named
        and abs(event.at_ms - at) < 1
        and _who(record) in {"", event.principal}
        and event.outcome in _ends(record),
        event.op_class != "unclassified",
    )


def _who(record: dict[str, Any]) -> str:
    said, identity = record.get("properties") or {}, record.get("identity") or {}
    by = said.get("initiatedBy") or {}
    user, app = by.get("user") or {}, by.get("app") or {}
    claims = identity.get("claims") or identity.get("claim") or {} if isinstance(identity, dict) else {}
    tail = {each.rpartition("/")[2]: value for each, value in claims.items()}
    found = (user.get("userPrincipalName"), app.get("servicePrincipalId"), said.get("userPrincipalName"))
    found += (said.get("servicePrincipalId"), tail.get("upn"), tail.get("objectidentifier"), tail.get("oid"))
    return next((each for each in found if each), "")


def _ends(record: dict[str, Any]) -> set[str]:
    said = record.get("properties") or {}
    code = (said.get("status") or {}).get("errorCode") if isinstance(said.get("status"), dict) else None
    status = said.get("responseStatusCode") or said.get("httpStatusCode") or record.get("statusCode") or 200
    result = str(
        said.get("result") or record.get("resultType") or record.get("resulttype") or "success"
    ).lower()
    fine = (
        code in (None, 0) and int(status) < 400 and result in {"success", "0", "succeeded", "active", "start"}
    )
    return {"ok"} if fine else {"denied", "error"}
