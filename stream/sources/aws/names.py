"""Short names of what AWS calls by ARN, URL or name, so that whichever API told it, they compare equal.

ARNs: `arn:partition:service:region:account:resource` (AWS General Reference, "Amazon Resource Names").
"""

import re
from functools import lru_cache
from urllib.parse import unquote

from stream.sources.reading import NAME_MAX

SECRET_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")
"""Secrets Manager appends six characters of its own to a secret's name in its ARN."""
ACCOUNT = re.compile(r"\d{12}$")
ENDS = {"assumed-role": "/", "stack": "/", "function": ":"}
"""What follows a name in resources of a kind: session, unique id, version."""
WHOLE = ("oidc-provider", "assumed-role")
"""Kinds of IAM's resources whose path is no folder."""
SHORT_NAMES_MAX = 8192


@lru_cache(maxsize=SHORT_NAMES_MAX)
def short(value: str) -> str:
    """A resource as an operator says it: the name, without partition, region, account and path of a role."""
    if value[:6].lower() == "arn%3a":
        value = unquote(value)  # as in the path of a request
    if value.startswith("arn:"):
        parts = value.split(":", 5)
        return (_resource(parts[2], parts[5]) if len(parts) == 6 else value)[:NAME_MAX]  # noqa: PLR2004
    if value.startswith(("https://", "http://")):
        return value.partition("//")[2].rstrip("/")[:NAME_MAX]
    return value[:NAME_MAX]


def _resource(service: str, resource: str) -> str:
    kind, slash, rest = resource.partition("/")
    if ":" in kind:
        kind, slash, rest = resource.partition(":")
    if not slash:
        return resource
    if service == "s3" or (service, kind) == ("kms", "alias"):
        return resource
    if service == "ssm" and kind == "parameter":
        return f"/{rest}" if "/" in rest else rest
    if service == "iam" and kind not in WHOLE:
        return rest.rpartition("/")[2]
    if service == "secretsmanager":
        return SECRET_SUFFIX.sub("", rest)
    return rest.partition(ENDS.get(kind, "\0"))[0]


def account_of(value: str) -> str:
    """The account of an ARN, or a bare account; nothing where there is none."""
    if value.startswith("arn:"):
        parts = value.split(":", 5)
        return parts[4] if len(parts) == 6 else ""  # noqa: PLR2004
    return value if len(value) == 12 and ACCOUNT.match(value) else ""  # noqa: PLR2004


def issuer_of(provider: str) -> str:
    """Host of an OIDC issuer, or the name of a SAML provider: by ARN, URL or as it is."""
    return short(provider).partition("/")[0]
