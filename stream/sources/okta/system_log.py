"""Okta's System Log: one LogEvent, a list of them, an event hook's batch, or one that EventBridge brings.

Format: Okta's reference of the System Log API (LogEvent). Reads of the directory are not in it. Field names
that a data lake has lower-cased are read as well. What the log says in free text (messages, reasons,
addresses of pages) stays here.
"""

from collections.abc import Iterator
from typing import Any

from msgspec.json import Decoder

from models.attested import Effect, Fact
from models.event import CredentialKind, Grade, OpClass, Operation, Outcome
from models.vocabulary.vocabulary import Entry
from stream.sources.batches import BATCH_BYTES_MAX, Places, single
from stream.sources.grants import admin_name, effects_of, references, stated
from stream.sources.okta.records import (
    AuthenticationContext,
    Client,
    DebugContext,
    LogEvent,
    Result,
    Transaction,
    Who,
)
from stream.sources.reading import decoded, invalid, listed, millis, name
from stream.sources.sighting import Handle, Sighting
from stream.sources.vocabularies import load_vocabulary

SOURCE = "okta.system_log"
VOCABULARY = load_vocabulary("okta")

OUTCOMES = {
    "SUCCESS": Outcome.OK,
    "ALLOW": Outcome.OK,
    "CHALLENGE": Outcome.OK,
    "DEFERRED": Outcome.OK,
    "SCHEDULED": Outcome.OK,
    "DENY": Outcome.DENIED,
}
"""What is not here (FAILURE, SKIPPED, ABANDONED, RATE_LIMIT, ...) did not happen, for whatever reason."""
REFUSALS = ("DENIED", "FORBIDDEN", "PERMISSION", "UNAUTHORIZED", "NOT_AUTHORIZED", "INSUFFICIENT", "POLICY")
"""A FAILURE whose reason has one of these was refused, rather than broken."""

LASTING = ("00T",)
"""How the ids of API tokens begin; they live until they lie idle for 30 days. Access tokens are `AT.`."""
WEAKER = {
    "status": ("ACTIVE", "INACTIVE"),
    "access": ("DENY", "ALLOW"),
    "factorMode": ("2FA", "1FA"),
    "requireFactor": (True, False),
    "type": ("REQUIRED", "OPTIONAL"),
}
"""Settings of sign-on rules and policies, and the step from one value to another that lets more through."""
RULES = {"policy", "policy_rule", "network_zone", "factor_type", "guard"}
"""What such settings are of; of a user, `INACTIVE` is a removal."""

PROVIDERS = {"identity_provider"}
TRUSTED = {"issuer", "trust", "endpoints", "jwks", "kid", "certificate", "ssourl", "x5c"}
"""Settings of a provider that say whose word is taken, and with which key it has to be signed; what it is
called, and what becomes of those who log in, are others."""
OWN_KEY = "signing"
"""Below it stands with which key Okta itself signs what it asks a provider."""
SETTINGS_DEPTH_MAX = 8

PROVIDER_PAGE = "/sso/saml2/"
"""Where log-ins through a provider arrive; its id follows."""
SELF_SERVICE = {"factor", "password"}
GAINFUL = {Effect.EXPANDS, Effect.MINTS, Effect.SECRET_VALUE}
GRANTING = {OpClass.ROLE_MAPPING, OpClass.PRIVILEGE_CHANGE}
GRANTABLE = {"UserGroup", "AppInstance", "ROLE", "Role", "CustomRole", "RoleAssignment", "RESOURCE_SET"}
TOKENS = ("access_token", "refresh_token", "Token", "TOKEN", "APIToken", "device_secret")


DECODER = Decoder(LogEvent | list[LogEvent])


def normalise(record: bytes) -> tuple[Sighting, ...]:
    """One operation for every event in it. Raises `UnreadableEventError` for what is no System Log event."""
    content = decoded(DECODER, record, BATCH_BYTES_MAX)
    if isinstance(content, list):
        events = content
    elif content.data is not None:
        events = content.data.events
    else:
        events = [content.detail or content]
        single(record)
    places = Places(SOURCE, record)
    return tuple(_sighting(event, places, at) for at, event in enumerate(events))


