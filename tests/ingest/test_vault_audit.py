"""Audit entries of Vault and OpenBao as operations."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given

from detectors.severity import Severity, severity
from models.attested import Effect, Fact
from models.errors import Unreadable, UnreadableEventError
from models.event import CredentialKind, Grade, OpClass, Operation, Outcome, SessionStart
from models.registry import EMPTY
from stream.sources.sighting import Handle
from stream.sources.vault.audit import normalise
from tests.ingest.agents import holds, one, sampled, strings
from tests.ingest.changing import encoded
from tests.ingest.saas import mutated
from tests.ingest.vault import AUTH, CALLER, CHILD, LOGIN, SAMPLES, STRANGER, child, entry, operation
from tests.recordings import MUTATIONS


def test_a_response_is_the_operation_of_the_tokens_conversation() -> None:
    """The token's metadata is a claim that Vault has checked at login."""
    sighting = one(normalise, entry("kv/data/shop/db", "read", mount=("kv/", "kv")))
    assert sighting.settled
    assert sighting.brings == (Handle("vault.request", "req-1"),)
    assert sighting.event == Operation(
        id="req-1",
        source="vault.audit",
        at_ms=1790000000250,
        session="conv-1",
        workflow="conv-1",
        agent="agent:deployer",
        principal="deployer",
        grade=Grade.ATTESTED,
        operation="read kv/data",
        op_class=OpClass.SECRET_READ,
        system="vault",
        system_kind=sighting.event.system_kind,  # type: ignore[union-attr]  # it is an operation
        target="kv/data/shop/db",
        target_kind="secret",
        effects=(Effect.SECRET_VALUE,),
        credential=CALLER,
        credential_kind=CredentialKind.EPHEMERAL,
        workload_proven=True,
        act="req-1",
        facts={
            "address": "192.0.2.7",
            "client": "entity-1",
            "user_agent": "curl/8",
            "policies": "default,deployer",
        },
    )


def test_a_request_is_no_second_operation() -> None:
    """It says that its session runs, where it knows, and else asks for the response's."""
    known = one(normalise, entry("kv/data/shop/db", "read", type="request"))
    assert isinstance(known.event, SessionStart)
    assert (known.settled, known.event.session, known.event.id) == (True, "conv-1", "req-1:request")
    login = one(normalise, LOGIN | {"type": "request", "response": None})
    assert isinstance(login.event, SessionStart)
    assert (login.settled, login.follows) == (False, (Handle("vault.request", "req-1"),))


def test_a_login_belongs_to_the_token_that_it_returns() -> None:
    """And the token to its session from then on: a session of its own, not a credential for somebody else."""
    sighting = one(normalise, LOGIN)
    assert (sighting.settled, sighting.event.session) == (True, "conv-1")
    assert Handle("vault.accessor", CALLER) in sighting.brings
    event = operation(LOGIN)
    assert (event.op_class, event.effects, event.workload_proven) == (OpClass.OTHER, (Effect.MINTS,), True)
    assert (event.facts[Fact.MINTED], event.facts[Fact.LIFETIME_S]) == (CALLER, "3600")


def test_without_conversation_the_header_then_secret_id_then_accessor_tell() -> None:
    """And last the entity."""
    record = entry("kv/data/shop/db", "read", auth=STRANGER)
    record["request"]["headers"] = {"X-Correlation-Id": ["conv-7"]}
    sighting = one(normalise, record)
    assert not sighting.settled
    assert sighting.follows == (Handle("conversation", "conv-7"), Handle("vault.accessor", CALLER))
    assert sighting.event.session == "vault:entity-2"
    login = entry(
        "auth/approle/login", auth={}, data={"secret_id": "hmac-sha256:s"}, returned=child(entity_id="e")
    )
    sighting = one(normalise, login)
    assert sighting.follows == (Handle("vault.secret_id", "hmac-sha256:s"),)
    assert sighting.event.session == "vault:e"


def test_a_secret_id_is_a_handle_by_its_hmac_and_never_by_itself() -> None:
    """Where the audit device hides nothing, a hash takes its place, on both sides."""
    for written in ("hmac-sha256:s", "the-secret-id-itself"):
        path = "auth/approle/role/shop/secret-id"
        made = one(normalise, entry(path, came={"secret_id": written, "secret_id_ttl": 0}))
        login = one(
            normalise,
            entry("auth/approle/login", auth={}, data={"secret_id": written}, returned=child(metadata={})),
        )
        assert login.follows[0] in made.brings
        assert "the-secret-id-itself" not in str((made, login))
        event = made.event
        assert isinstance(event, Operation)
        assert (event.op_class, event.facts[Fact.BENEFICIARY]) == (OpClass.CREDENTIAL_MINT, "shop")
        assert Effect.LONG_LIVED in event.effects


