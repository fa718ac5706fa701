"""Okta's System Log as operations."""

from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given

from models.attested import Effect, Fact
from models.errors import Unreadable, UnreadableEventError
from models.event import EVENT_BYTES_MAX, CredentialKind, Grade, OpClass, Operation, Outcome
from stream.sources.okta.system_log import normalise
from stream.sources.sighting import Handle
from tests.ingest.changing import encoded
from tests.ingest.saas import (
    holds,
    mostly_known,
    mostly_right,
    mutated,
    only,
    operation,
    panther_records,
    scenario_records,
)
from tests.recordings import MUTATIONS

CLIENT = "0oaagent0000000000001"
TOKEN = "AT.session-of-the-agent"  # noqa: S105 - an id
ANN = {"id": "00uann", "type": "User", "alternateId": "ann@example.org", "displayName": "Ann Example"}
HUMAN = {"id": "00ubob", "type": "User", "alternateId": "bob@example.org", "displayName": "Bob Example"}


def event(kind: str, *targets: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """What a client of the directory did; `changed` are fields that matter to the test."""
    return {
        "uuid": "e-1",
        "published": "2026-09-21T14:13:20.250Z",
        "eventType": kind,
        "actor": {"id": CLIENT, "type": "PublicClientApp", "alternateId": CLIENT, "displayName": "agent"},
        "client": {"id": CLIENT, "ipAddress": "192.0.2.7", "userAgent": {"rawUserAgent": "agent/1"}},
        "outcome": {"result": "SUCCESS", "reason": None},
        "target": list(targets),
        "transaction": {"type": "WEB", "id": "tx-1", "detail": {"requestApiTokenId": TOKEN}},
        "debugContext": {"debugData": {"requestId": "req-1", "requestUri": "/api/v1/x"}},
        "authenticationContext": {"externalSessionId": "trs-1"},
        **changed,
    }


def debug(**data: str) -> dict[str, Any]:
    """What only some types of events carry."""
    return {"debugContext": {"debugData": {"requestId": "req-1", **data}}}


def by_human(**changed: Any) -> dict[str, Any]:
    """The same, done by a person who is logged in."""
    return {
        "actor": HUMAN,
        "client": {"id": None, "ipAddress": "203.0.113.9"},
        "transaction": {"id": "tx-2", "detail": {}},
        **changed,
    }


def group(name: str) -> dict[str, Any]:
    """A group as a target."""
    return {"id": "00g1", "type": "UserGroup", "alternateId": "unknown", "displayName": name}


def test_a_call_of_a_client_is_traced_by_its_token_and_its_request() -> None:
    """The token comes first: it is what the gateway handed to one session."""
    sighting = only(normalise(encoded(event("group.user_membership.add", ANN, group("app-wiki")))))
    found = operation(sighting)
    assert (found.source, found.id, found.at_ms) == ("okta.system_log", "e-1", 1_790_000_000_250)
    assert found.session == found.workflow == f"okta:{CLIENT}:{TOKEN}"
    assert (found.principal, found.grade, found.act) == (CLIENT, Grade.ATTESTED, "req-1")
    assert (found.credential, found.credential_kind) == (TOKEN, CredentialKind.EPHEMERAL)
    assert sighting.follows == (Handle("okta.api_token", TOKEN), Handle("okta.request", "req-1"))
    assert (found.target, found.facts[Fact.GRANTED]) == ("ann@example.org", "app-wiki")
    assert (found.op_class, found.effects) == (OpClass.ROLE_MAPPING, (Effect.EXPANDS,))
    assert found.facts[Fact.ADDRESS] == "192.0.2.7"
    assert b"Ann Example" not in msgspec.json.encode(found)


def test_people_are_traced_by_their_login() -> None:
    """There is no client behind them, and the log-in is in every record of theirs."""
    found = operation(only(normalise(encoded(event("user.session.access_admin_app", **by_human())))))
    assert (found.session, found.principal, found.credential) == ("okta:trs-1", "bob@example.org", "trs-1")


def test_a_person_with_an_api_token_is_traced_by_the_token() -> None:
    """Every such call has a log-in id of its own, good for nothing."""
    record = event("group.user_membership.add", ANN, group("app-wiki"), **by_human())
    record["transaction"]["detail"] = {"requestApiTokenId": "00Tlasting"}
    sighting = only(normalise(encoded(record)))
    assert operation(sighting).session == "okta:00ubob:00Tlasting"
    assert operation(sighting).credential_kind is CredentialKind.STATIC
    assert sighting.follows[0] == Handle("okta.api_token", "00Tlasting")


@pytest.mark.parametrize(
    ("granted", "admin"),
    [
        ("okta-super-admins", True),
        ("Domain Admins", True),
        ("aws-administrators-prod", True),
        ("CloudAdmins", True),
        ("app-wiki", False),
        ("admin-portal-users", False),
        ("admins-readonly", False),
        ("non-admins", False),
        ("badminton", False),
    ],
)
def test_a_group_of_administrators_is_known_by_its_name(granted: str, *, admin: bool) -> None:
    """The log has no other sign of what a group may do (L04 and its twin)."""
    found = operation(only(normalise(encoded(event("group.user_membership.add", ANN, group(granted))))))
    assert (Effect.ADMIN in found.effects) is admin


@pytest.mark.parametrize(
    ("role", "effects"),
    [
        ("Super administrator", {Effect.EXPANDS, Effect.ADMIN, Effect.WIDE}),
        ("Organization administrator, Read only administrator", {Effect.EXPANDS, Effect.ADMIN, Effect.WIDE}),
        ("Application administrator", {Effect.EXPANDS, Effect.ADMIN}),
        ("Read only administrator", {Effect.EXPANDS}),
        ("Report administrator", {Effect.EXPANDS}),
    ],
)
def test_an_administrators_role_is_told_from_one_that_looks_on(role: str, effects: set[Effect]) -> None:
    """L03's twin grants one; its base never does."""
    record = event("user.account.privilege.grant", ANN, **debug(privilegeGranted=role))
    found = operation(only(normalise(encoded(record))))
    assert found.op_class is OpClass.PRIVILEGE_CHANGE
    assert set(found.effects) == effects
    assert found.facts[Fact.GRANTED] == role


def test_an_api_token_is_lasting_and_remembers_its_maker() -> None:
    """C09: it outlives the session, so it starts sessions of its own."""
    token = {"id": "00Tnew", "type": "Token", "alternateId": "unknown", "displayName": "helper"}
    sighting = only(normalise(encoded(event("system.api_token.create", token))))
    found = operation(sighting)
    assert found.op_class is OpClass.CREDENTIAL_MINT
    assert {Effect.MINTS, Effect.LONG_LIVED} <= set(found.effects)
    assert (found.target, found.facts[Fact.MINTED]) == ("00Tnew", "00Tnew")
    assert found.facts[Fact.BENEFICIARY] == CLIENT
    assert sighting.maker_of == (Handle("okta.api_token", "00Tnew"),)
    assert sighting.brings == ()


def test_a_token_that_was_refused_is_nobodys() -> None:
    """A failed request brings nothing into being."""
    token = {"id": "00Tnew", "type": "Token", "displayName": "helper"}
    record = event("system.api_token.create", token, outcome={"result": "DENY"})
    sighting = only(normalise(encoded(record)))
    assert sighting.maker_of == ()
    assert Fact.MINTED not in operation(sighting).facts


def test_the_sessions_own_access_token_is_no_gain_and_joins_it() -> None:
    """The token that a client logs in with traces what it does afterwards."""
    token = {"id": "AT.next", "type": "access_token", "alternateId": "unknown", "displayName": "AT"}
    record = event("app.oauth2.token.grant.access_token", token, **debug(grantedScopes="okta.users.read"))
    sighting = only(normalise(encoded(record)))
    assert operation(sighting).op_class is OpClass.OTHER
    assert operation(sighting).facts[Fact.GRANTED] == "okta.users.read"
    assert sighting.brings == (Handle("okta.api_token", "AT.next"),)


def test_a_new_factor_is_a_way_in_unless_it_is_ones_own() -> None:
    """L14's twin enrols one for somebody else; self-service is everyday."""
    others = operation(only(normalise(encoded(event("user.mfa.factor.activate", ANN)))))
    assert others.op_class is OpClass.PRIVILEGE_CHANGE
    assert {Effect.MINTS, Effect.EXPANDS} <= set(others.effects)
    for kind in ("user.mfa.factor.activate", "user.account.update_password"):
        assert operation(only(normalise(encoded(event(kind, HUMAN, **by_human()))))).op_class is OpClass.OTHER
    reset = operation(only(normalise(encoded(event("user.account.update_password", ANN, **by_human())))))
    assert reset.op_class is OpClass.CREDENTIAL_MINT


def test_one_factor_taken_away_is_a_removal_and_all_of_them_are_not() -> None:
    """C10, C23 and L14: after a reset whoever logs in next enrols anew."""
    one = operation(only(normalise(encoded(event("user.mfa.factor.deactivate", ANN)))))
    every = operation(only(normalise(encoded(event("user.mfa.factor.reset_all", ANN)))))
    assert one.effects == (Effect.REMOVES,)
    assert every.effects == (Effect.WEAKENS,)
    assert one.op_class is every.op_class is OpClass.PRIVILEGE_CHANGE
    assert one.target == every.target == "ann@example.org"


def test_the_case_or_command_of_a_removal_is_kept() -> None:
    """L14: what the responder takes away belongs to a case, what the hook does to a command."""
    record = event("user.lifecycle.suspend", ANN, **debug(caseId="CASE-7", note="a text, no reference"))
    found = operation(only(normalise(encoded(record))))
    assert (found.facts[Fact.CHANGE], found.facts[Fact.CLIENT]) == ("CASE-7", CLIENT)
    assert found.effects == (Effect.REMOVES,)


@pytest.mark.parametrize(
    ("before", "after", "weaker"),
    [
        ({"status": "ACTIVE"}, {"status": "INACTIVE"}, True),
        ({"requireFactor": True}, {"requireFactor": False}, True),
        ({"access": "DENY"}, {"access": "ALLOW"}, True),
        ({"access": "ALLOW"}, {"access": "DENY"}, False),
        ({"name": "a"}, {"name": "b"}, False),
    ],
)
def test_a_rule_is_weaker_where_old_and_new_values_say_so(
    before: dict[str, Any], after: dict[str, Any], *, weaker: bool
) -> None:
    """C10: which way a rule was changed is only in changeDetails, and not in every log."""
    rule = {"id": "0pr1", "type": "PolicyRule", "displayName": "Admins require MFA"}
    change = {**rule, "changeDetails": {"from": before, "to": after}}
    found = operation(only(normalise(encoded(event("policy.rule.update", change)))))
    assert found.op_class is OpClass.PRIVILEGE_CHANGE
    assert (Effect.WEAKENS in found.effects) is weaker
    assert found.target == "Admins require MFA"
    person = operation(only(normalise(encoded(event("user.lifecycle.suspend", {**change, "type": "User"})))))
    assert person.effects == (Effect.REMOVES,)


def test_a_login_source_keeps_one_name_from_its_making_to_its_use() -> None:
    """C11: made, made an application's way in, and used: three records, one id."""
    provider = {"id": "0oapartner", "type": "IdentityProvider", "displayName": "partner-sso"}
    app = {"id": "0oapayroll", "type": "AppInstance", "displayName": "Payroll"}
    made = event("system.idp.lifecycle.create", provider)
    moved = event("application.lifecycle.update", app, **debug(idpId="0oapartner", signOnMode="SAML_2_0"))
    used = event(
        "user.authentication.auth_via_IDP", app, **by_human(), **debug(requestUri="/sso/saml2/0oapartner")
    )
    found = [operation(only(normalise(encoded(record)))) for record in (made, moved, used)]
    assert [one.facts[Fact.ISSUER] for one in found] == ["0oapartner"] * 3
    assert [one.op_class for one in found] == [OpClass.TRUST_CHANGE, OpClass.TRUST_CHANGE, OpClass.OTHER]
    assert Effect.TRUST_PATH in found[0].effects


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ({"result": "SUCCESS"}, Outcome.OK),
        ({"result": "ALLOW"}, Outcome.OK),
        ({"result": "CHALLENGE"}, Outcome.OK),
        ({"result": "DENY", "reason": "policy"}, Outcome.DENIED),
        ({"result": "FAILURE", "reason": "ACCESS_DENIED"}, Outcome.DENIED),
        ({"result": "FAILURE", "reason": "insufficient permissions"}, Outcome.DENIED),
        ({"result": "FAILURE", "reason": "DUPLICATE_VALUE"}, Outcome.ERROR),
        ({"result": "FAILURE", "reason": None}, Outcome.ERROR),
        ({"result": "SKIPPED"}, Outcome.ERROR),
        (None, Outcome.ERROR),
    ],
)
def test_refused_is_told_from_broken(outcome: dict[str, Any] | None, said: Outcome) -> None:
    """What was refused here and done elsewhere counts more than what only failed."""
    record = event("user.account.privilege.grant", ANN, outcome=outcome)
    assert operation(only(normalise(encoded(record)))).outcome is said


