"""Keycloak's events: one admin event or one user event, or a list of them as the admin API gives.

Format: Keycloak's AdminEventRepresentation and EventRepresentation. Reads and refused calls of administrators
are not among the admin events. Bodies are there only where the realm records representations. A record names
the client that called and no session of an agent: who that was is inferred from the call.
"""

from typing import Any

from msgspec import Struct
from msgspec.json import Decoder

from models.attested import Effect, Fact
from models.event import CredentialKind, Grade, OpClass, Operation, Outcome
from models.vocabulary.vocabulary import Entry
from stream.sources.batches import BATCH_BYTES_MAX, Places, entries_of
from stream.sources.effects import NOTHING, Said
from stream.sources.grants import effects_of, references, stated
from stream.sources.keycloak.bodies import said_by
from stream.sources.reading import AT_MS_MAX, decoded, invalid, name, nested
from stream.sources.sighting import Handle, Sighting
from stream.sources.vocabularies import load_vocabulary

SOURCE = "keycloak.admin"
VOCABULARY = load_vocabulary("keycloak")

METHODS = {"CREATE": "POST", "ACTION": "POST", "UPDATE": "PUT", "DELETE": "DELETE"}
REFUSALS = ("denied", "not_allowed", "forbidden", "unauthorized", "permission", "invalid_user_credentials")
COLLECTIONS = {
    "users",
    "groups",
    "clients",
    "roles",
    "roles-by-id",
    "client-scopes",
    "components",
    "instances",
    "flows",
    "executions",
    "required-actions",
    "organizations",
    "sessions",
    "client-templates",
}
"""Parts of a resource's path that are followed by the name or id of one thing."""
WITH_ACTIONS = {"USER", "CLIENT", "REALM", "GROUP"}
"""Types of resources on which the path tells several operations apart."""
ID_MIN = 32
"""Characters from which a part of a path with digits and dashes is an id, and no word."""


class AuthDetails(Struct, gc=False):
    """Who administers: the realm, client and account of the administrator."""

    realmName: str | None = None  # noqa: N815 - names of the format, here and below
    realmId: str | None = None  # noqa: N815
    clientId: str | None = None  # noqa: N815
    userId: str | None = None  # noqa: N815
    ipAddress: str | None = None  # noqa: N815


class KeycloakEvent(Struct, gc=False):
    """An admin event has an operation and a resource, a user event has a type."""

    id: str | None = None
    time: int | None = None
    type: str | None = None
    operationType: str | None = None  # noqa: N815
    resourceType: str | None = None  # noqa: N815
    resourceTypeAsString: str | None = None  # noqa: N815
    resourcePath: str | None = None  # noqa: N815
    representation: Any = None
    error: str | None = None
    realmId: str | None = None  # noqa: N815
    realmName: str | None = None  # noqa: N815
    authDetails: AuthDetails | None = None  # noqa: N815
    clientId: str | None = None  # noqa: N815
    userId: str | None = None  # noqa: N815
    sessionId: str | None = None  # noqa: N815
    ipAddress: str | None = None  # noqa: N815
    details: Any = None


DECODER = Decoder(KeycloakEvent | list[KeycloakEvent])


def normalise(record: bytes) -> tuple[Sighting, ...]:
    """One operation for every event. Raises `UnreadableEventError` for what is neither kind of event."""
    events = entries_of(decoded(DECODER, record, BATCH_BYTES_MAX), record)
    places = Places(SOURCE, record)
    return tuple(_sighting(one, places, at) for at, one in enumerate(events))


def _sighting(one: KeycloakEvent, places: Places, at: int) -> Sighting:
    if one.time is None or not 0 <= one.time <= AT_MS_MAX:
        raise invalid("no time")
    if one.operationType and (one.resourceType or one.resourceTypeAsString):
        call: _Administered | _Used = _Administered(one)
    elif one.type:
        call = _Used(one)
    else:
        raise invalid("neither operationType and resourceType nor type")
    entry = VOCABULARY.look_up(call.operation)
    session = name(f"keycloak:{call.handle or call.client or call.principal}")
    return Sighting(
        event=Operation(
            id=name(one.id) or places.id_of(at),
            source=SOURCE,
            at_ms=one.time,
            workflow=session,
            session=session,
            agent=call.client or call.principal,
            principal=call.principal,
            grade=Grade.ATTESTED,
            operation=call.operation,
            op_class=call.said.op_class or entry.op_class,
            outcome=_outcome(one),
            system="keycloak",
            system_kind=entry.system_kind or VOCABULARY.content.system_kind,
            target=call.target,
            target_kind=entry.target_kind,
            credential=call.handle,
            credential_kind=CredentialKind.EPHEMERAL if call.handle else CredentialKind.UNKNOWN,
            effects=_effects(entry, call.said),
            facts=call.facts(entry),
        ),
        follows=call.follows,
    )