@pytest.mark.parametrize(
    ("asked", "returned", "op_class", "long_lived"),
    [
        ({"ttl": "5m"}, child(), OpClass.OTHER, False),
        ({"ttl": "5m"}, child(policies=["default", "deployer"]), OpClass.OTHER, False),
        ({}, child(policies=["default", "admin"]), OpClass.CREDENTIAL_MINT, False),
        ({}, child(token_ttl=90_000), OpClass.CREDENTIAL_MINT, True),
        ({"period": "768h"}, child(), OpClass.CREDENTIAL_MINT, True),
        ({"no_parent": True}, child(), OpClass.CREDENTIAL_MINT, False),
        ({}, child(token_ttl=0), OpClass.CREDENTIAL_MINT, True),
    ],
)
def test_a_child_token_is_minted_for_others_where_it_exceeds_its_maker(
    asked: Any,
    returned: Any,
    op_class: OpClass,
    long_lived: bool,  # noqa: FBT001
) -> None:
    """In life, in rights, or by standing alone: else it dies with its maker, and can do no more."""
    sighting = one(normalise, entry("auth/token/create", data=asked, returned=returned))
    event = sighting.event
    assert isinstance(event, Operation)
    assert event.op_class is op_class
    assert (Effect.LONG_LIVED in event.effects) is long_lived
    assert Handle("vault.accessor", CHILD) in sighting.brings
    assert event.facts[Fact.MINTED] == CHILD


def test_an_orphan_is_a_credential_of_its_own() -> None:
    """Its maker's end does not end it."""
    asked = {"policies": ["root"], "period": "768h", "no_parent": True}
    event = operation(entry("auth/token/create-orphan", data=asked, returned=child(policies=["root"])))
    assert event.op_class is OpClass.CREDENTIAL_MINT
    assert {Effect.MINTS, Effect.LONG_LIVED, Effect.ADMIN} == set(event.effects)
    assert (event.facts["orphan"], event.facts[Fact.GRANTED]) == ("true", "root")
    assert event.facts[Fact.LIFETIME_S] == str(768 * 3600)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("sys/policies/acl/{own}", {"policy": "hmac-sha256:1"}),
        ("sys/policy/{own}", {"policy": "hmac-sha256:1"}),
        ("auth/jwt/role/{own}", {"token_policies": ["billing"]}),
        ("identity/entity/id/{entity}", {"policies": ["billing"]}),
        ("identity/group", {"policies": ["billing"], "member_entity_ids": ["{entity}"]}),
    ],
)
def test_what_widens_its_own_reach_is_grave_and_what_widens_another_s_is_not(
    path: str, data: dict[str, Any]
) -> None:
    """Its policy, its role, its entity, its group: nobody sets the limits that hold for themselves."""

    def of(own: str, entity: str) -> Severity:
        filled = {key: [each.format(entity=entity) for each in value] for key, value in data.items()}
        asked = data if "member_entity_ids" not in data else filled
        return severity(operation(entry(path.format(own=own, entity=entity), data=asked)), EMPTY)

    assert of("deployer", "entity-1") is Severity.GRAVE
    assert of("billing", "entity-9") is Severity.SERIOUS


def test_a_root_token_is_another_identity_unless_root_makes_it() -> None:
    """It can do more than whoever asks for it, whether handed out or put together from key shares."""
    made = entry("auth/token/create", data={"policies": ["root"]}, returned=child(policies=["root"]))
    assert severity(operation(made), EMPTY) is Severity.GRAVE
    assert severity(operation(entry("sys/generate-root/update")), EMPTY) is Severity.GRAVE
    by_root = made | {"auth": AUTH | {"policies": ["root"]}}
    assert Fact.BENEFICIARY not in operation(by_root).facts


def test_a_wrapped_response_brings_both_tokens() -> None:
    """The one it comes in, and the one inside."""
    wrapped = {"wrap_info": {"accessor": "hmac-w", "wrapped_accessor": "hmac-i", "ttl": 60}}
    sighting = one(normalise, entry("auth/token/create", response=wrapped))
    assert {Handle("vault.accessor", "hmac-w"), Handle("vault.accessor", "hmac-i")} <= set(sighting.brings)
    assert isinstance(sighting.event, Operation)
    assert sighting.event.facts["wrapped"] == "true"