def _sighting(event: LogEvent, places: Places, at: int) -> Sighting:
    operation = name(event.eventType or event.eventtype)
    if not operation or not event.published:
        raise invalid("no eventType or no published time")
    call = _Call(event)
    entry = VOCABULARY.look_up(operation)
    session = name(call.session)
    minted = call.minted(entry)
    return Sighting(
        event=Operation(
            id=name(event.uuid) or places.id_of(at),
            source=SOURCE,
            at_ms=millis(event.published),
            workflow=session,
            session=session,
            agent=call.principal,
            principal=call.principal,
            grade=Grade.ATTESTED,
            operation=operation,
            op_class=call.op_class(entry),
            outcome=call.outcome,
            system="okta",
            system_kind=entry.system_kind or VOCABULARY.content.system_kind,
            target=call.target(entry),
            target_kind=entry.target_kind or name(call.subject(entry).type),
            credential=call.credential,
            credential_kind=call.credential_kind,
            act=call.request,
            effects=call.effects(entry),
            facts=call.facts(entry, minted),
        ),
        follows=tuple(call.follows()),
        brings=() if _lasting(minted) else _token(minted),
        maker_of=_token(minted) if _lasting(minted) else (),
    )


def _token(token: str) -> tuple[Handle, ...]:
    """Only tokens trace calls; the id of a log-in session is in every one of its records anyway."""
    return (Handle("okta.api_token", token),) if token.startswith(("AT.", *LASTING)) else ()


def _lasting(token: str) -> bool:
    return token.startswith(LASTING)


