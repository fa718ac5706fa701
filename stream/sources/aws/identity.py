"""Who made an AWS call: every type of CloudTrail's `userIdentity`.

Format: CloudTrail User Guide, "CloudTrail userIdentity element".
"""

import re

from msgspec import Struct

from models.attested import Fact
from models.event import CredentialKind
from stream.sources.aws.names import issuer_of, short
from stream.sources.reading import NAME_MAX, name
from stream.sources.sighting import Handle

GITHUB = "token.actions.githubusercontent.com"
RUN = re.compile(r"(?:^|\D)(\d{6,20})(?:\D|$)")
"""Run ids of GitHub in the names of role sessions, as in `gha-<run>-<job>`."""
SUBJECT_PARTS = re.compile(r"[:/]")
SUBJECT = re.compile(r"repo:([^:]{1,200}):(?:ref:)?([^:]{1,200})")
"""Subjects of GitHub's tokens: `repo:<owner>/<name>:ref:<ref>` or `…:environment:<name>`."""
PEOPLE = "AWSReservedSSO_"
"""Identity Center's roles are shared by people; their session's name is the person."""


class Issuer(Struct, gc=False):
    """Of a temporary credential: whose it is."""

    type: str | None = None
    principalId: str | None = None  # noqa: N815 - CloudTrail's names
    arn: str | None = None
    accountId: str | None = None  # noqa: N815
    userName: str | None = None  # noqa: N815


class Federation(Struct, gc=False):
    """`webIdFederationData`."""

    federatedProvider: str | None = None  # noqa: N815


class SessionContext(Struct, gc=False):
    """Of a temporary credential: where it came from."""

    sessionIssuer: Issuer | None = None  # noqa: N815
    webIdFederationData: Federation | None = None  # noqa: N815
    sourceIdentity: str | None = None  # noqa: N815


class OnBehalfOf(Struct, gc=False):
    """The person of an `IdentityCenterUser`."""

    userId: str | None = None  # noqa: N815


class Identity(Struct, gc=False):
    """`userIdentity`, as far as we read it."""

    type: str | None = None
    principalId: str | None = None  # noqa: N815
    arn: str | None = None
    accountId: str | None = None  # noqa: N815
    accessKeyId: str | None = None  # noqa: N815
    userName: str | None = None  # noqa: N815
    invokedBy: str | None = None  # noqa: N815
    identityProvider: str | None = None  # noqa: N815
    sessionContext: SessionContext | None = None  # noqa: N815
    onBehalfOf: OnBehalfOf | None = None  # noqa: N815
    credentialId: str | None = None  # noqa: N815


class Caller(Struct, gc=False):
    """Who called, in our words."""

    name: str
    """Short name of the account: role, user, service, foreign account."""
    agent: str
    """Best identity: of a role that people share, the person."""
    account: str
    session: str
    """AWS's own handle, where nothing better is known."""
    credential: str
    credential_kind: CredentialKind
    workload_proven: bool
    follows: tuple[Handle, ...]
    via: str
    foreign: bool
    """An account that is not the one in which it happened."""
    pipeline: bool
    """By a token of GitHub Actions."""
    linked: bool
    """A service in a role that only that service can take on: whoever had it act called it, on record."""
    facts: dict[str, str]


IDENTITY_FIELDS = tuple(
    name
    for part in (Identity, SessionContext, Issuer, Federation, OnBehalfOf)
    for name in part.__struct_fields__
)
NOBODY = Identity()
SERVICE_LINKED = ":role/aws-service-role/"
"""A path in which AWS lets nobody else make roles."""


def run_of(session_name: str) -> str:
    """The run id in the session name of a pipeline; else nothing."""
    found = RUN.search(session_name)
    return found[1] if found else ""


