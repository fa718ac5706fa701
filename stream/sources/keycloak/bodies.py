"""What the representation in a Keycloak admin event says: roles given, accounts opened, clients let in."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from models.attested import Effect, Fact
from models.event import OpClass
from stream.sources.effects import NOTHING, Said
from stream.sources.grants import admin_name
from stream.sources.reading import listed, many, texts

ADMIN_ROLES = {
    "admin",
    "realm-admin",
    "create-realm",
    "manage-realm",
    "manage-users",
    "manage-clients",
    "manage-authorization",
    "manage-identity-providers",
    "impersonation",
}
"""Roles of Keycloak's own with which one can give oneself the rest, or be anybody."""
OPEN_FLOWS = ("implicitFlowEnabled", "directAccessGrantsEnabled")
"""Flows of a client that OAuth 2.1 has dropped."""


def said_by(verb: str, resource: str, tail: str, body: Any) -> Said:
    """What the body of one operation says; nothing for resources whose bodies are not read."""
    reader = READERS.get(resource)
    if reader is None or (resource in ("USER", "CLIENT", "REALM") and tail):
        return NOTHING
    return reader(verb, body)


def _roles(verb: str, body: Any) -> Said:
    names = [role.get("name") for role in many(body) if isinstance(role, dict)]
    granted = listed(role for role in names if isinstance(role, str))
    if verb == "DELETE":
        return Said(facts={Fact.GRANTED.value: granted})
    admin = any(role in ADMIN_ROLES or admin_name(str(role)) for role in names if role)
    return Said((Effect.ADMIN,) * admin, {Fact.GRANTED.value: granted})


def _membership(verb: str, body: Any) -> Said:
    group = _mapping(body).get("name") or _mapping(body).get("path")
    granted = group if isinstance(group, str) else ""
    admin = verb != "DELETE" and admin_name(granted.replace("/", "-"))
    return Said((Effect.ADMIN,) * admin, {Fact.GRANTED.value: granted})


def _user(verb: str, body: Any) -> Said:
    """A profile is nobody's privilege; an account closed, a password or roles put in with it are."""
    user = _mapping(body)
    granted = listed((*texts(user.get("realmRoles")), *texts(user.get("groups"))))
    facts = {Fact.GRANTED.value: granted, Fact.BENEFICIARY.value: _text(user.get("username"))}
    if user.get("credentials"):
        return Said((Effect.MINTS,), facts, OpClass.CREDENTIAL_MINT)
    if verb == "UPDATE" and user.get("enabled") is False:
        return Said((Effect.REMOVES,), facts, OpClass.PRIVILEGE_CHANGE)
    return Said((Effect.ADMIN,) * admin_name(granted), facts)


def _client(verb: str, body: Any) -> Said:
    """Names and texts of a client are nobody's way in; where codes are sent, and what it may alone, is."""
    client = _mapping(body)
    uris = texts(client.get("redirectUris"))
    facts = {"redirect_hosts": listed(map(_host, uris)), "client_name": _text(client.get("clientId"))}
    effects: list[Effect] = []
    if any(_host(uri) == "*" for uri in uris):
        effects += (Effect.TRUST_PATH, Effect.WIDE)
    if client.get("serviceAccountsEnabled") is True:
        effects.append(Effect.EXPANDS)
    if any(client.get(flow) is True for flow in OPEN_FLOWS):
        effects.append(Effect.WEAKENS)
    known = verb == "UPDATE" and not effects
    return Said(tuple(effects), facts, OpClass.OTHER if known else None)


def _host(uri: str) -> str:
    """The host of a redirect address; `*` where the address may be any."""
    try:
        host = urlsplit(uri).hostname or ""
    except ValueError:
        return ""
    if uri.startswith("*") or host.startswith("*"):
        return "*"
    return host


def _provider(_verb: str, body: Any) -> Said:
    config = _mapping(_mapping(body).get("config"))
    addresses = ("issuer", "authorizationUrl", "tokenUrl", "singleSignOnServiceUrl")
    issuer = next(filter(None, (_host(_text(config.get(key))) for key in addresses)), "")
    trusts = str(_mapping(body).get("trustEmail") or config.get("trustEmail")).lower() == "true"
    weaker = trusts or str(config.get("validateSignature")).lower() == "false"
    return Said((Effect.WEAKENS,) * weaker, {Fact.ISSUER.value: issuer})


def _realm(_verb: str, body: Any) -> Said:
    """A realm's settings: what lets more through, as far as one representation tells."""
    realm = _mapping(body)
    off = realm.get("bruteForceProtected") is False or realm.get("adminEventsEnabled") is False
    return Said((Effect.WEAKENS,) * (off or realm.get("eventsEnabled") is False))


def _step(_verb: str, body: Any) -> Said:
    """A step of a log-in that nobody is asked for any more."""
    off = _mapping(body).get("requirement") == "DISABLED"
    return Said((Effect.WEAKENS,) * off)


READERS: dict[str, Callable[[str, Any], Said]] = {
    "REALM_ROLE_MAPPING": _roles,
    "CLIENT_ROLE_MAPPING": _roles,
    "REALM_SCOPE_MAPPING": _roles,
    "CLIENT_SCOPE_MAPPING": _roles,
    "GROUP_MEMBERSHIP": _membership,
    "USER": _user,
    "CLIENT": _client,
    "IDENTITY_PROVIDER": _provider,
    "REALM": _realm,
    "AUTH_EXECUTION": _step,
}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
