"""Audit entries of HashiCorp Vault and OpenBao: every call gives a request and a response with one id.

Format: audit log entry schema of Vault; what the audit device hides is an HMAC, and stays one. The response
is the operation, since only it knows the outcome; the request says that its session runs (`SessionStart`),
and follows the response where it does not know by itself whose it is: the response brings the request's id.

A session is found by `conversation_id` in the token's metadata, in the token that a login returns, or in the
header `x-correlation-id`; then by the secret id it logs in with, and by the token's accessor; else it is the
entity's. Nothing of request or response data is read but what is named in `Data`.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from models.attested import Effect, Fact
from models.command import stable_id
from models.event import (
    EFFECTS_MAX,
    CredentialKind,
    Grade,
    OpClass,
    Operation,
    Outcome,
    SessionStart,
)
from stream.sources.reading import decoded, invalid, listed, millis, name, texts
from stream.sources.sighting import Handle, Sighting
from stream.sources.vault.paths import canonical_path, general_path
from stream.sources.vault.policies import administrative
from stream.sources.vault.records import Auth, Data, Entry, Request, Response
from stream.sources.vocabularies import load_vocabulary

SOURCE = "vault.audit"
HMAC = "hmac-"
DAY_S = 86_400
POLICIES_MAX = 64
CONVERSATION = ("conversation_id", "conversation")
CHANGES = ("change", "change_id", "ticket", "case", "incident", "commit")
"""Metadata of a token that names what it was handed out for."""

ROOT_POLICIES = frozenset({"root", "hcp-root"})
ROOT = "root"
MAKES_ROOT = "sys/generate-root"
POLICY_PATHS = ("sys/policies/acl/", "sys/policy/")
LIKE_UPDATE = frozenset({"create", "patch"})
"""Operations whose meaning is that of an update: Vault tells them apart by whether the thing exists."""

PROVEN = frozenset(
    {"jwt", "oidc", "kubernetes", "aws", "azure", "gcp", "cert", "spiffe", "alicloud", "cf", "oci"}
)
"""Ways to log in that prove what runs, rather than what it knows."""

DURATION = re.compile(r"(\d{1,9})(ms|s|m|h|d)?")
SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


_entry = msgspec.json.Decoder(Entry)
NOTHING = Data()
EMPTY = Response()
NOBODY = Auth()


def normalise(record: bytes) -> tuple[Sighting, ...]:
    """One audit entry. Raises `UnreadableEventError`."""
    entry = decoded(_entry, record)
    if entry.type not in {"request", "response"}:
        raise invalid("type is neither request nor response")
    if not (entry.request.id and entry.request.operation and entry.request.path):
        raise invalid("request.id, request.operation or request.path is empty")
    return (_response(entry) if entry.type == "response" else _request(entry),)


def plain(value: Any) -> str:
    """A text that the audit device did not hide."""
    return name(value) if isinstance(value, str) and not value.startswith(HMAC) else ""


def hidden(value: Any) -> str:
    """A secret as it may be written down: the audit log's HMAC, or a hash of what it did not hide."""
    if not isinstance(value, str) or not value:
        return ""
    return name(value) if value.startswith(HMAC) else stable_id("vault", value[:1024])


def said(metadata: dict[str, Any] | None, keys: Iterable[str]) -> str:
    """The first of these keys that a token's metadata has."""
    if metadata:
        for key in keys:
            if key in metadata and (value := plain(metadata[key])):
                return value
    return ""


class Caller(Struct, frozen=True):
    """Whose call it is, as far as the entry says."""

    auth: Auth
    conversation: str
    session: str
    principal: str
    agent: str


def _caller(entry: Entry) -> Caller:
    """The token that called; for a login, which has none yet, the one it returns."""
    auth, returned = entry.auth or NOBODY, entry.response.auth if entry.response else None
    if not auth.accessor and returned is not None:
        auth = returned
    entity = plain(auth.entity_id) or plain(entry.request.client_id)
    role = said(auth.metadata, ("role", "role_name", "username"))
    principal = role or plain(auth.display_name) or entity
    if auth is NOBODY or not principal:
        principal = plain((entry.request.data or NOTHING).role) or principal
    session = entity or hidden(auth.accessor) or f"request:{entry.request.id}"
    return Caller(
        auth=auth,
        conversation=said(auth.metadata, CONVERSATION),
        session=name(f"vault:{session}"),
        principal=principal,
        agent=said(auth.metadata, ("agent",)) or principal or "unknown",
    )


