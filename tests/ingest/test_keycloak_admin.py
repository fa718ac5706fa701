"""Keycloak's admin and user events as operations."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given

from models.attested import Effect, Fact
from models.errors import Unreadable, UnreadableEventError
from models.event import EVENT_BYTES_MAX, CredentialKind, Grade, OpClass, Operation, Outcome
from stream.sources.keycloak.admin import normalise
from stream.sources.sighting import Handle
from tests.ingest.changing import encoded
from tests.ingest.saas import holds, mostly_known, mostly_right, mutated, only, operation, scenario_records
from tests.recordings import MUTATIONS

CLIENT = "c1d2e3f4-0000-4000-8000-000000000001"
USER = "0a1b2c3d-0000-4000-8000-000000000002"


def admin(verb: str, resource: str, path: str, body: Any = None, **changed: Any) -> dict[str, Any]:
    """What a client with an administrator's role did; `changed` are fields that matter to the test."""
    return {
        "id": "k-1",
        "time": 1_790_000_000_250,
        "realmId": "r-1",
        "realmName": "corp",
        "operationType": verb,
        "resourceType": resource,
        "resourcePath": path,
        "authDetails": {"realmName": "master", "clientId": CLIENT, "userId": "u-9", "ipAddress": "192.0.2.7"},
        **({"representation": json.dumps(body)} if body is not None else {}),
        **changed,
    }


def used(kind: str, **changed: Any) -> dict[str, Any]:
    """What somebody did at the log-in pages or the token endpoint."""
    return {
        "id": "k-2",
        "time": 1_790_000_000_250,
        "type": kind,
        "realmId": "corp",
        "clientId": "shop",
        "userId": USER,
        "sessionId": "s-1",
        "ipAddress": "203.0.113.9",
        "details": {"username": "ann"},
        **changed,
    }


def read(record: dict[str, Any]) -> Operation:
    """The operation that an event is."""
    return operation(only(normalise(encoded(record))))


def test_an_admin_event_is_traced_by_its_call() -> None:
    """It names a client and no session: method and path have to do."""
    sighting = only(normalise(encoded(admin("UPDATE", "USER", f"users/{USER}", {"emailVerified": True}))))
    found = operation(sighting)
    assert (found.source, found.id, found.at_ms) == ("keycloak.admin", "k-1", 1_790_000_000_250)
    assert (found.operation, found.target) == ("UPDATE USER", USER)
    assert found.session == found.workflow == f"keycloak:{CLIENT}"
    assert (found.agent, found.principal, found.grade) == (CLIENT, "u-9", Grade.ATTESTED)
    assert sighting.follows == (Handle("keycloak.call", f"PUT users/{USER}"),)
    assert found.facts[Fact.ADDRESS] == "192.0.2.7"
    assert found.op_class is OpClass.OTHER


@pytest.mark.parametrize(("verb", "method"), [("CREATE", "POST"), ("ACTION", "POST"), ("DELETE", "DELETE")])
def test_every_kind_of_change_has_its_method(verb: str, method: str) -> None:
    """As the span of the tool that made the call has it."""
    sighting = only(normalise(encoded(admin(verb, "GROUP", "groups/g-1"))))
    assert sighting.follows == (Handle("keycloak.call", f"{method} groups/g-1"),)


@pytest.mark.parametrize(
    ("role", "effects"),
    [
        ("app-user", {Effect.EXPANDS}),
        ("realm-admin", {Effect.EXPANDS, Effect.ADMIN}),
        ("manage-users", {Effect.EXPANDS, Effect.ADMIN}),
        ("platform-admins", {Effect.EXPANDS, Effect.ADMIN}),
        ("view-users", {Effect.EXPANDS}),
    ],
)
def test_a_role_given_is_administrative_by_its_name(role: str, effects: set[Effect]) -> None:
    """Keycloak's own roles for administrators, and those that call themselves so."""
    path = f"users/{USER}/role-mappings/realm"
    found = read(admin("CREATE", "REALM_ROLE_MAPPING", path, [{"name": role}]))
    assert (found.operation, found.op_class) == ("CREATE REALM_ROLE_MAPPING", OpClass.ROLE_MAPPING)
    assert set(found.effects) == effects
    assert (found.target, found.facts[Fact.GRANTED]) == (USER, role)
    taken = read(admin("DELETE", "REALM_ROLE_MAPPING", path, [{"name": role}]))
    assert taken.effects == (Effect.REMOVES,)


@pytest.mark.parametrize(
    ("verb", "path", "name", "op_class"),
    [
        ("ACTION", f"users/{USER}/reset-password", "ACTION USER/reset-password", OpClass.CREDENTIAL_MINT),
        ("ACTION", f"users/{USER}/impersonation", "ACTION USER/impersonation", OpClass.CREDENTIAL_MINT),
        ("ACTION", f"users/{USER}/logout", "ACTION USER/logout", OpClass.OTHER),
        ("DELETE", f"users/{USER}/credentials/{USER}", "DELETE USER/credentials", OpClass.PRIVILEGE_CHANGE),
        ("CREATE", f"users/{USER}/federated-identity/idp", "CREATE USER/federated-identity", None),
    ],
)
def test_what_is_done_to_a_user_is_told_by_the_path(
    verb: str, path: str, name: str, op_class: OpClass | None
) -> None:
    """One type of resource, several operations."""
    found = read(admin(verb, "USER", path))
    assert (found.operation, found.target) == (name, USER)
    assert found.op_class is (op_class or OpClass.TRUST_CHANGE)


