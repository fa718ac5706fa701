"""What a directory record's changed properties mean: who gains what, whose credential, what got weaker."""

import re
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from models.attested import Effect, Fact
from models.event import GRANTS, OpClass
from stream.sources.entra.reading import DEPTH_MAX, Reading, issuers_in, words
from stream.sources.grants import admin_name
from stream.sources.reading import listed, many, name, nested

ADMIN_ROLES = re.compile(
    r"(?:global|company|privileged (?:role|authentication)|(?:cloud )?application|hybrid identity"
    r"|domain name|user access|security|authentication|authentication policy|conditional access"
    r"|external identity provider"
    r"|identity governance|intune|role based access control|helpdesk|user|password|exchange|groups)"
    r" administrator$|partner tier[12] support$|directory synchronization accounts$|owner$",
    re.IGNORECASE,
)
"""Directory roles that Microsoft marks as privileged: their holders can act as whoever can grant."""
ADMIN_PERMISSIONS = re.compile(
    r"(?:RoleManagement\.ReadWrite\.\w+|AppRoleAssignment\.ReadWrite\.All|Application\.ReadWrite\.(?:All|OwnedBy)"
    r"|Directory\.(?:ReadWrite\.All|AccessAsUser\.All)|PrivilegedAccess\.ReadWrite\.\w+"
    r"|(?:RoleAssignmentSchedule|RoleEligibilitySchedule)\.ReadWrite\.Directory"
    r"|Policy\.ReadWrite\.(?:PermissionGrant|ConditionalAccess|AuthenticationMethod)"
    r"|UserAuthenticationMethod\.ReadWrite\.All|Domain\.ReadWrite\.All|ServicePrincipalEndpoint\.ReadWrite\.All"
    r"|DelegatedPermissionGrant\.ReadWrite\.All|full_access_as_app)$"
)
"""Graph permissions with which an application can give itself any other."""
THINGS = ("role", "group", "application", "serviceprincipal", "policy", "administrativeunit", "domain")
"""What is changed, rather than who gains, where a record names both: the first of these."""
HOLDERS = frozenset({"user", "group", "serviceprincipal", "device"})
KEY = re.compile(r"KeyIdentifier=([0-9a-fA-F-]{8,64})")
SCOPES = re.compile(r"Scope:\s*([^,\]]*)")
NAMED = {"group": "Group.DisplayName", "role": "Role.DisplayName", "app": "Application.DisplayName"}
SETTINGS_MAX = 512
"""Settings of a policy that are compared."""
STATES = {"enabled": 2, "enabledforreportingbutnotenforced": 1, "reporting": 1, "disabled": 0}
TICKET = ("ticketnumber", "ticket number", "ticketid")
REFERENCE = re.compile(r"\S{1,128}")
CONTROLS = ("builtincontrols", "control", "operator", "termsofuse", "authenticationstrength")


class Thing(Struct):
    """One of the objects that a record names."""

    kind: str
    label: str
    id: str


class Change(Struct):
    """What a record says about a change; property values are out of their text."""

    things: list[Thing]
    before: dict[str, Any]
    after: dict[str, Any]
    details: dict[str, str]
    callers: frozenset[str]
    """Names and ids of whoever did it."""
    assignment: str


def read_change(reading: Reading, change: Change) -> None:
    """Everything of the change that judging it needs."""
    _name_things(reading, change)
    _keys(reading, change)
    _federation(reading, change)
    _grant(reading, change)
    if reading.op_class in {OpClass.TRUST_CHANGE, OpClass.GUARDRAIL_CHANGE, OpClass.PRIVILEGE_CHANGE}:
        _weakening(reading, change)
    if (
        "permanent" in f"{reading.operation} {change.assignment}".lower()
        and Effect.EXPANDS in reading.effects
    ):
        reading.say(Effect.LONG_LIVED)
    ticket = next((change.details[key] for key in TICKET if key in change.details), "")
    if REFERENCE.fullmatch(ticket):
        reading.state(Fact.CHANGE, ticket)
    reading.state(Fact.SCOPE, name(change.details.get("scope")))