def _handles(entry: Entry) -> tuple[Handle, ...]:
    """Who may have done it, in the order of the join rules."""
    found = [Handle("conversation", value) for value in header(entry.request, "x-correlation-id")]
    secret = hidden((entry.request.data or NOTHING).secret_id)
    if secret and "/login" in entry.request.path:
        found.append(Handle("vault.secret_id", secret))
    if accessor := name((entry.auth or NOBODY).accessor):
        found.append(Handle("vault.accessor", accessor))
    return tuple(found)


def header(request: Request, wanted: str) -> tuple[str, ...]:
    """The values of one audited header, whatever the case of its name."""
    for key, values in (request.headers or {}).items():
        if key.lower() == wanted:
            return tuple(name(value) for value in texts(values)[:4] if not value.startswith(HMAC))
    return ()


def _request(entry: Entry) -> Sighting:
    caller = _caller(entry)
    session = caller.conversation or caller.session
    event = SessionStart(
        id=name(f"{entry.request.id}:request"),
        source=SOURCE,
        at_ms=millis(entry.time),
        session=session,
        workflow=session,
        agent=said(caller.auth.metadata, ("agent",)),
        principal=caller.principal,
        grade=Grade.ATTESTED,
    )
    if caller.conversation:
        return Sighting(event=event, settled=True)
    follows = (*_handles(entry), Handle("vault.request", name(entry.request.id)))
    return Sighting(event=event, follows=follows)


def _response(entry: Entry) -> Sighting:
    caller = _caller(entry)
    brings = (Handle("vault.request", name(entry.request.id)), *_brought(entry))
    if caller.conversation:
        return Sighting(event=_operation(entry, caller, caller.conversation), settled=True, brings=brings)
    event = _operation(entry, caller, caller.session)
    return Sighting(event=event, follows=_handles(entry), brings=brings)


def _brought(entry: Entry) -> list[Handle]:
    """What the caller holds from now on: tokens and secret ids that came back."""
    response = entry.response or EMPTY
    found = []
    if response.auth is not None and response.auth.accessor:
        found.append(Handle("vault.accessor", name(response.auth.accessor)))
    if response.wrap_info is not None:
        wrapped = (response.wrap_info.accessor, response.wrap_info.wrapped_accessor)
        found += [Handle("vault.accessor", name(accessor)) for accessor in wrapped if accessor]
    data = response.data or NOTHING
    for value in (data.secret_id, data.secret_id_accessor):
        if secret := hidden(value):
            found.append(Handle("vault.secret_id", secret))
    return found


def _operation(entry: Entry, caller: Caller, session: str) -> Operation:
    request = entry.request
    verb = name(request.operation)
    general = general_path(request.path, request.mount_point or "", request.mount_type or "")
    vocabulary = load_vocabulary("vault")
    meaning = vocabulary.look_up(f"{'update' if verb in LIKE_UPDATE else verb} {general}")
    minted = Minted.read(entry, general, meaning.effects)
    op_class = meaning.op_class
    if general == "auth/token/create" and minted.within(caller.auth):
        op_class = OpClass.OTHER
    auth = entry.auth or NOBODY
    return Operation(
        id=name(request.id),
        source=SOURCE,
        at_ms=millis(entry.time),
        session=session,
        workflow=session,
        agent=caller.agent,
        principal=caller.principal,
        grade=Grade.ATTESTED,
        operation=name(f"{verb} {general}"),
        op_class=op_class,
        outcome=outcome_of(entry),
        system=vocabulary.content.system,
        system_kind=meaning.system_kind or vocabulary.content.system_kind,
        target=name(canonical_path(request.path, general)),
        target_kind=meaning.target_kind,
        effects=_effects(request.data or NOTHING, meaning.effects, minted),
        credential=name(auth.accessor),
        credential_kind=_kind(auth),
        workload_proven=_proven(entry, caller.auth),
        act=name(request.id),
        facts=_facts(entry, caller, general, minted),
    )