def _outcome(one: KeycloakEvent) -> Outcome:
    """The error is a code; it tells refused from broken and stays here."""
    if not one.error and not (one.type or "").endswith("_ERROR"):
        return Outcome.OK
    error = (one.error or "").lower()
    return Outcome.DENIED if any(word in error for word in REFUSALS) else Outcome.ERROR


def _effects(entry: Entry, said: Said) -> tuple[Effect, ...]:
    return effects_of([*(effect for effect in entry.effects if effect not in said.without), *said.effects])


class _Administered:
    """What an administrator did: `CREATE USER`, `ACTION USER/reset-password`."""

    def __init__(self, one: KeycloakEvent) -> None:
        self.one = one
        who = one.authDetails or AuthDetails()
        self.who = who
        self.path = (one.resourcePath or "").strip("/")
        self.verb = one.operationType or ""
        self.resource = one.resourceType or one.resourceTypeAsString or ""
        self.target, tail = _named(self.path)
        self.target = self.target or name(one.realmName or one.realmId)
        tail = tail if self.resource in WITH_ACTIONS else ""
        self.operation = name(f"{self.verb} {self.resource}{'/' if tail else ''}{tail}")
        self.client = name(who.clientId)
        self.principal = name(who.userId or who.clientId) or "unknown"
        self.handle = ""
        body = nested(one.representation)
        self.said = said_by(self.verb, self.resource, tail, body) if body is not None else NOTHING
        method = METHODS.get(self.verb, "")
        call = name(f"{method} {self.path}")
        self.follows = (Handle("keycloak.call", call),) if method and self.path else ()

    def facts(self, _entry: Entry) -> dict[str, str]:
        details = self.one.details if isinstance(self.one.details, dict) else {}
        return stated(
            {
                Fact.ACCOUNT: self.one.realmName or self.one.realmId,
                Fact.ADDRESS: self.who.ipAddress,
                Fact.CLIENT: self.client,
                Fact.CHANGE: references(details),
                Fact.SCOPE: self.one.realmName or self.one.realmId,
                **self.said.facts,
            }
        )


def _named(path: str) -> tuple[str, str]:
    """The id or name of the thing that a path is about, and what of it, without ids: `reset-password`.

    `users/<id>/role-mappings/realm` is about the user; `groups/<id>/children` about the group.
    """
    parts = path.split("/")
    at = next((at for at, part in enumerate(parts[:-1]) if part in COLLECTIONS), None)
    if at is None:
        return "", ""
    words = (part for part in parts[at + 2 : at + 4] if not _an_id(part))
    return name(parts[at + 1]), name(next(words, ""))


def _an_id(part: str) -> bool:
    return len(part) >= ID_MIN and "-" in part and any(map(str.isdigit, part))


class _Used:
    """What an account or client did with the login pages and token endpoints: `LOGIN`, `TOKEN_EXCHANGE`."""

    def __init__(self, one: KeycloakEvent) -> None:
        self.one = one
        self.details = one.details if isinstance(one.details, dict) else {}
        kind = one.type or ""
        self.operation = name(kind.removesuffix("_ERROR"))
        self.client = name(one.clientId)
        self.named = self._detail("username") or name(one.userId)
        impersonator = self._detail("impersonator")
        self.principal = impersonator or self.named or self.client or "unknown"
        self.handle = name(one.sessionId)
        self.target = name(one.userId) or self.client
        self.follows: tuple[Handle, ...] = ()
        self.other = bool(impersonator) and impersonator != self.named
        self.said = NOTHING._replace(op_class=OpClass.CREDENTIAL_MINT) if self.other else NOTHING

    def _detail(self, key: str) -> str:
        value = self.details.get(key)
        return name(value) if isinstance(value, str) else ""

    def facts(self, entry: Entry) -> dict[str, str]:
        mints = Effect.MINTS in entry.effects
        return stated(
            {
                Fact.ACCOUNT: self.one.realmName or self.one.realmId,
                Fact.ADDRESS: self.one.ipAddress,
                Fact.CLIENT: self.client,
                Fact.ISSUER: self._detail("identity_provider"),
                Fact.GRANTED: self._detail("scope") if mints else "",
                Fact.MINTED: self._detail("token_id") if mints else "",
                Fact.BENEFICIARY: self.named if self.other else "",
                Fact.CHANGE: references(self.details),
            }
        )
