"""What the requests of Google Cloud's identity operations say beyond their names.

Formats: IAM v1 `AuditData` (policy deltas), the request messages of IAM, IAM Credentials, Cloud Logging v2
and Organization Policy; field names come in camel case or with underscores. A reader states what the record
says, on the `Reading` it is given.
"""

import re
from collections.abc import Callable
from typing import Any

from models.attested import Effect, Fact
from models.event import OpClass
from stream.sources.gcp.grants import (
    EVERYBODY,
    is_administrative,
    is_administrative_permission,
    read_members,
)
from stream.sources.gcp.reading import Reading, get, parsed, text_of
from stream.sources.grants import admin_name
from stream.sources.reading import listed, many, name, texts

DAY_S = 86_400
IDENTITIES = frozenset({"service_account", "secret", "cryptoKey", "keyRing"})
"""Kinds of things that are no service to the public: whoever lets everybody at one lets outsiders in."""
TOKEN_S = 3_600
"""What an access token lives for where the request says nothing."""
ISSUER_HOST = re.compile(r"^(?:https?://)?([^/?#\s]+)")
MENTIONED = re.compile(r"[\w.+-]+@[\w.-]+\.\w+")
OFF = frozenset({False, "false", "False"})
ON = frozenset({True, "true", "True"})
SECONDS = re.compile(r"(\d{1,9})(?:\.\d+)?s?$")


def read_policy(reading: Reading) -> None:
    """`SetIamPolicy`: who gains or loses which role; and whom or what the audit configuration spares."""
    delta = _delta(reading)
    deltas = [each for each in many(get(delta, "bindingDeltas")) if isinstance(each, dict)]
    audits = [each for each in many(get(delta, "auditConfigDeltas")) if isinstance(each, dict)]
    gains = [each for each in deltas if text_of(each, "action") != "REMOVE"]
    if not deltas and not audits:
        gains = _bindings_set(parsed(reading.request))
    _grant(reading, gains or deltas)
    if deltas and not gains:
        reading.only_removes()
    if reading.place.whole:
        reading.say(Effect.WIDE)
    if audits:
        _audit_config(reading, audits, alone=not deltas)


def _delta(reading: Reading) -> Any:
    for message in (reading.service_data, reading.metadata):
        found = get(parsed(message), "policyDelta")
        if found is not None:
            return found
    return None


