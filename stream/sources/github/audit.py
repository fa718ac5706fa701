"""GitHub's audit log, of an organisation or an enterprise: one entry, or a list as the REST API gives it.

Format: GitHub's reference of audit log events, and of streaming it. Git events are in it where that is
switched on. Refused calls are not in it, and neither are the files of a push. Older entries keep what is
special to an action below `data`.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.json import Decoder

from models.attested import Effect, Fact
from models.event import CredentialKind, Grade, Operation, Outcome
from models.vocabulary.vocabulary import Entry
from stream.sources.batches import BATCH_BYTES_MAX, Places, entries_of
from stream.sources.grants import effects_of, stated
from stream.sources.reading import AT_MS_MAX, decoded, invalid, listed, millis, name
from stream.sources.sighting import Handle, Sighting
from stream.sources.vocabularies import load_vocabulary

SOURCE = "github.audit"
VOCABULARY = load_vocabulary("github")

KINDS = {
    "GitHub App server-to-server token": CredentialKind.EPHEMERAL,
    "GitHub App user-to-server token": CredentialKind.EPHEMERAL,
    "Fine-grained personal access token": CredentialKind.STATIC,
    "Personal access token (classic)": CredentialKind.STATIC,
    "OAuth access token": CredentialKind.STATIC,
    "SSH key": CredentialKind.STATIC,
    "Deploy key": CredentialKind.STATIC,
}
"""What `programmatic_access_type` says of how long a token lives."""
REFUSED = ("rejected", "failed", "_denied", ".deny")
"""Endings and parts of actions that tell of something that was not let through."""
HEADS = "refs/heads/"
ENFORCED = {"active", "enabled"}
"""Values of a ruleset's enforcement under which it holds; `evaluate` only looks on."""
ADMIN_GRANTS = {"admin", "owner", "administrator", "enterprise_owner", "all-repository admin"}
ADMIN_RIGHTS = {
    "administration",
    "organization_administration",
    "members",
    "organization_custom_roles",
    "organization_personal_access_tokens",
    "enterprise_administration",
}
"""Rights of a token or app with which, at `write` or `admin`, it can widen its own or anybody's."""
ADMIN_SCOPES = {"admin:org", "admin:enterprise", "site_admin", "manage_billing:enterprise"}


class AuditEntry(Struct, gc=False, rename={"at": "@timestamp", "document": "_document_id"}):
    """One entry. Where a kind of entry writes a number and another a text, either is read."""

    action: str | None = None
    at: Any = None
    created_at: Any = None
    document: str | None = None
    actor: str | None = None
    actor_ip: str | None = None
    business: Any = None
    org: Any = None
    repo: Any = None
    repository: Any = None
    user: Any = None
    team: Any = None
    user_agent: str | None = None
    request_id: str | None = None
    hashed_token: str | None = None
    programmatic_access_type: str | None = None
    token_scopes: Any = None
    workflow_run_id: Any = None
    head_branch: Any = None
    head_sha: Any = None
    branch: Any = None
    name: Any = None
    pull_request_id: Any = None
    permission: Any = None
    permissions: Any = None
    role: Any = None
    repository_selection: Any = None
    user_programmatic_access_name: Any = None
    integration: Any = None
    oauth_application: Any = None
    oauth_application_name: Any = None
    fingerprint: Any = None
    title: Any = None
    visibility: Any = None
    environment_name: Any = None
    key: Any = None
    ruleset_name: Any = None
    ruleset_enforcement: Any = None
    ruleset_old_enforcement: Any = None
    ruleset_bypass_actors_added: Any = None
    previous_visibility: Any = None
    read_only: Any = None
    external_identity_nameid: Any = None
    data: Any = None


DECODER = Decoder(AuditEntry | list[AuditEntry])


def normalise(record: bytes) -> tuple[Sighting, ...]:
    """One operation for every entry. Raises `UnreadableEventError` for what is no audit log entry."""
    entries = entries_of(decoded(DECODER, record, BATCH_BYTES_MAX), record)
    places = Places(SOURCE, record)
    return tuple(_sighting(one, places, at) for at, one in enumerate(entries))


def _sighting(one: AuditEntry, places: Places, at: int) -> Sighting:
    if not one.action:
        raise invalid("no action")
    entry = VOCABULARY.look_up(name(one.action))
    call = _Call(one, entry)
    session = name(call.session)
    return Sighting(
        event=Operation(
            id=name(one.document) or places.id_of(at),
            source=SOURCE,
            at_ms=_at_ms(one),
            workflow=session,
            session=session,
            agent=call.principal,
            principal=call.principal,
            grade=Grade.ATTESTED,
            operation=call.operation,
            op_class=entry.op_class,
            outcome=call.outcome,
            system="github",
            system_kind=entry.system_kind or VOCABULARY.content.system_kind,
            target=call.target(),
            target_kind=entry.target_kind,
            on_behalf_of=call.text("external_identity_nameid"),
            credential=name(one.hashed_token),
            credential_kind=KINDS.get(one.programmatic_access_type or "", CredentialKind.UNKNOWN),
            act=name(one.request_id),
            effects=call.effects(),
            facts=call.facts(),
        ),
        follows=tuple(call.follows()),
    )


def _at_ms(one: AuditEntry) -> int:
    """`@timestamp` is a number of milliseconds, `created_at` one or a time, by the way it was fetched."""
    for moment in (one.at, one.created_at):
        if isinstance(moment, str) and moment:
            return millis(moment)
        if isinstance(moment, int | float) and 0 <= moment <= AT_MS_MAX:
            return int(moment)
    raise invalid("no time")


