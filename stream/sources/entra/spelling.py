"""Records of Entra in other spellings: rows of a log table, lower-case copies, bare objects of Graph.

All become the envelope that diagnostic settings send. The way is slow; nothing goes it that came straight.
"""

from typing import Any

import msgspec

from stream.sources.reading import decoded, invalid, nested

ENVELOPE: tuple[str, ...] = (
    "time",
    "category",
    "operationName",
    "resultType",
    "resultSignature",
    "callerIpAddress",
    "correlationId",
    "tenantId",
    "resourceId",
    "statusCode",
    "identity",
    "properties",
)
PROPERTIES: tuple[str, ...] = (
    "id",
    "activityDisplayName",
    "activityDateTime",
    "result",
    "resultReason",
    "operationType",
    "initiatedBy",
    "targetResources",
    "additionalDetails",
    "createdDateTime",
    "appId",
    "servicePrincipalId",
    "servicePrincipalName",
    "userId",
    "ipAddress",
    "userPrincipalName",
    "uniqueTokenIdentifier",
    "clientCredentialType",
    "resourceDisplayName",
    "status",
    "requestMethod",
    "requestUri",
    "responseStatusCode",
    "clientRequestId",
    "requestId",
    "signInActivityId",
    "clientAuthMethod",
    "userAgent",
    "servicePrincipalCredentialKeyId",
    "timeGenerated",
)
SPELLED = {word.lower(): word for word in (*ENVELOPE, *PROPERTIES)}
IN_TEXT = frozenset(
    {"initiatedBy", "targetResources", "additionalDetails", "status", "identity", "properties"}
)
"""Table columns that hold JSON as text."""
SIGN_IN_TABLES = {
    "signinlogs": "SignInLogs",
    "aadnoninteractiveusersigninlogs": "NonInteractiveUserSignInLogs",
    "aadserviceprincipalsigninlogs": "ServicePrincipalSignInLogs",
    "aadmanagedidentitysigninlogs": "ManagedIdentitySignInLogs",
}
TIMES = ("time", "timeGenerated", "activityDateTime", "createdDateTime")

_anything = msgspec.json.Decoder(dict[str, Any])


def respelled(record: bytes) -> bytes:
    """The record as an envelope. Raises `UnreadableEventError` for what cannot be one."""
    row = {SPELLED.get(key.lower(), key): value for key, value in decoded(_anything, record).items()}
    for key in IN_TEXT.intersection(row):
        row[key] = nested(row[key])
    inner = row.get("properties")
    if not isinstance(inner, dict):
        inner = {key: value for key, value in row.items() if key not in {"properties", "category"}}
    envelope = {key: row.get(key) for key in ENVELOPE if key in row}
    envelope |= {
        "properties": inner,
        "time": next((row[key] for key in TIMES if row.get(key)), None),
        "category": _category(row, inner),
        "operationName": row.get("operationName") or row.get("activityDisplayName") or _sign_in(row),
    }
    if not envelope["operationName"]:
        raise invalid("no record of Entra or Azure: operationName or activityDisplayName is missing")
    return msgspec.json.encode(envelope)


def _category(row: dict[str, Any], inner: dict[str, Any]) -> str | None:
    """What it is: by its category, its table, or what a bare object has."""
    table = row.get("Type")
    if isinstance(table, str) and table.lower() in SIGN_IN_TABLES:
        return SIGN_IN_TABLES[table.lower()]
    if isinstance(inner.get("initiatedBy"), dict) or "activityDisplayName" in inner:
        return "AuditLogs"
    if "requestUri" in inner and "requestMethod" in inner:
        return "MicrosoftGraphActivityLogs"
    category = row.get("category")
    if isinstance(category, str) and category:
        return category
    if _sign_in(row):
        return (
            "SignInLogs"
            if row.get("userId") or row.get("userPrincipalName")
            else "ServicePrincipalSignInLogs"
        )
    return None


def _sign_in(row: dict[str, Any]) -> str:
    """A bare `signIn` has no name of its own; it has a birthday and an application."""
    return "Sign-in activity" if row.get("createdDateTime") and row.get("appId") else ""