def test_an_account_is_opened_closed_or_given_a_password() -> None:
    """Told by what is in the body; a profile alone is nobody's privilege."""
    opened = read(admin("CREATE", "USER", f"users/{USER}", {"username": "ann", "enabled": True}))
    closed = read(admin("UPDATE", "USER", f"users/{USER}", {"enabled": False}))
    secret = read(admin("UPDATE", "USER", f"users/{USER}", {"credentials": [{"value": "x"}]}))
    assert (opened.op_class, opened.effects) == (OpClass.PRIVILEGE_CHANGE, (Effect.EXPANDS, Effect.CREATES))
    assert opened.facts[Fact.BENEFICIARY] == "ann"
    assert (closed.op_class, closed.effects) == (OpClass.PRIVILEGE_CHANGE, (Effect.REMOVES,))
    assert (secret.op_class, secret.effects) == (OpClass.CREDENTIAL_MINT, (Effect.MINTS,))


@pytest.mark.parametrize(
    ("body", "op_class", "effects"),
    [
        ({"redirectUris": ["https://a.example.org/cb"]}, OpClass.OTHER, set()),
        ({"redirectUris": ["*"]}, OpClass.TRUST_CHANGE, {Effect.TRUST_PATH, Effect.WIDE}),
        ({"redirectUris": ["https://*/cb"]}, OpClass.TRUST_CHANGE, {Effect.TRUST_PATH, Effect.WIDE}),
        ({"serviceAccountsEnabled": True}, OpClass.TRUST_CHANGE, {Effect.EXPANDS}),
        ({"implicitFlowEnabled": True}, OpClass.TRUST_CHANGE, {Effect.WEAKENS}),
        (None, OpClass.TRUST_CHANGE, set()),
    ],
)
def test_a_client_is_let_in_further_only_where_its_body_says_so(
    body: Any, op_class: OpClass, effects: set[Effect]
) -> None:
    """Without the body it may be anything."""
    found = read(admin("UPDATE", "CLIENT", f"clients/{CLIENT}", body))
    assert (found.op_class, set(found.effects)) == (op_class, effects)


def test_a_clients_new_secret_is_a_credential() -> None:
    """Whoever holds it is the client."""
    found = read(admin("ACTION", "CLIENT", f"clients/{CLIENT}/client-secret"))
    assert found.op_class is OpClass.CREDENTIAL_MINT
    assert {Effect.MINTS, Effect.LONG_LIVED} <= set(found.effects)


@pytest.mark.parametrize(("requirement", "weaker"), [("DISABLED", True), ("REQUIRED", False)])
def test_a_step_of_a_login_that_nobody_is_asked_for_is_a_weaker_one(
    requirement: str,
    weaker: bool,  # noqa: FBT001
) -> None:
    """A second factor that is switched off in the flow is off for everybody."""
    body = {"requirement": requirement, "displayName": "OTP Form"}
    step = read(admin("UPDATE", "AUTH_EXECUTION", "authentication/flows/browser/executions", body))
    assert (Effect.WEAKENS in step.effects) is weaker


def test_a_login_source_names_its_issuer() -> None:
    """And says if its signatures are not looked at."""
    config = {"issuer": "https://login.example.net/x", "validateSignature": "false"}
    found = read(
        admin("CREATE", "IDENTITY_PROVIDER", "identity-provider/instances/partner", {"config": config})
    )
    assert found.op_class is OpClass.TRUST_CHANGE
    assert {Effect.TRUST_PATH, Effect.WEAKENS} <= set(found.effects)
    assert (found.target, found.facts[Fact.ISSUER]) == ("partner", "login.example.net")


def test_a_user_event_is_traced_by_its_login() -> None:
    """The session's id is in every event of it."""
    found = read(used("LOGIN"))
    assert (found.operation, found.session, found.principal) == ("LOGIN", "keycloak:s-1", "ann")
    assert (found.credential, found.credential_kind) == ("s-1", CredentialKind.EPHEMERAL)
    assert found.op_class is OpClass.OTHER
    assert found.effects == (Effect.MINTS,)
    machine = read(used("CLIENT_LOGIN", sessionId=None, userId=None, details={}))
    assert (machine.session, machine.principal) == ("keycloak:shop", "shop")