class _Call:
    """One event, read: each property answers one question about it."""

    def __init__(self, event: LogEvent) -> None:
        self.actor = event.actor or Who()
        self.client = event.client or Client()
        self.result = event.outcome or Result()
        self.targets = event.target or []
        transaction = event.transaction or Transaction()
        context = event.debugContext or event.debugcontext or DebugContext()
        login = event.authenticationContext or event.authenticationcontext or AuthenticationContext()
        self.debug: dict[str, Any] = context.debugData if isinstance(context.debugData, dict) else {}
        detail = transaction.detail if isinstance(transaction.detail, dict) else {}
        self.token = name(_text(detail.get("requestApiTokenId")))
        self.login = name(login.externalSessionId)
        self.request = name(self._debugged("requestId") or transaction.id)
        self.principal = name(self.actor.known_as) or "unknown"

    def _debugged(self, key: str) -> str:
        return _text(self.debug.get(key))

    @property
    def session(self) -> str:
        """Of a client or a token: who holds it and which; of a person: the log-in."""
        if self.token or self.client.id:
            holder = self.client.id or self.actor.id or self.principal
            return f"okta:{holder}:{self.token}" if self.token else f"okta:{holder}"
        return f"okta:{self.login or self.actor.id or self.principal}"

    def follows(self) -> Iterator[Handle]:
        """The join rules, in their order."""
        if self.token:
            yield Handle("okta.api_token", self.token)
        if self.request:
            yield Handle("okta.request", self.request)

    @property
    def credential(self) -> str:
        """A token, or the log-in of a person."""
        return self.token or ("" if self.client.id else self.login)

    @property
    def credential_kind(self) -> CredentialKind:
        if not self.credential:
            return CredentialKind.UNKNOWN
        return CredentialKind.STATIC if _lasting(self.credential) else CredentialKind.EPHEMERAL

    @property
    def outcome(self) -> Outcome:
        """Refused is told from broken by the reason, which is a code; the reason itself stays here."""
        known = OUTCOMES.get(self.result.result or "")
        if known is not None:
            return known
        reason = (self.result.reason or "").upper().replace(" ", "_")
        return Outcome.DENIED if any(word in reason for word in REFUSALS) else Outcome.ERROR

    def of_type(self, *types: str) -> Who | None:
        """The first target of one of these types, types in order."""
        return next((who for kind in types for who in self.targets if who.type == kind), None)

    def subject(self, entry: Entry) -> Who:
        """What was changed: the vocabulary says which type of target that is, else the first one."""
        return self.of_type(*entry.target) or (self.targets[0] if self.targets else Who())

    def target(self, entry: Entry) -> str:
        """The subject's name; of a token its id, and of a log-in into nothing in particular, who logs in."""
        subject = self.subject(entry)
        if entry.target_kind == "login" and subject.type not in entry.target:
            return self.principal
        return name(subject.id if subject.type in TOKENS else subject.known_as)

    def own_login(self, entry: Entry) -> bool:
        """Whether it is the account of whoever does it."""
        person = self.subject(entry)
        return person.type == "User" and bool(person.id) and person.id == self.actor.id

    def op_class(self, entry: Entry) -> OpClass:
        """As the vocabulary says; one's own new factor or password is what self-service is for."""
        if Effect.MINTS in entry.effects and entry.target_kind in SELF_SERVICE and self.own_login(entry):
            return OpClass.OTHER
        return entry.op_class

    def granted(self, entry: Entry) -> str:
        """The role, group, application or scopes that somebody gets or loses."""
        grants = entry.op_class in GRANTING
        groups = (who.known_as for who in self.targets if grants and who.type in GRANTABLE)
        keys = ("privilegeGranted", "privilegeRevoked", "grantedScopes", "roleName", "role")
        return listed([*(self._debugged(key) for key in keys), *groups])

    def effects(self, entry: Entry) -> tuple[Effect, ...]:
        """Beside those of the vocabulary: what the names of what is granted, and old and new values, say."""
        found = list(entry.effects)
        if Effect.EXPANDS in found and admin_name(self.granted(entry)):
            found.append(Effect.ADMIN)
            if any(word in self.granted(entry).lower() for word in ("super admin", "organization admin")):
                found.append(Effect.WIDE)
        rules = entry.target_kind in RULES
        if rules and any(_weaker(who.changeDetails) for who in self.targets):
            found.append(Effect.WEAKENS)
        if entry.target_kind in PROVIDERS and any(_trusts_another(who.changeDetails) for who in self.targets):
            found.append(Effect.TRUST_PATH)
        return effects_of(found)

    def minted(self, entry: Entry) -> str:
        """Id of the token or log-in that came into being; never the token."""
        if Effect.MINTS not in entry.effects or self.outcome is not Outcome.OK:
            return ""
        token = self.of_type(*TOKENS)
        if token is not None:
            return name(token.id)
        return self.login if entry.target_kind == "login" else ""

    def beneficiary(self, entry: Entry) -> str:
        """Whose account gains, where that is not the target: a token is good for whoever made it."""
        if not GAINFUL.intersection(entry.effects):
            return ""
        person = self.of_type("User", "AppUser", "PublicClientApp")
        gains = person.known_as if person is not None else ""
        if not gains and Effect.MINTS in entry.effects:
            gains = self.principal
        return "" if gains == self.target(entry) else gains

    def facts(self, entry: Entry, minted: str) -> dict[str, str]:
        return stated(
            {
                Fact.BENEFICIARY: self.beneficiary(entry),
                Fact.GRANTED: self.granted(entry),
                Fact.ISSUER: self._issuer(),
                Fact.ADDRESS: self.client.ipAddress,
                Fact.CLIENT: self.client.id,
                Fact.CHANGE: references(self.debug),
                Fact.MINTED: minted,
                Fact.USER_AGENT: self.client.userAgent.rawUserAgent if self.client.userAgent else "",
            }
        )

    def _issuer(self) -> str:
        """The identity provider, by its id: its host is not in the log."""
        provider = self.of_type("IdentityProvider")
        if provider is not None:
            return provider.id or ""
        _, _, page = self._debugged("requestUri").partition(PROVIDER_PAGE)
        return self._debugged("idpId") or page.partition("/")[0]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _trusts_another(details: Any) -> bool:
    """Whether a target's `changeDetails` show another issuer, another place to ask it, or another key."""
    if not isinstance(details, dict):
        return False
    return bool(_trusted(details.get("to")) - _trusted(details.get("from")))


def _trusted(setting: Any, *, told: bool = False, depth: int = 0) -> set[str]:
    """Values of settings of trust, wherever they stand."""
    if depth > SETTINGS_DEPTH_MAX:
        return set()
    if isinstance(setting, dict):
        known = {name(key).lower(): value for key, value in setting.items()}
        inner = ((told or key in TRUSTED, value) for key, value in known.items() if key != OWN_KEY)
    elif isinstance(setting, list):
        inner = ((told, value) for value in setting)
    else:
        return {setting} if told and isinstance(setting, str) and setting else set()
    return set().union(*(_trusted(value, told=said, depth=depth + 1) for said, value in inner))


def _weaker(details: Any) -> bool:
    """Whether a target's `changeDetails` show a setting that lets more through than before."""
    if not isinstance(details, dict):
        return False
    before, after = details.get("from"), details.get("to")
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return False
    return any((before.get(key), after.get(key)) == step for key, step in WEAKER.items())