def test_a_certificate_says_its_names_groups_and_life() -> None:
    """A wildcard reaches a whole name space."""
    asked = {"common_name": "*.example.org", "alt_names": "a.example.org, b.example.org", "ttl": "2160h"}
    event = operation(entry("pki/sign/web", data=asked | {"organization": "system:masters"}))
    assert event.op_class is OpClass.CREDENTIAL_MINT
    assert event.facts[Fact.NAMES] == "*.example.org,a.example.org,b.example.org"
    assert event.facts[Fact.GROUPS] == "system:masters"
    assert event.facts[Fact.LIFETIME_S] == str(2160 * 3600)
    assert {Effect.WIDE, Effect.LONG_LIVED} <= set(event.effects)
    hidden = operation(entry("pki/sign/web", data={"common_name": "hmac-sha256:n"}))
    assert Fact.NAMES not in hidden.facts


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({}, Outcome.OK),
        ({"error": "1 error occurred:\n\t* permission denied\n\n"}, Outcome.DENIED),
        ({"auth": AUTH | {"policy_results": {"allowed": False}}}, Outcome.DENIED),
        ({"error": "invalid credentials"}, Outcome.DENIED),
        ({"error": "unsupported path"}, Outcome.ERROR),
    ],
)
def test_how_it_ended_is_told_by_policies_and_error(changed: Any, outcome: Outcome) -> None:
    """A refusal is told from a failure."""
    assert operation(entry("kv/data/shop", "read", **changed)).outcome is outcome


@pytest.mark.parametrize(
    ("auth", "kind", "proven"),
    [
        (AUTH, CredentialKind.EPHEMERAL, True),
        (AUTH | {"policies": ["root"], "token_ttl": 0, "display_name": "root"}, CredentialKind.STATIC, False),
        (AUTH | {"display_name": "approle"}, CredentialKind.EPHEMERAL, False),
        ({}, CredentialKind.UNKNOWN, False),
    ],
)
def test_a_token_says_how_long_it_lives_and_how_it_came(
    auth: Any,
    kind: CredentialKind,
    proven: bool,  # noqa: FBT001
) -> None:
    """A root token has no end; a workload's login proves what runs."""
    event = operation(entry("kv/data/shop", "read", auth=auth))
    assert (event.credential_kind, event.workload_proven) == (kind, proven)


def test_no_value_leaves_but_names() -> None:
    """Requests and responses may hold anything, where the audit device hides nothing."""
    planted = "hunter2-planted"
    data = {"data": {"password": planted}, "options": {"cas": planted}, "jwt": planted, "policy": planted}
    came = {
        "data": {"password": planted},
        "secret_id": planted,
        "private_key": planted,
        "certificate": planted,
    }
    for path in (
        "kv/data/shop",
        "auth/jwt/login",
        "pki/issue/web",
        "sys/policies/acl/x",
        "auth/token/create",
    ):
        record = entry(path, data=data, came=came, error=planted)
        record["auth"] = AUTH | {"client_token": planted}
        record["request"]["client_token"] = planted
        record["request"]["headers"]["x-vault-token"] = [planted]
        assert planted not in str(normalise(encoded(record)))
    assert normalise(encoded(strings(entry("x"), planted) | {"type": "response", "time": LOGIN["time"]}))


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "panic"},
        {"request": {"id": "", "operation": "read", "path": "x"}},
        {"time": "now"},
        {"auth": 7},
    ],
)
def test_what_is_no_entry_is_refused(changed: Any) -> None:
    """With its reason."""
    with pytest.raises(UnreadableEventError) as caught:
        normalise(encoded(entry("kv/data/x", "read") | changed))
    assert caught.value.reason is Unreadable.INVALID


@pytest.mark.corpus
@MUTATIONS
@given(record=mutated(SAMPLES))
def test_whatever_comes_in_is_a_sighting_or_an_error_with_its_reason(record: bytes) -> None:
    """No other exception, and nothing beyond the limits of an event."""
    holds(normalise, record)


@pytest.mark.corpus
def test_the_scenarios_entries_are_read_as_they_are_written() -> None:
    """Checked against the fields themselves: who, what, on what, when, and how it ended."""
    unknown = 0
    for record in (records := sampled("vault.audit")):
        sighting = one(normalise, record)
        event, asked = sighting.event, record["request"]
        auth = (
            record["auth"] if "accessor" in record["auth"] else record.get("response", {}).get("auth") or {}
        )
        told = (auth.get("metadata") or {}).get("conversation_id")
        assert sighting.settled is (told is not None)
        assert told in {None, event.session}
        assert abs(event.at_ms / 1000 - datetime.fromisoformat(record["time"]).timestamp()) < 0.001
        assert isinstance(event, Operation) is (record["type"] == "response")
        if not isinstance(event, Operation):
            continue
        unknown += event.op_class is OpClass.UNCLASSIFIED
        assert event.operation.startswith(asked["operation"] + " ")
        assert (event.act, event.target.split("/")[-1]) == (asked["id"], asked["path"].split("/")[-1])
        assert (event.outcome is Outcome.OK) is ("error" not in record)
        assert event.principal in {auth.get("metadata", {}).get(key) for key in ("role", "role_name")}
    assert unknown <= len(records) * 0.02
