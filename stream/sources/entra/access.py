"""Who came in and what they looked at: sign-ins, requests to Microsoft Graph, and reads of a key vault."""

import re
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from models.attested import Effect, Fact
from models.event import GRANTS, CredentialKind, Outcome
from stream.sources.entra.envelope import Envelope, outcome_of, part
from stream.sources.entra.reading import Reading, first_text
from stream.sources.reading import NAME_MAX, name

STATIC_CREDENTIALS = frozenset({"clientsecret", "clientassertion", "certificate", "1", "2"})
PROVEN_CREDENTIALS = frozenset({"federatedidentitycredential", "managedidentity", "3"})
"""`clientCredentialType` of sign-ins, and `clientAuthMethod` of Graph: secret, certificate, federated."""
UNFINISHED = re.compile(r"(?:5007[2-9]|5012[59]|5014[0-4]|5019[89]|65001|16000|16001|16003|9\d{4,6})$")
"""Sign-in codes that ask for another step, or where Microsoft failed; all others are refusals."""
OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
UPN = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
VERSION = re.compile(r"v\d[\d.]*$|beta$")
KEYED = re.compile(r"([A-Za-z]+)\((.*)\)$")
IDENTIFIER = re.compile(
    r".*@.*\..*|[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-.*|[0-9a-f]{24,}|(?=.*\d)[A-Za-z0-9_=+%-]{20,}$|\d+$"
)
COLLECTIONS = frozenset(
    {
        "users",
        "groups",
        "applications",
        "servicePrincipals",
        "devices",
        "directoryRoles",
        "directoryObjects",
        "roleDefinitions",
        "roleAssignments",
        "oauth2PermissionGrants",
        "administrativeUnits",
        "domains",
        "contacts",
        "sites",
        "drives",
        "items",
        "teams",
        "chats",
        "channels",
        "messages",
        "mailFolders",
        "events",
        "calendars",
        "directoryRoleTemplates",
        "subscribedSkus",
        "invitations",
        "appRoleAssignedTo",
        "appRoleAssignments",
        "federatedIdentityCredentials",
        "namedLocations",
        "members",
        "owners",
    }
)
"""Collections whose next segment is a member's key."""
SEGMENTS_MAX = 16
VAULT_ITEM = re.compile(r"https?://([^./]+)\.[^/]+/(?:deleted)?(\w+?)s?(?:/([^/?]+))?(?:[/?].*)?$")


class Status(Struct):
    """How a sign-in ended; 0 is a success."""

    errorCode: int | None = None  # noqa: N815 - Microsoft's names


class SignIn(Struct):
    """A sign-in of a person, a service principal or a managed identity."""

    id: str | None = None
    createdDateTime: str | None = None  # noqa: N815
    correlationId: str | None = None  # noqa: N815
    appId: str | None = None  # noqa: N815
    servicePrincipalId: str | None = None  # noqa: N815
    servicePrincipalName: str | None = None  # noqa: N815
    userId: str | None = None  # noqa: N815
    userPrincipalName: str | None = None  # noqa: N815
    ipAddress: str | None = None  # noqa: N815
    userAgent: str | None = None  # noqa: N815
    clientCredentialType: str | None = None  # noqa: N815
    servicePrincipalCredentialKeyId: str | None = None  # noqa: N815
    uniqueTokenIdentifier: str | None = None  # noqa: N815
    resourceDisplayName: str | None = None  # noqa: N815
    status: Status | None = None


class GraphRequest(Struct):
    """A request to Microsoft Graph."""

    requestId: str | None = None  # noqa: N815
    clientRequestId: str | None = None  # noqa: N815
    timeGenerated: str | None = None  # noqa: N815
    requestMethod: str | None = None  # noqa: N815
    requestUri: str | None = None  # noqa: N815
    responseStatusCode: Any = None  # noqa: N815
    ipAddress: str | None = None  # noqa: N815
    userAgent: str | None = None  # noqa: N815
    appId: str | None = None  # noqa: N815
    servicePrincipalId: str | None = None  # noqa: N815
    userId: str | None = None  # noqa: N815
    signInActivityId: str | None = None  # noqa: N815
    clientAuthMethod: Any = None  # noqa: N815