def _name_things(reading: Reading, change: Change) -> None:
    """The target is what is changed; the beneficiary is who else is named."""
    ranked = sorted(change.things, key=_rank)
    thing = ranked[0] if ranked else None
    gains = _who_gain([each for each in change.things if each is not thing])
    named = next((kind for kind, key in NAMED.items() if _property(change, key)), "")
    if named and thing is not None and _rank(thing) >= THINGS.index("group"):
        key = NAMED[named]
        reading.target, reading.target_kind, gains = _property(change, key), named, change.things[:1]
    elif thing is not None:
        reading.target = thing.label
        reading.target_kind = reading.target_kind or thing.kind.lower()
    client = _property(change, "ServicePrincipal.DisplayName")
    if client and thing is not None and client != thing.label:
        reading.target, reading.target_kind, gains = client, "serviceprincipal", []
    invited = change.details.get("inviteduseremailaddress")
    if invited:
        reading.target, reading.target_kind = name(invited), "user"
    _beneficiary(reading, change, gains)


def _who_gain(things: list[Thing]) -> list[Thing]:
    """Of things that a record names beside what is changed those that can hold it, where it names any.

    Privileged identity management names its request and the directory, too.
    """
    return [each for each in things if each.kind.lower() in HOLDERS] or things


def _rank(thing: Thing) -> int:
    kind = thing.kind.lower()
    return THINGS.index(kind) if kind in THINGS else len(THINGS)


def _beneficiary(reading: Reading, change: Change, gains: list[Thing]) -> None:
    """Who gains; where that is whoever did it, under the name of its own records, too."""
    labels = [each.label for each in gains]
    if not gains and reading.op_class is not OpClass.TRUST_CHANGE:
        labels = [reading.target]
    ids = {each.id for each in gains} | set(labels)
    if change.callers & ids or (not gains and change.callers & {each.id for each in change.things}):
        labels.append(reading.principal)
    if reading.op_class in GRANTS or reading.op_class is OpClass.CREDENTIAL_MINT:
        reading.state(Fact.BENEFICIARY, listed(labels))


def _property(change: Change, key: str) -> str:
    """A property's value after, else before; as text."""
    for values in (change.after, change.before):
        found = values.get(key)
        if isinstance(found, str) and found:
            return name(found)
    return ""


def _grant(reading: Reading, change: Change) -> None:
    """The role, group or permissions that are given."""
    if reading.op_class not in GRANTS:
        return
    scopes = _permissions(change)
    role = _property(change, "Role.DisplayName") or name(change.details.get("rolename"))
    if reading.target_kind == "role":
        role = role or reading.target
    if role:
        reading.state(Fact.GRANTED, role)
        if Effect.REMOVES not in reading.effects and ADMIN_ROLES.match(role):
            reading.say(Effect.ADMIN)
    elif scopes:
        reading.state(Fact.GRANTED, listed(scopes))
        if Effect.REMOVES not in reading.effects and any(map(ADMIN_PERMISSIONS.match, scopes)):
            reading.say(Effect.ADMIN)
    elif reading.target_kind == "group":
        reading.state(Fact.GRANTED, reading.target)
        if Effect.REMOVES not in reading.effects and admin_name(reading.target):
            reading.say(Effect.ADMIN)
    if _for_everybody(change):
        reading.say(Effect.WIDE)


def _permissions(change: Change) -> list[str]:
    """Scopes and application roles; an old consent is written before an arrow, and not new."""
    found: list[str] = []
    for key in ("ConsentAction.Permissions", "DelegatedPermissionGrant.Scope", "AppRole.Value"):
        value = change.after.get(key) or change.before.get(key)
        for text in many(value):
            if isinstance(text, str):
                new = text.rpartition("=>")[2]
                found += words(SCOPES.findall(new) or new)
    return found


def _for_everybody(change: Change) -> bool:
    """Consent by an administrator, for all people of the tenant."""
    admin = change.after.get("ConsentContext.IsAdminConsent")
    told = (
        change.after.get("ConsentAction.Permissions"),
        change.after.get("DelegatedPermissionGrant.ConsentType"),
    )
    return admin in (True, "True", "true") or any(
        "AllPrincipals" in text for text in told if isinstance(text, str)
    )