def outcome_of(entry: Entry) -> Outcome:
    """A refusal where the policies or the error say so; a login that returns no token was refused."""
    results = (entry.auth or NOBODY).policy_results
    error = (entry.error or "").lower()
    if "permission denied" in error or "invalid credentials" in error or "403" in error:
        return Outcome.DENIED
    if results is not None and results.allowed is False:
        return Outcome.DENIED
    return Outcome.ERROR if error else Outcome.OK


def _kind(auth: Auth) -> CredentialKind:
    if not auth.accessor and not auth.token_type:
        return CredentialKind.UNKNOWN
    if set(auth.policies or ()) & ROOT_POLICIES or auth.token_ttl == 0:
        return CredentialKind.STATIC
    return CredentialKind.EPHEMERAL if auth.accessor and auth.token_ttl else CredentialKind.UNKNOWN


def _proven(entry: Entry, auth: Auth) -> bool:
    """Whether the token came by a login that proves a workload: Vault names it after the way in."""
    if "/login" in entry.request.path:
        return entry.request.mount_type in PROVEN and outcome_of(entry) is Outcome.OK
    return plain(auth.display_name).partition("-")[0] in PROVEN


def seconds(value: Any) -> int | None:
    """A duration as Vault writes it, `768h` or a number of seconds; None for what is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return int(value) if 0 <= value < 10**10 else None
    if not isinstance(value, str) or not (parts := DURATION.findall(value[:64])):
        return None
    if "".join(number + unit for number, unit in parts) != value:
        return None
    return int(sum(int(number) * SECONDS[unit] for number, unit in parts))


class Minted(Struct, frozen=True):
    """What came into being, if anything did."""

    id: str = ""
    policies: tuple[str, ...] = ()
    lifetime_s: int | None = None
    endless: bool = False
    orphan: bool = False

    @classmethod
    def read(cls, entry: Entry, general: str, effects: tuple[Effect, ...]) -> "Minted":
        """From what was asked and what came back. Nothing for a renewal, which mints nothing."""
        response = entry.response or EMPTY
        auth = response.auth if "renew" not in general else None
        if Effect.MINTS not in effects and auth is None:
            return NOT_MINTED
        asked, came = entry.request.data or NOTHING, response.data or NOTHING
        lifetimes = (auth.token_ttl if auth is not None else None, came.secret_id_ttl, asked.ttl)
        lifetime_s = next((found for value in lifetimes if (found := seconds(value)) is not None), None)
        period_s = seconds(asked.period)
        identity = name(auth.accessor) if auth is not None else ""
        policies = auth.policies or () if auth is not None else texts(asked.policies)
        return cls(
            id=identity or hidden(came.secret_id_accessor) or plain(came.serial_number),
            policies=tuple(plain(policy) for policy in policies[:POLICIES_MAX]),
            lifetime_s=period_s or lifetime_s,
            endless=bool(period_s) or lifetime_s == 0,
            orphan="orphan" in general or asked.no_parent is True,
        )

    def within(self, maker: Auth) -> bool:
        """Whether a token can do no more than its maker's, and dies with it."""
        lives = self.lifetime_s is not None and isinstance(maker.token_ttl, int | float)
        if self.orphan or self.endless or not self.id or not lives:
            return False
        own = {*(maker.policies or ()), "default"}
        return set(self.policies) <= own and (self.lifetime_s or 0) <= (maker.token_ttl or 0)


NOT_MINTED = Minted()


def _effects(asked: Data, known: tuple[Effect, ...], minted: Minted) -> tuple[Effect, ...]:
    if asked is NOTHING and minted is NOT_MINTED:
        return known
    found = dict.fromkeys(known)
    if minted.endless or (minted.lifetime_s or 0) > DAY_S:
        found[Effect.LONG_LIVED] = None
    granted = {*texts(asked.policies), *texts(asked.token_policies), *minted.policies}
    if (granted & ROOT_POLICIES and known) or administrative(asked.policy):
        found[Effect.ADMIN] = None
    if any("*" in each for each in _names(asked)):
        found[Effect.WIDE] = None
    return tuple(found)[:EFFECTS_MAX]