class VaultRequest(Struct):
    """A request to a key vault."""

    id: str | None = None
    requestUri: str | None = None  # noqa: N815
    httpStatusCode: Any = None  # noqa: N815
    clientInfo: str | None = None  # noqa: N815


class VaultIdentity(Struct):
    """Who asked the vault."""

    claim: dict[str, Any] | None = None


_sign_ins = msgspec.json.Decoder(SignIn)
_requests = msgspec.json.Decoder(GraphRequest)
_vault_requests = msgspec.json.Decoder(VaultRequest)
_vault_identities = msgspec.json.Decoder(VaultIdentity)


def read_sign_in(envelope: Envelope, source: str) -> Reading:
    """A login: its own token, on its own session."""
    said = part(_sign_ins, envelope.properties)
    kind = (said.clientCredentialType or "").lower()
    managed = (envelope.category or "").lower().startswith("managedidentity")
    reading = Reading(
        source=source,
        operation=name(envelope.operationName) or "Sign-in activity",
        at=said.createdDateTime or envelope.time or "",
        id=said.id or "",
        principal=said.userPrincipalName or said.userId or said.servicePrincipalId or said.appId or "",
        handle=said.userId or said.servicePrincipalId or said.appId or "",
        requests=(said.correlationId or "", envelope.correlationId or ""),
        token=said.uniqueTokenIdentifier or "",
    )
    reading.mean("Sign-in activity")
    reading.outcome = _signed_in(said, envelope)
    reading.issued = reading.outcome is Outcome.OK and bool(reading.token)
    if reading.outcome is not Outcome.OK:
        reading.effects.pop(Effect.MINTS, None)
    elif reading.token:
        reading.state(Fact.MINTED, name(reading.token))
    reading.target = said.resourceDisplayName or ""
    reading.credential = said.uniqueTokenIdentifier or said.servicePrincipalCredentialKeyId or ""
    reading.workload_proven = managed or kind in PROVEN_CREDENTIALS
    reading.credential_kind = CredentialKind.EPHEMERAL if reading.workload_proven else _kind(kind)
    reading.state(Fact.ADDRESS, name(said.ipAddress))
    reading.state(Fact.USER_AGENT, said.userAgent)
    reading.state(Fact.CLIENT, name(said.appId))
    reading.state(Fact.BENEFICIARY, name(said.servicePrincipalName))
    return reading


def _kind(told: str) -> CredentialKind:
    if told in STATIC_CREDENTIALS:
        return CredentialKind.STATIC
    return CredentialKind.EPHEMERAL if told in PROVEN_CREDENTIALS else CredentialKind.UNKNOWN


def _signed_in(said: SignIn, envelope: Envelope) -> Outcome:
    code = said.status.errorCode if said.status else None
    text = str(code if code is not None else envelope.resultType or 0)[:16]
    if text in {"0", "", "Success", "SUCCESS"}:
        return Outcome.OK
    return Outcome.ERROR if UNFINISHED.match(text) else Outcome.DENIED


