"""Azure's resource manager (`Administrative`) and the other resource logs in the same envelope.

Resource ids come in any case, as do operation names: names are compared without case, and written as the
vocabulary has them, else in lower case.
"""

from typing import Any

import msgspec
from msgspec import Struct

from models.attested import Effect, Fact
from models.event import CredentialKind, OpClass, Outcome
from stream.sources.entra.access import OBJECT_ID, UPN
from stream.sources.entra.envelope import Envelope, outcome_of, part
from stream.sources.entra.reading import Reading, first_text, issuers_in, vocabulary
from stream.sources.grants import admitted, is_for_all_the_world
from stream.sources.reading import listed, name, nested

FAILED = ("fail", "error", "conflict", "timeout", "cancel")
REFUSED = ("forbidden", "unauthorized", "authorizationfailed", "denied")
ON_SOMETHING = frozenset(
    {
        "federatedidentitycredentials",
        "roleassignments",
        "roleassignmentschedulerequests",
        "roleeligibilityschedulerequests",
        "denyassignments",
        "locks",
        "diagnosticsettings",
        "extensions",
        "tags",
        "accesspolicies",
    }
)
"""Types whose objects say something about another resource: that one is the target."""
ADMIN_ROLES = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
    "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b": "Azure Kubernetes Service RBAC Cluster Admin",
    "0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8": "Azure Kubernetes Service Cluster Admin Role",
}
"""Built-in roles by id, whose holders can grant themselves anything within the scope, or run as what can."""
NAMES = {known.lower(): known for known in vocabulary.content.operations}
SINGULAR = {"vaults": "vault", "userassignedidentities": "identity", "virtualmachines": "virtual_machine"}
PARTS_MAX = 40


class Evidence(Struct):
    """The role by which it was allowed."""

    principalId: str | None = None  # noqa: N815 - Microsoft's names


class Authorization(Struct):
    """What was asked for, and on what."""

    scope: str | None = None
    action: str | None = None
    evidence: Evidence | None = None


class Requester(Struct):
    """Who asked a storage account."""

    objectId: str | None = None  # noqa: N815
    upn: str | None = None
    appId: str | None = None  # noqa: N815


class Identity(Struct):
    """Who asked: claims of the token."""

    authorization: Authorization | None = None
    claims: dict[str, Any] | None = None
    requester: Requester | None = None
    type: str | None = None
    tokenHash: str | None = None  # noqa: N815


class Properties(Struct):
    """What an activity log adds."""

    entity: str | None = None
    requestbody: Any = None
    requestBody: Any = None  # noqa: N815
    statusCode: Any = None  # noqa: N815
    clientRequestId: str | None = None  # noqa: N815
    accountName: str | None = None  # noqa: N815
    userAgentHeader: str | None = None  # noqa: N815
    metricResponseType: str | None = None  # noqa: N815


_identities = msgspec.json.Decoder(Identity)
_properties = msgspec.json.Decoder(Properties)


def read_azure(envelope: Envelope, source: str) -> Reading:
    """One operation on a resource."""
    identity, said = part(_identities, envelope.identity), part(_properties, envelope.properties)
    claims, authorization = identity.claims or {}, identity.authorization or Authorization()
    requester, evidence = identity.requester or Requester(), authorization.evidence or Evidence()
    object_id = first_text(claims.get(OBJECT_ID), claims.get("oid"), requester.objectId, evidence.principalId)
    spelled = (envelope.operationName or "").strip().lower()
    operation = NAMES.get(spelled, spelled)
    reading = Reading(
        source=source,
        operation=name(operation),
        at=envelope.time or "",
        id="",
        system="azure",
        principal=first_text(
            claims.get(UPN), claims.get("upn"), requester.upn, object_id, _address_of(claims)
        ),
        handle=object_id or first_text(claims.get("appid"), requester.appId),
        requests=(said.clientRequestId or "", envelope.correlationId or ""),
        token=first_text(claims.get("uti")),
    )
    reading.mean(reading.operation)
    _credential(reading, identity, claims)
    reading.outcome = _outcome(envelope, said)
    _place(reading, first_text(authorization.scope, said.entity, envelope.resourceId), said)
    _body(reading, nested(said.requestbody or said.requestBody))
    reading.state(Fact.CLIENT, name(first_text(claims.get("appid"), requester.appId)))
    reading.state(Fact.USER_AGENT, said.userAgentHeader)
    return reading