def _names(asked: Data) -> list[str]:
    """Names that a certificate is asked for; several stand in one text, by comma."""
    if asked.common_name is None and asked.alt_names is None and asked.valid_principals is None:
        return []
    given = (asked.common_name, asked.alt_names, asked.valid_principals)
    every = [part.strip() for value in given for text in texts(value) for part in text.split(",")[:64]]
    return [found for part in every if (found := plain(part))]


def _issuer(asked: Data) -> str:
    for value in (asked.bound_issuer, asked.oidc_discovery_url, asked.jwks_url):
        if address := plain(value):
            return address.partition("://")[2].partition("/")[0] or address
    return ""


def _facts(entry: Entry, caller: Caller, general: str, minted: Minted) -> dict[str, str]:
    request, auth = entry.request, caller.auth
    facts = {
        Fact.ADDRESS.value: name(request.remote_address),
        Fact.CLIENT.value: plain(auth.entity_id) or plain(request.client_id),
        Fact.USER_AGENT.value: next(iter(header(request, "user-agent")), ""),
        "policies": listed(plain(each) for each in auth.policies or ()),
    }
    if request.namespace is not None and request.namespace.path:
        facts[Fact.SCOPE.value] = plain(request.namespace.path)
    if auth.metadata:
        facts[Fact.CHANGE.value] = said(auth.metadata, CHANGES)
        facts["service_account"] = _service_account(auth.metadata)
    if entry.response is not None and entry.response.wrap_info is not None:
        facts["wrapped"] = "true"
    if request.data is not None or minted is not NOT_MINTED:
        facts |= _parameters(request, general, minted)
    facts[Fact.BENEFICIARY.value] = _gains(request, caller, minted) or facts.get(Fact.BENEFICIARY.value, "")
    return {key: value for key, value in facts.items() if value}


def _gains(request: Request, caller: Caller, minted: Minted) -> str:
    """Who gains, where that is the caller itself, by its own policy, entity, group or role; or root."""
    auth, path = caller.auth, request.path
    own = set(auth.policies or ())
    if path.startswith(MAKES_ROOT) or (ROOT_POLICIES & set(minted.policies) and not ROOT_POLICIES & own):
        return ROOT
    asked = request.data or NOTHING
    its_own = (
        any(path.startswith(start) and path.removeprefix(start) in own for start in POLICY_PATHS)
        or (bool(auth.entity_id) and path.rpartition("/")[2] == auth.entity_id)
        or (bool(auth.entity_id) and auth.entity_id in texts(asked.member_entity_ids))
        or (path.startswith("auth/") and path.partition("/role/")[2] == said(auth.metadata, ("role",)) != "")
    )
    return caller.principal if its_own else ""


def _service_account(metadata: dict[str, Any]) -> str:
    """The account that a login of Kubernetes has proven, as `namespace/name`."""
    account = said(metadata, ("service_account_name",))
    return name(f"{said(metadata, ('service_account_namespace',))}/{account}") if account else ""


def _parameters(request: Request, general: str, minted: Minted) -> dict[str, str]:
    """What was asked for, and what came into being."""
    asked = request.data or NOTHING
    granted = [*texts(asked.policies), *texts(asked.token_policies), *minted.policies]
    approle = general.startswith("auth/approle/role")
    facts = {
        Fact.BENEFICIARY: name(request.path.partition("/role/")[2].partition("/")[0]) if approle else "",
        Fact.GRANTED: "" if "login" in general else listed(plain(each) for each in granted),
        Fact.LIFETIME_S: "" if minted.lifetime_s is None else str(minted.lifetime_s),
        Fact.MINTED: minted.id,
        Fact.NAMES: listed(_names(asked)) if general.startswith(("pki/", "ssh/")) else "",
        Fact.GROUPS: listed(plain(each) for each in (*texts(asked.organization), *texts(asked.ou))),
        Fact.ISSUER: _issuer(asked) if general.startswith(("auth/", "identity/")) else "",
        "revoked": name(asked.accessor) if isinstance(asked.accessor, str) else "",
        Fact.ORPHAN: "true" if minted.orphan else "",
    }
    return {key.value if isinstance(key, Fact) else key: value for key, value in facts.items()}
