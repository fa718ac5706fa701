"""Who called, by `authenticationInfo` and `requestMetadata` of a Google Cloud audit log.

`serviceAccountDelegationInfo` lists, first to last, who acted through whom before the account that the
platform checked: first-party services by their address, federated callers by their subject.
"""

import binascii
import re
from base64 import b64decode

from msgspec import Struct

from models.attested import Fact
from models.event import CredentialKind
from stream.sources.reading import NAME_MAX, TEXT_MAX, listed, name
from stream.sources.sighting import Handle

WORKLOAD_POOL = "/workloadIdentityPools/"
PIPELINE_SUBJECT = re.compile(r"/subject/repo:([^:/\s]+/[^:/\s]+):(?:ref:(\S+)|\S+)$")
"""Subject of a GitHub Actions token, behind the pool's own prefix."""
REASON_MAX = 1024
TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{2,127}")
"""A reference, as opposed to prose: no blank, no line end."""


class FirstParty(Struct):
    """A service of Google's own."""

    principalEmail: str | None = None  # noqa: N815 - Google's names


class Delegation(Struct):
    """One link of the chain."""

    principalSubject: str | None = None  # noqa: N815
    firstPartyPrincipal: FirstParty | None = None  # noqa: N815


class AuthenticationInfo(Struct):
    """`authenticationInfo`."""

    principalEmail: str | None = None  # noqa: N815
    principalSubject: str | None = None  # noqa: N815
    authoritySelector: str | None = None  # noqa: N815
    serviceAccountKeyName: str | None = None  # noqa: N815
    serviceAccountDelegationInfo: list[Delegation] | None = None  # noqa: N815


class RequestAttributes(Struct):
    """`requestAttributes`: `reason` is the header `x-goog-request-reason`, in base64."""

    time: str | None = None
    reason: str | None = None


class RequestMetadata(Struct):
    """`requestMetadata`."""

    callerIp: str | None = None  # noqa: N815
    callerSuppliedUserAgent: str | None = None  # noqa: N815
    requestAttributes: RequestAttributes | None = None  # noqa: N815


class Caller(Struct):
    """Who called, and by which handles the session is found."""

    principal: str
    session: str
    credential: str
    credential_kind: CredentialKind
    workload_proven: bool
    follows: tuple[Handle, ...]
    facts: dict[str, str]


NOBODY = AuthenticationInfo()


def caller_of(identity: AuthenticationInfo | None, called: RequestMetadata | None) -> Caller:
    """The caller; `anonymous` where the record names nobody."""
    identity = identity or NOBODY
    links = identity.serviceAccountDelegationInfo or []
    subjects = [link.principalSubject for link in links if link.principalSubject]
    principal = name(identity.principalEmail or identity.principalSubject or identity.authoritySelector)
    principal = principal or "anonymous"
    key = _key_of(identity.serviceAccountKeyName or "")
    pooled = [each for each in (*subjects, identity.principalSubject or "") if WORKLOAD_POOL in each]
    reason = _reason(called)
    return Caller(
        principal=principal,
        session=f"gcp:{principal}:{key}"[:NAME_MAX] if key else f"gcp:{principal}"[:NAME_MAX],
        credential=key,
        credential_kind=_kind(key, links),
        workload_proven=bool(pooled),
        follows=_follows(pooled, reason),
        facts=_facts(links, subjects, pooled, called, reason),
    )


def _key_of(key_name: str) -> str:
    """`//iam.googleapis.com/projects/P/serviceAccounts/E/keys/K` is key K."""
    return name(key_name.rpartition("/")[2])


def _kind(key: str, links: list[Delegation]) -> CredentialKind:
    if key:
        return CredentialKind.STATIC
    return CredentialKind.EPHEMERAL if links else CredentialKind.UNKNOWN


def _follows(pooled: list[str], reason: str) -> tuple[Handle, ...]:
    """A federated subject may end in the conversation it was minted for; the request's reason may be it."""
    tails = (re.split(r"[:/]", subject)[-1] for subject in pooled)
    wanted = dict.fromkeys(name(each) for each in (*tails, reason) if each)
    return tuple(Handle("conversation", each) for each in wanted)[:8]


def _reason(called: RequestMetadata | None) -> str:
    """The reason given with the request, where it is a reference: prose stays here."""
    attributes = called.requestAttributes if called else None
    text = attributes.reason if attributes else None
    if not text or len(text) > REASON_MAX:
        return ""
    try:
        plain = b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return plain if TOKEN.fullmatch(plain) else ""


def _facts(
    links: list[Delegation],
    subjects: list[str],
    pooled: list[str],
    called: RequestMetadata | None,
    reason: str,
) -> dict[str, str]:
    services = (link.firstPartyPrincipal for link in links)
    via = (each.principalEmail or "" for each in services if each)
    found = {
        Fact.ADDRESS: name(called.callerIp if called else ""),
        Fact.USER_AGENT: (called.callerSuppliedUserAgent or "")[:TEXT_MAX] if called else "",
        Fact.CLIENT: listed(subjects),
        Fact.VIA: listed(via),
        Fact.CHANGE: reason,
        **_pipeline(pooled),
    }
    return {key: value for key, value in found.items() if value}


def _pipeline(pooled: list[str]) -> dict[Fact, str]:
    for subject in pooled:
        claim = PIPELINE_SUBJECT.search(subject)
        if claim:
            return {Fact.REPOSITORY: name(claim[1]), Fact.REF: name(claim[2])}
    return {}