def _address_of(claims: dict[str, Any]) -> str:
    return first_text(claims.get("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"))


def _credential(reading: Reading, identity: Identity, claims: dict[str, Any]) -> None:
    """By `appidacr`: 1 is a secret; 2 a certificate or a federated token, told apart by no field."""
    reading.credential = reading.token or identity.tokenHash or ""
    if claims.get("appidacr") == "1" or identity.type in {"AccountKey", "SAS"}:
        reading.credential_kind = CredentialKind.STATIC


def _outcome(envelope: Envelope, said: Properties) -> Outcome:
    """By the status, else by what `resultType` and `resultSignature` say in words."""
    told = f"{envelope.resultType} {envelope.resultSignature} {said.metricResponseType}"[:300].lower()
    if any(word in told for word in REFUSED):
        return Outcome.DENIED
    for status in (envelope.statusCode, envelope.resultSignature, said.statusCode):
        found = outcome_of(status)
        if found is not None:
            return found
    return Outcome.ERROR if any(word in told for word in FAILED) else Outcome.OK


def _place(reading: Reading, resource: str, said: Properties) -> None:
    """The resource's own name, and how far it reaches."""
    parts = [each for each in resource.split("/", PARTS_MAX)[:PARTS_MAX] if each]
    if resource.isupper():
        parts = [each.lower() for each in parts]
    kind = target = scope = ""
    index = 0
    while index < len(parts):
        here, following = parts[index].lower(), parts[index + 1] if index + 1 < len(parts) else ""
        if here == "providers":
            index += 1 if index + 2 < len(parts) and _is_scope(parts[index + 2]) else 2
            continue
        if here in ON_SOMETHING:
            reading.state(Fact.THING, name(resource))
            break
        if following:
            kind, target = here, following
            if here in {"subscriptions", "resourcegroups", "managementgroups"}:
                scope = following
        index += 2
    whole = kind in {"subscriptions", "managementgroups"} or not parts
    if whole and reading.op_class in {OpClass.PRIVILEGE_CHANGE, OpClass.ROLE_MAPPING}:
        reading.say(Effect.WIDE)
    reading.target = said.accountName or target or name(resource)
    reading.target_kind = reading.target_kind or SINGULAR.get(kind) or kind.removesuffix("s")
    reading.state(Fact.SCOPE, name(scope))


def _is_scope(segment: str) -> bool:
    return segment.lower() == "managementgroups"


def _body(reading: Reading, body: Any) -> None:
    """The request's body: who gains which role, whose tokens are trusted."""
    if not isinstance(body, dict):
        return
    inner = next((body[key] for key in ("properties", "Properties") if isinstance(body.get(key), dict)), body)
    inner = {key[:1].lower() + key[1:]: value for key, value in inner.items()}
    if reading.op_class is OpClass.TRUST_CHANGE:
        issuers = tuple(issuers_in(inner))
        reading.state(Fact.ISSUER, listed(issuers))
        if any(map(is_for_all_the_world, issuers)):
            reading.state(Fact.ADMITS, admitted([first_text(inner.get("subject"))]))
    role = first_text(inner.get("roleDefinitionId")).rpartition("/")[2].lower()
    if role:
        reading.state(Fact.GRANTED, name(ADMIN_ROLES.get(role, role)))
        reading.state(Fact.BENEFICIARY, name(first_text(inner.get("principalId"))))
        if role in ADMIN_ROLES:
            reading.say(Effect.ADMIN)