def _bindings_set(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The bindings of the policy that was set, where the record does not say what changed."""
    bindings = get(request, "policy", "bindings") or get(request, "bindings")
    return [
        {"role": text_of(binding, "role"), "member": member}
        for binding in many(bindings)
        for member in texts(get(binding, "members"))
    ]


def _grant(reading: Reading, deltas: list[dict[str, Any]]) -> None:
    roles = [text_of(each, "role") for each in deltas]
    read_members(reading, [text_of(each, "member") for each in deltas])
    reading.state(Fact.GRANTED, listed(roles))
    if any(map(is_administrative, roles)):
        reading.say(Effect.ADMIN)
    identity = reading.place.whole or reading.place.kind in IDENTITIES
    if identity and not EVERYBODY.isdisjoint(text_of(each, "member") for each in deltas):
        reading.state(Fact.FOREIGN_ACCOUNT, "*")
    if reading.place.kind in IDENTITIES and Fact.FOREIGN_ACCOUNT in reading.facts:
        reading.say(Effect.TRUST_PATH)  # whoever may use an identity, or its secret, gets in as it


def _audit_config(reading: Reading, audits: list[dict[str, Any]], *, alone: bool) -> None:
    """A member exempted, or a kind of log no longer written, is a weaker trail."""
    exempted = [(text_of(each, "exemptedMember"), text_of(each, "action")) for each in audits]
    if any((action == "ADD") == bool(member) for member, action in exempted):
        reading.say(Effect.WEAKENS)
    reading.state(Fact.BENEFICIARY, listed(member.partition(":")[2] for member, _ in exempted if member))
    if alone or Effect.WEAKENS in reading.effects:
        reading.op_class = OpClass.GUARDRAIL_CHANGE
    if alone:
        reading.effects.pop(Effect.EXPANDS, None)


def read_key(reading: Reading) -> None:
    """A key of a service account: whose, and its id."""
    response = parsed(reading.response)
    reading.state(Fact.BENEFICIARY, reading.target)
    reading.state(Fact.MINTED, name(text_of(response, "name").rpartition("/")[2]))


def read_hmac_key(reading: Reading) -> None:
    """A static key of a service account for the storage interface: whose, and its id."""
    made = get(parsed(reading.response), "metadata")
    whose = text_of(made, "serviceAccountEmail") or text_of(parsed(reading.request), "serviceAccountEmail")
    reading.state(Fact.BENEFICIARY, name(whose))
    reading.state(Fact.MINTED, name(text_of(made, "accessId")))


def read_key_again(reading: Reading) -> None:
    """Which key goes, or works again; the account is the target."""
    reading.state(Fact.BENEFICIARY, reading.target)
    reading.state(Fact.MINTED, name(text_of(parsed(reading.request), "name").rpartition("/keys/")[2]))


def read_token(reading: Reading) -> None:
    """A token or signature of a service account: of the caller's own, or of another."""
    request = parsed(reading.request)
    lifetime = SECONDS.match(text_of(request, "lifetime"))
    lifetime_s = int(lifetime[1]) if lifetime else TOKEN_S
    reading.state(Fact.BENEFICIARY, reading.target)
    reading.state(Fact.LIFETIME_S, str(lifetime_s))
    reading.state(Fact.GRANTED, listed(texts(get(request, "scope"))))
    if lifetime_s > DAY_S:
        reading.say(Effect.LONG_LIVED)
    if reading.target == reading.principal:
        reading.op_class = OpClass.OTHER


def read_tested_permissions(reading: Reading) -> None:
    """Which of its own rights the caller asked for."""
    permissions = texts(get(parsed(reading.request), "permissions"))
    reading.state(Fact.GRANTED, listed(permissions))
    if len(permissions) > 1:
        reading.state(Fact.COUNT, str(len(permissions)))


def read_sink(reading: Reading) -> None:
    """A log sink or exclusion: weaker where something is left out from now on, or the flow stops."""
    request = parsed(reading.request)
    sink = get(request, "sink") or get(request, "exclusion") or {}
    mask = text_of(request, "updateMask")
    exclusions = [each for each in many(get(sink, "exclusions")) if isinstance(each, dict)]
    filters = [text_of(each, "filter") for each in (sink, *exclusions)]
    left_out = any(get(each, "disabled") not in ON for each in exclusions)
    if left_out or get(sink, "disabled") in ON or (filters[0] and (not mask or "filter" in mask)):
        reading.say(Effect.WEAKENS)
    if get(sink, "destination"):
        reading.say(Effect.OUTBOUND)
    reading.state(
        Fact.BENEFICIARY, listed(each for text in filters for each in MENTIONED.findall(text[:4096]))
    )


def read_exclusion(reading: Reading) -> None:
    """What is left out of the logs from now on; a disabled exclusion leaves nothing out."""
    read_sink(reading)
    if get(parsed(reading.request), "exclusion", "disabled") in ON:
        reading.effects.pop(Effect.WEAKENS, None)


def read_org_policy(reading: Reading) -> None:
    """A constraint that is no longer enforced, or allows everything, is weaker."""
    request = parsed(reading.request)
    policy = get(request, "policy") or {}
    spec = get(policy, "spec") or policy
    reading.state(
        Fact.GRANTED, name(text_of(policy, "constraint") or text_of(policy, "name").rpartition("/")[2])
    )
    rules = [each for each in (*many(get(spec, "rules")), spec) if isinstance(each, dict)]
    for rule in rules:
        boolean = get(rule, "booleanPolicy")
        enforced = get(rule, "enforce") if boolean is None else get(boolean, "enforced") or False
        allowed = get(rule, "allowAll") in ON or text_of(rule, "listPolicy", "allValues") == "ALLOW"
        if enforced in OFF or allowed or get(rule, "reset") in ON or "restoreDefault" in rule:
            reading.say(Effect.WEAKENS)


def read_custom_role(reading: Reading) -> None:
    """Which permissions a custom role gains."""
    request, delta = parsed(reading.request), get(parsed(reading.service_data), "permissionDelta")
    added = texts(get(delta, "addedPermissions"))
    taken = texts(get(delta, "removedPermissions"))
    held = added or (() if taken else texts(get(request, "role", "includedPermissions")))
    reading.state(Fact.GRANTED, listed(held or taken))
    if taken and not added:
        reading.only_removes()
    if any(map(is_administrative_permission, held)):
        reading.say(Effect.ADMIN)


def read_pool_provider(reading: Reading) -> None:
    """Whose tokens a workload or workforce pool accepts from now on."""
    request = parsed(reading.request)
    provider = get(request, "workloadIdentityPoolProvider") or get(request, "workforcePoolProvider") or {}
    host = ISSUER_HOST.match(text_of(provider, "oidc", "issuerUri"))
    reading.state(Fact.ISSUER, name(host[1]) if host else "")
    reading.state(Fact.FOREIGN_ACCOUNT, name(text_of(provider, "aws", "accountId")))
    made = text_of(request, "workloadIdentityPoolProviderId") or text_of(request, "workforcePoolProviderId")
    if made:
        reading.target, reading.target_kind = name(made), "provider"


def read_new_account(reading: Reading) -> None:
    """A new service account: its address is the target."""
    email = text_of(parsed(reading.response), "email")
    account_id = text_of(parsed(reading.request), "accountId")
    if email or account_id:
        reading.target = name(email or f"{account_id}@{reading.place.project}.iam.gserviceaccount.com")
        reading.target_kind = "service_account"


def read_named(reading: Reading) -> None:
    """A secret that is made: its id is in the request."""
    made = text_of(parsed(reading.request), "secretId")
    if made:
        reading.target, reading.target_kind = name(made), "secret"


def read_member(reading: Reading) -> None:
    """Admin console events: who enters which group or role, by the parameters of the event."""
    for event in many(get(parsed(reading.metadata), "event")):
        values = {
            text_of(each, "name"): text_of(each, "value") for each in many(get(event, "parameter")) if each
        }
        target = values.get("GROUP_EMAIL") or values.get("ROLE_NAME") or values.get("USER_EMAIL")
        if target:
            reading.target = name(target)
        reading.state(Fact.BENEFICIARY, name(values.get("USER_EMAIL")))
        reading.state(Fact.GRANTED, name(values.get("ROLE_NAME") or values.get("GROUP_EMAIL")))
        if Effect.REMOVES not in reading.effects and admin_name(reading.facts.get(Fact.GRANTED, "")):
            reading.say(Effect.ADMIN)


READERS: dict[str, Callable[[Reading], None]] = {
    "SetIamPolicy": read_policy,
    "SetIAMPolicy": read_policy,
    "setIamPolicy": read_policy,
    "setIamPermissions": read_policy,
    "CreateServiceAccountKey": read_key,
    "UploadServiceAccountKey": read_key,
    "storage.hmacKeys.create": read_hmac_key,
    "EnableServiceAccountKey": read_key_again,
    "DeleteServiceAccountKey": read_key_again,
    "DisableServiceAccountKey": read_key_again,
    "GenerateAccessToken": read_token,
    "GenerateIdToken": read_token,
    "SignJwt": read_token,
    "SignBlob": read_token,
    "TestIamPermissions": read_tested_permissions,
    "testIamPermissions": read_tested_permissions,
    "UpdateSink": read_sink,
    "CreateSink": read_sink,
    "CreateExclusion": read_exclusion,
    "UpdateExclusion": read_exclusion,
    "SetOrgPolicy": read_org_policy,
    "OrgPolicy.CreatePolicy": read_org_policy,
    "OrgPolicy.UpdatePolicy": read_org_policy,
    "CreateRole": read_custom_role,
    "UpdateRole": read_custom_role,
    "CreateWorkloadIdentityPoolProvider": read_pool_provider,
    "UpdateWorkloadIdentityPoolProvider": read_pool_provider,
    "CreateWorkforcePoolProvider": read_pool_provider,
    "UpdateWorkforcePoolProvider": read_pool_provider,
    "CreateServiceAccount": read_new_account,
    "CreateSecret": read_named,
    "addGroupMember": read_member,
    "assignRole": read_member,
    "unassignRole": read_member,
    "removeGroupMember": read_member,
}