def caller_of(identity: Identity | None, account: str, source: str) -> Caller:
    """Who called. Some records of services have no identity at all: then it is the service."""
    who = identity or NOBODY
    context = who.sessionContext or SessionContext()
    issuer = context.sessionIssuer or Issuer()
    provider = _provider(who, context)
    session_name = _session_name(who)
    named = _name(who, issuer, source)
    pipeline = issuer_of(provider) == GITHUB
    run = run_of(session_name) if pipeline else ""
    foreign = who.type in {"AWSAccount", "Unknown"} or bool(
        who.type in {"AssumedRole", "IAMUser"} and who.accountId and account and who.accountId != account
    )
    return Caller(
        name=named,
        agent=name(session_name) if session_name and named.startswith(PEOPLE) else named,
        account=name(who.accountId),
        session=f"github:run:{run}" if run else _session(who, named),
        credential=name(who.accessKeyId or who.credentialId),
        credential_kind=_kind(who),
        workload_proven=":oidc-provider/" in provider,
        follows=_follows(who, context, session_name, run),
        via=name(who.invokedBy),
        foreign=foreign,
        pipeline=pipeline,
        linked=SERVICE_LINKED in (issuer.arn or ""),
        facts=_facts(who, context, provider, session_name),
    )


def _provider(who: Identity, context: SessionContext) -> str:
    if who.identityProvider:
        return who.identityProvider
    federation = context.webIdFederationData
    return (federation.federatedProvider or "") if federation else ""


def _session_name(who: Identity) -> str:
    """The part of an assumed role's principal id that its caller chose."""
    if who.type != "AssumedRole" or not who.principalId:
        return ""
    return who.principalId.partition(":")[2]


def _name(who: Identity, issuer: Issuer, source: str) -> str:
    match who.type:
        case "AssumedRole" | "Role":
            found = issuer.userName or (short(who.arn) if who.arn else "")
        case "FederatedUser":
            found = issuer.userName or (short(who.arn) if who.arn else "")
        case "Root":
            found = "root"
        case "AWSAccount":
            found = who.accountId or ""
        case "AWSService":
            found = who.invokedBy or ""
        case "IdentityCenterUser":
            found = (who.onBehalfOf.userId if who.onBehalfOf else None) or ""
        case _:
            found = who.userName or ""
    found = found or who.userName or (short(who.arn) if who.arn else "") or who.principalId or ""
    return name(found or who.invokedBy or who.accountId or source) or "unknown"


def _session(who: Identity, named: str) -> str:
    if who.type == "AWSAccount":
        return name(f"aws:acct:{who.accountId or who.principalId or named}")
    if who.type in {"AssumedRole", "Role"} and who.principalId:
        return name(f"aws:{who.principalId}")
    return name(f"aws:{who.accessKeyId or who.principalId or named}")


def _kind(who: Identity) -> CredentialKind:
    key = who.accessKeyId or ""
    if key.startswith("ASIA") or (not key and who.type in {"AssumedRole", "WebIdentityUser", "SAMLUser"}):
        return CredentialKind.EPHEMERAL
    return CredentialKind.STATIC if key.startswith("AKIA") else CredentialKind.UNKNOWN


def _follows(who: Identity, context: SessionContext, session_name: str, run: str) -> tuple[Handle, ...]:
    follows: list[Handle] = []
    if who.accessKeyId:
        follows.append(Handle("aws.access_key", who.accessKeyId[:NAME_MAX]))
    follows += [
        Handle("conversation", each[:NAME_MAX]) for each in (context.sourceIdentity, session_name) if each
    ]
    if session_name:
        follows.append(Handle("pod", session_name[:NAME_MAX]))
    if who.type == "WebIdentityUser" and (tail := SUBJECT_PARTS.split(who.userName or "")[-1]):
        # An issuer may mint a token for one conversation, and end its subject in that.
        follows.append(Handle("conversation", tail[:NAME_MAX]))
    if run:
        follows.append(Handle("github.run", run))
    return tuple(follows)


def _facts(who: Identity, context: SessionContext, provider: str, session_name: str) -> dict[str, str]:
    facts: dict[str, str] = {}
    if who.invokedBy:
        facts[Fact.VIA] = name(who.invokedBy)
    if provider:
        facts["federated_by"] = name(issuer_of(provider))
    if session_name:
        facts["session_name"] = name(session_name)
    if context.sourceIdentity:
        facts["source_identity"] = name(context.sourceIdentity)
    if who.type == "WebIdentityUser" and who.userName:
        facts["subject"] = name(who.userName)
        facts[Fact.ISSUER] = facts.get("federated_by", "")
        if found := SUBJECT.match(who.userName):
            facts[Fact.REPOSITORY], facts[Fact.REF] = found[1], found[2]
    return facts