def _keys(reading: Reading, change: Change) -> None:
    """Secrets and certificates of an application: which came, whether only some went."""
    if "KeyDescription" not in change.after and "KeyDescription" not in change.before:
        return
    before, after = _key_ids(change.before), _key_ids(change.after)
    came, went = (
        [each for each in after if each not in before],
        [each for each in before if each not in after],
    )
    reading.op_class = OpClass.CREDENTIAL_MINT
    reading.state(Fact.MINTED, listed(came))
    if came:
        reading.say(Effect.MINTS, Effect.LONG_LIVED)
    elif went:
        reading.only_removes()
    reading.facts.setdefault(Fact.BENEFICIARY, name(reading.target))


def _key_ids(values: dict[str, Any]) -> list[str]:
    found = values.get("KeyDescription")
    texts = [each for each in many(found) if isinstance(each, str)]
    return [match for text in texts for match in KEY.findall(text)]


def _federation(reading: Reading, change: Change) -> None:
    """A federated credential or a new issuer is trust, whatever the activity is called."""
    for key in change.after:
        if key.lower() in {"federatedidentitycredentials", "federatedidentitycredential"}:
            reading.op_class = OpClass.TRUST_CHANGE
            reading.say(Effect.TRUST_PATH, Effect.EXPANDS)
    if reading.op_class is OpClass.TRUST_CHANGE:
        old = set(_issuers(change.before))
        new = [each for each in _issuers(change.after) if each not in old]
        if not new and _left_to_others(change):
            new = [name(reading.target)]
        reading.state(Fact.ISSUER, listed(new))


def _left_to_others(change: Change) -> bool:
    """Whether somebody else vouches for a domain's logins from now on: the record does not say who."""
    told = change.before.get("LiveType"), change.after.get("LiveType")
    before, after = ("Federated" in many(each) for each in told)
    return after and not before


def _issuers(values: dict[str, Any]) -> Iterable[str]:
    yield from issuers_in(values)


def _weakening(reading: Reading, change: Change) -> None:
    """A policy that is off, asks for less, or spares more people than before."""
    for key, new in change.after.items():
        old = change.before.get(key)
        if old is not None and weaker(_flat(old), _flat(new)):
            reading.say(Effect.WEAKENS)


def _flat(value: Any) -> dict[str, set[str]]:
    """All settings by their path in lower case, each with its values."""
    found: dict[str, set[str]] = {}
    _flatten(value, "", found, 0)
    return found


def _flatten(value: Any, path: str, found: dict[str, set[str]], depth: int) -> None:
    if depth > DEPTH_MAX or len(found) >= SETTINGS_MAX:
        return
    if isinstance(value, str) and value[:1] in {"{", "["}:
        value = nested(value)
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(inner, f"{path}.{key.lower()}", found, depth + 1)
    elif isinstance(value, list):
        found.setdefault(path, set())
        for inner in value:
            _flatten(inner, path, found, depth + 1)
    elif value is not None:
        found.setdefault(path, set()).add(str(value).lower()[:256])


def weaker(old: dict[str, set[str]], new: dict[str, set[str]]) -> bool:
    """Whether a policy protects less than before, by its settings before and after."""
    return any(_weaker_setting(path, values, new.get(path, set())) for path, values in old.items()) or any(
        "exclude" in path and values - old.get(path, set()) - {"none"} for path, values in new.items()
    )


def _weaker_setting(path: str, old: set[str], new: set[str]) -> bool:
    last = path.rpartition(".")[2]
    if last == "state":
        return _strength(new) < _strength(old)
    if last in {"isenabled", "enabled", "isenforced"} or not last:
        return "true" in old and "false" in new
    if last in CONTROLS:
        return bool(old - new - {"or"})
    return last.startswith("include") and "all" not in new and bool(old - new - {"none"})


def _strength(values: set[str]) -> int:
    return max((STATES.get(each, 2) for each in values), default=2)