def test_a_login_as_somebody_else_is_a_credential() -> None:
    """Who did it is the impersonator; who it is good for, the other."""
    found = read(used("IMPERSONATE", details={"impersonator": "root", "username": "ann"}))
    assert found.op_class is OpClass.CREDENTIAL_MINT
    assert (found.principal, found.facts[Fact.BENEFICIARY]) == ("root", "ann")
    exchanged = read(used("TOKEN_EXCHANGE", details={"username": "ann"}))
    assert exchanged.op_class is OpClass.OTHER


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("access_denied", Outcome.DENIED),
        ("not_allowed", Outcome.DENIED),
        ("invalid_user_credentials", Outcome.DENIED),
        ("user_not_found", Outcome.ERROR),
        (None, Outcome.ERROR),
    ],
)
def test_refused_is_told_from_broken(error: str | None, outcome: Outcome) -> None:
    """An error's name is an operation of the same name that did not happen."""
    found = read(used("LOGIN_ERROR", error=error))
    assert (found.operation, found.outcome) == ("LOGIN", outcome)


def test_lists_are_read_one_by_one() -> None:
    """The admin API gives pages; both kinds may be in one."""
    page = [admin("UPDATE", "USER", "users/1"), used("LOGOUT")]
    assert [operation(only((each,))).operation for each in normalise(encoded(page))] == [
        "UPDATE USER",
        "LOGOUT",
    ]
    assert read(admin("CREATE", "INVENTED", "x")).op_class is OpClass.UNCLASSIFIED


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", Unreadable.TOMBSTONE),
        (b"{", Unreadable.NOT_JSON),
        (b'{"id": "\xff"}', Unreadable.NOT_UTF8),
        (b"3", Unreadable.INVALID),
        (encoded(used("LOGIN", time=None)), Unreadable.INVALID),
        (encoded(used("LOGIN", time=-1)), Unreadable.INVALID),
        (encoded({"id": "k", "time": 5}), Unreadable.INVALID),
        (encoded(admin("CREATE", "USER", "users/1", authDetails="me")), Unreadable.INVALID),
        (encoded(used("LOGIN", error="e" * EVENT_BYTES_MAX)), Unreadable.TOO_LARGE),
        (b'{"details":' + b"[" * 100_000, Unreadable.INVALID),
    ],
)
def test_what_is_no_event_is_an_error_with_its_reason(record: bytes, reason: Unreadable) -> None:
    """It goes to the dead letters, and the reason is counted."""
    with pytest.raises(UnreadableEventError) as raised:
        normalise(record)
    assert raised.value.reason is reason


def test_a_body_that_cannot_be_read_says_nothing() -> None:
    """The event is one all the same."""
    for body in ("{", "[" * 100_000, 17, [None, 3], "null", '"text"'):
        found = read(
            {**admin("CREATE", "REALM_ROLE_MAPPING", "users/1/role-mappings/realm"), "representation": body}
        )
        assert found.op_class is OpClass.ROLE_MAPPING


def test_no_secret_leaves_the_normaliser() -> None:
    """Bodies stay here, except for names; so do codes and tokens of log-ins."""
    secret = "S3CRET-zLk8"  # noqa: S105 - planted
    body = {
        "secret": secret,
        "credentials": [{"value": secret}],
        "attributes": {"note": [secret]},
        "config": {"clientSecret": secret},
        "redirectUris": [f"https://a.example.org/{secret}?code={secret}"],
        "registrationAccessToken": secret,
    }
    for resource in ("USER", "CLIENT", "IDENTITY_PROVIDER", "REALM", "COMPONENT"):
        found = only(normalise(encoded(admin("UPDATE", resource, "clients/1", body))))
        assert secret.encode() not in msgspec.json.encode(found)
    details = {"username": "ann", "code_id": secret, "refresh_token_id": secret, "redirect_uri": secret}
    found = only(normalise(encoded(used("LOGIN", details=details, error=secret))))
    assert secret.encode() not in msgspec.json.encode(found)


SAMPLES: list[Any] = [
    admin("CREATE", "REALM_ROLE_MAPPING", f"users/{USER}/role-mappings/realm", [{"name": "admin"}]),
    admin("UPDATE", "CLIENT", f"clients/{CLIENT}", {"redirectUris": ["http://[::1", "*"], "clientId": "a"}),
    admin(
        "CREATE", "IDENTITY_PROVIDER", "identity-provider/instances/x", {"config": {"issuer": "http://[x"}}
    ),
    [used("IMPERSONATE", details={"impersonator": "root"})],
]


@pytest.mark.corpus
@MUTATIONS
@given(record=mutated(SAMPLES))
def test_no_record_breaks_it(record: bytes) -> None:
    """Sightings or an error with its reason, whatever the bytes."""
    holds(normalise, record)


@pytest.mark.corpus
def test_the_corpora_are_read_right() -> None:
    """Actor, operation, outcome, time and target against the raw fields, by another path."""
    found = [(record, read(record)) for record in scenario_records("keycloak.admin")]
    mostly_right(found, _right)
    mostly_known(found)


def _right(record: dict[str, Any], found: Operation) -> bool:
    return (
        found.agent == record["authDetails"]["clientId"]
        and found.principal == record["authDetails"]["userId"]
        and found.operation == f"{record['operationType']} {record['resourceType']}"
        and found.outcome is (Outcome.ERROR if record.get("error") else Outcome.OK)
        and found.at_ms == record["time"]
        and found.target == record["resourcePath"].split("/")[1]
    )