def test_batches_are_read_one_by_one() -> None:
    """The API gives lists, event hooks and EventBridge wrap; an unknown type stays unclassified."""
    one, two = event("user.session.clear", ANN), {**event("user.not.yet.invented"), "uuid": "e-2"}
    hook = {"eventType": "com.okta.event_hook", "data": {"events": [one, two]}}
    for batch in ([one, two], hook):
        sightings = normalise(encoded(batch))
        assert [operation(only((each,))).id for each in sightings] == ["e-1", "e-2"]
        assert operation(sightings[1]).op_class is OpClass.UNCLASSIFIED
    wrapped = {"version": "0", "id": "b-1", "detail-type": "SystemLog", "detail": one}
    assert normalise(encoded(wrapped)) == normalise(encoded(one))


def test_what_has_no_id_is_known_by_its_place_in_its_record() -> None:
    """The same bytes come again as the same events; a large batch is hashed once."""
    nameless = [event("user.session.clear", ANN, uuid=None) for _ in range(300)]
    ids = [operation(each).id for each in normalise(encoded(nameless))]
    assert len(set(ids)) == 300
    assert [operation(each).id for each in normalise(encoded(nameless))] == ids
    assert operation(only(normalise(encoded(nameless[0])))).id not in ids


def test_names_that_a_data_lake_has_lower_cased_are_read() -> None:
    """Column names of some warehouses know no capitals."""
    record = event("user.session.clear", ANN)
    for key in ("eventType", "debugContext", "authenticationContext"):
        record[key.lower()] = record.pop(key)
    found = operation(only(normalise(encoded(record))))
    assert (found.operation, found.act) == ("user.session.clear", "req-1")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", Unreadable.TOMBSTONE),
        (b"{", Unreadable.NOT_JSON),
        (b'{"uuid": "\xff"}', Unreadable.NOT_UTF8),
        (b"17", Unreadable.INVALID),
        (encoded({"published": "2026-09-21T14:13:20Z"}), Unreadable.INVALID),
        (encoded(event("x", published="yesterday")), Unreadable.INVALID),
        (encoded(event("x", published=None)), Unreadable.INVALID),
        (encoded(event("x", actor=["not", "an", "actor"])), Unreadable.INVALID),
        (encoded(event("x", displayMessage="m" * EVENT_BYTES_MAX)), Unreadable.TOO_LARGE),
        (b"[" * 100_000, Unreadable.INVALID),
    ],
)
def test_what_is_no_event_is_an_error_with_its_reason(record: bytes, reason: Unreadable) -> None:
    """It goes to the dead letters, and the reason is counted."""
    with pytest.raises(UnreadableEventError) as raised:
        normalise(record)
    assert raised.value.reason is reason