class _Call:
    """One entry, read: each property answers one question about it."""

    def __init__(self, one: AuditEntry, entry: Entry) -> None:
        self.one = one
        self.entry = entry
        self.mints = Effect.MINTS in entry.effects
        self.gains = self.mints or Effect.EXPANDS in entry.effects
        self.operation = name(one.action)
        self.below = one.data if isinstance(one.data, dict) else {}
        self.principal = name(one.actor) or "anonymous"
        self.run = self.text("workflow_run_id")
        self.repository = self.text("repo") or self.text("repository")

    def text(self, key: str) -> str:
        """A field as a name, from the entry or from its `data`; numbers are ids."""
        value = getattr(self.one, key, None)
        if value is None:
            value = self.below.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)[:64]
        return name(value) if isinstance(value, str) else ""

    @property
    def session(self) -> str:
        """A workflow's run is a session of its own; else the account is all that is known."""
        return f"github:run:{self.run}" if self.run else f"github:{self.principal}"

    def follows(self) -> Iterator[Handle]:
        """The join rules, in their order."""
        found = (
            ("github.hashed_token", name(self.one.hashed_token)),
            ("github.request", name(self.one.request_id)),
            ("github.run", self.run),
        )
        return (Handle(kind, value) for kind, value in found if value)

    @property
    def outcome(self) -> Outcome:
        """Refusals are in the log only where they are actions of their own."""
        return Outcome.DENIED if any(part in self.operation for part in REFUSED) else Outcome.OK

    def target(self) -> str:
        """By the vocabulary's fields, else the narrowest of what the entry names."""
        keys = (*self.entry.target, "repo", "repository", "team", "user", "org", "business")
        found = [self.text(key) for key in keys]
        others = (one for one in found if one and one != self.principal)
        return next(others, next(filter(None, found), ""))

    def granted(self) -> Iterator[str]:
        """Rights that a token, app, member or collaborator gets: `contents:write`, `admin`."""
        rights = self.one.permissions or self.below.get("permissions")
        if isinstance(rights, dict):
            yield from (f"{right}:{level}" for right, level in rights.items() if isinstance(level, str))
        yield from (self.text(key) for key in ("permission", "role"))
        scopes = self.text("token_scopes") if self.mints else ""
        yield from (scope.strip() for scope in scopes.split(","))

    def effects(self) -> tuple[Effect, ...]:
        """Beside those of the vocabulary: how far and how high a grant reaches."""
        found = list(self.entry.effects)
        if self.gains:
            if any(_administrative(right) for right in self.granted()):
                found.append(Effect.ADMIN)
            if self.text("repository_selection") == "all" or not self.repository:
                found.append(Effect.WIDE)
        return effects_of([*found, *self.laxer()])

    def laxer(self) -> Iterator[Effect]:
        """What old and new values show: a ruleset that holds no more or has exceptions, code made public."""
        fell = self.text("ruleset_old_enforcement") in ENFORCED
        if self.one.ruleset_bypass_actors_added or (
            fell and self.text("ruleset_enforcement") not in ENFORCED
        ):
            yield Effect.WEAKENS
        if self.text("visibility") == "public" and self.text("previous_visibility") not in ("", "public"):
            yield Effect.WEAKENS
            yield Effect.OUTBOUND

    def beneficiary(self) -> str:
        """Who gains, where that is not the target: a token is good for whoever made it."""
        if not self.gains:
            return ""
        gains = self.text("user") or self.text("integration") or self.text("oauth_application_name")
        if not gains and self.mints:
            gains = self.principal
        return "" if gains == self.target() else gains

    def minted(self) -> str:
        """Name or fingerprint of the token or key that came into being."""
        if not self.mints:
            return ""
        keys = ("user_programmatic_access_name", "fingerprint", "title", "oauth_application_name", "name")
        return next(filter(None, map(self.text, keys)), "")

    def of_repository(self, branch: str) -> str:
        """The branch that it is about, behind its repository."""
        told = branch or self.text("name")
        if not told or not self.repository or self.entry.target_kind != "branch":
            return ""
        return name(f"{self.repository}@{told.removeprefix(HEADS)}")

    def facts(self) -> dict[str, str]:
        org = self.text("org") or self.text("business")
        branch = self.text("branch") or self.text("head_branch")
        return stated(
            {
                Fact.BENEFICIARY: self.beneficiary(),
                Fact.GRANTED: listed(self.granted()),
                Fact.ACCOUNT: org,
                Fact.ADDRESS: self.one.actor_ip,
                Fact.REPOSITORY: self.repository,
                Fact.REF: branch,
                Fact.THING: self.of_repository(branch),
                Fact.PIPELINE: self.text("name") if self.run else "",
                Fact.CHANGE: listed((self.text("head_sha"), self.text("pull_request_id"))),
                Fact.SCOPE: self.repository or ("*" if org else ""),
                Fact.MINTED: self.minted(),
                Fact.USER_AGENT: self.one.user_agent,
            }
        )


def _administrative(right: str) -> bool:
    what, _, level = right.lower().rpartition(":")
    if right.lower() in ADMIN_GRANTS or right.lower() in ADMIN_SCOPES:
        return True
    return what in ADMIN_RIGHTS and level in ("write", "admin")