def read_graph(envelope: Envelope, source: str) -> Reading:
    """A request to Graph, named by its method and what it asked for, members' keys left out."""
    said = part(_requests, envelope.properties)
    path, keys, collection = _path_of(said.requestUri or "")
    operation = f"{(said.requestMethod or 'GET')[:16].upper()} {path}"
    reading = Reading(
        source=source,
        operation=operation,
        at=said.timeGenerated or envelope.time or "",
        id=said.requestId or "",
        principal=said.servicePrincipalId or said.userId or said.appId or "",
        handle=said.userId or said.servicePrincipalId or said.appId or "",
        requests=(said.clientRequestId or "", envelope.correlationId or ""),
        token=said.signInActivityId or "",
        credential=said.signInActivityId or "",
    )
    if said.userId and not said.servicePrincipalId:
        reading.principal = said.userId
    reading.mean(operation)
    status = outcome_of(said.responseStatusCode) or outcome_of(envelope.resultSignature)
    reading.outcome = status or Outcome.OK
    reading.target, reading.target_kind = keys[-1] if keys else "", reading.target_kind or collection
    if len(keys) > 1 and reading.op_class in GRANTS:
        reading.target = keys[0]
        reading.state(Fact.BENEFICIARY, name(keys[-1]))
    method = str(said.clientAuthMethod)
    reading.credential_kind = _kind(method)
    reading.workload_proven = method in PROVEN_CREDENTIALS
    reading.state(Fact.ADDRESS, name(said.ipAddress))
    reading.state(Fact.USER_AGENT, said.userAgent)
    reading.state(Fact.CLIENT, name(said.appId))
    return reading


def _path_of(uri: str) -> tuple[str, list[str], str]:
    """The path without version and keys, the keys, and the collection that the last is of."""
    try:
        path = unquote(urlsplit(uri[:4096]).path)
    except ValueError:
        path = ""
    segments = [each for each in path.split("/")[: SEGMENTS_MAX + 2] if each]
    if segments and VERSION.match(segments[0]):
        segments = segments[1:]
    general: list[str] = []
    keys: list[str] = []
    collection = ""
    for segment in segments[:SEGMENTS_MAX]:
        keyed = KEYED.match(segment)
        if keyed:
            general += [keyed[1], "{id}"]
            keys.append(keyed[2].rpartition("=")[2].strip("'\""))
            collection = keyed[1]
        elif _is_key(segment, general):
            keys.append(segment)
            collection = general[-1] if general else ""
            general.append("{id}")
        else:
            general.append(segment)
    if not collection and general:
        collection = general[-1]
        keys = [] if collection in COLLECTIONS else [collection]
    return ("/" + "/".join(general))[: NAME_MAX - 20], keys, collection.removesuffix("s")


def _is_key(segment: str, before: list[str]) -> bool:
    if segment.startswith(("$", "microsoft.graph.")) or segment in {"delta", "me"}:
        return False
    return bool(before) and (before[-1] in COLLECTIONS or IDENTIFIER.match(segment) is not None)


def read_key_vault(envelope: Envelope, source: str) -> Reading:
    """A request to a key vault; what it names is `<vault>/<secret>`, or the vault."""
    said = part(_vault_requests, envelope.properties)
    claims = part(_vault_identities, envelope.identity).claim or {}
    object_id = first_text(claims.get(OBJECT_ID), claims.get("oid"), claims.get("appid"))
    reading = Reading(
        source=source,
        operation=name(envelope.operationName),
        at=envelope.time or "",
        id="",
        system="azure",
        principal=first_text(claims.get(UPN), claims.get("upn")) or object_id,
        handle=object_id,
        requests=(envelope.correlationId or "",),
        token=first_text(claims.get("uti")),
    )
    reading.credential = reading.token
    reading.mean(reading.operation)
    status = outcome_of(said.httpStatusCode) or outcome_of(envelope.resultSignature)
    reading.outcome = status or Outcome.OK
    _name_item(reading, first_text(said.id, said.requestUri), envelope.resourceId or "")
    reading.state(Fact.USER_AGENT, said.clientInfo)
    reading.state(Fact.CLIENT, name(first_text(claims.get("appid"))))
    return reading


def _name_item(reading: Reading, address: str, resource: str) -> None:
    found = VAULT_ITEM.match(address[:1024])
    vault = found[1].lower() if found else resource.rpartition("/")[2].lower()
    item = found[3] if found else None
    reading.target = f"{vault}/{item}" if item else vault
    reading.target_kind = (found[2] if found and item else "") or reading.target_kind or "vault"
    if not item:
        reading.target_kind = "vault"
    reading.state(Fact.SCOPE, vault)