def test_no_secret_leaves_the_normaliser() -> None:
    """Free text, addresses of pages and values of settings stay here."""
    secret = "S3CRET-zLk8"  # noqa: S105 - planted
    record = event(
        "policy.rule.update",
        {**ANN, "detailEntry": {"password": secret}, "changeDetails": {"from": {"x": secret}, "to": {}}},
        displayMessage=secret,
        legacyEventType=secret,
        outcome={"result": "FAILURE", "reason": secret},
        request={"ipChain": [{"ip": secret}]},
        securityContext={"domain": secret},
        **debug(requestUri=f"/x?token={secret}", url=secret, dtHash=secret, logOnlySecurityData=secret),
    )
    record["transaction"]["detail"]["rootApiTokenSecret"] = secret
    assert secret.encode() not in msgspec.json.encode(only(normalise(encoded(record))))


SAMPLES = [
    event("group.user_membership.add", ANN, group("okta-super-admins")),
    event("policy.rule.update", {**ANN, "changeDetails": {"from": {"status": "ACTIVE"}, "to": {}}}),
    event("user.session.start", **by_human()),
    [event("user.session.clear", ANN)],
    {"data": {"events": [event("user.session.clear", ANN)]}},
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
    found = [
        (record, operation(only(normalise(encoded(record)))))
        for record in scenario_records("okta.system_log")
    ]
    mostly_right(found, _right)
    mostly_known(found)


def test_samples_of_other_rule_makers_are_read_right() -> None:
    """They were edited by hand: whoever left the time out is given one."""
    records = [_dated(record) for record in panther_records("Okta.SystemLog") if _complete(record)]
    found = [(record, operation(only(normalise(encoded(record))))) for record in records]
    mostly_right(found, _right)
    mostly_known(found)


def _complete(record: dict[str, Any]) -> bool:
    """Samples of neither a type nor an actor test that a rule survives them."""
    return "actor" in record and ("eventType" in record or "eventtype" in record)


def _dated(record: dict[str, Any]) -> dict[str, Any]:
    return {"published": "2026-09-21 14:13:20.250", **record}


def _right(record: dict[str, Any], found: Operation) -> bool:
    moment = datetime.fromisoformat(record["published"].replace("Z", "").replace(" ", "T") + "+00:00")
    actor, result = record["actor"], record["outcome"]["result"]
    names = {actor.get("alternateId"), actor.get("displayName"), actor["id"]}
    shown = [
        who.get(key) for who in record.get("target") or [] for key in ("alternateId", "displayName", "id")
    ]
    return (
        found.principal in names
        and found.operation == (record.get("eventType") or record["eventtype"])
        and (found.outcome is Outcome.OK) == (result in {"SUCCESS", "ALLOW", "CHALLENGE"})
        and abs(found.at_ms - moment.timestamp() * 1000) < 1
        and (found.target in {*shown, *names} if shown else True)
    )
