"""What a policy document of AWS gives, and whom it lets in.

Grammar: IAM User Guide, "Grammar of the IAM JSON policy language". A statement that cannot be read gives
nothing here; its record is still a change. Nothing is inferred from a policy's name, except for policies that
AWS itself maintains.
"""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from msgspec import Struct

from stream.sources.aws.names import account_of, issuer_of
from stream.sources.grants import admitted, is_for_all_the_world
from stream.sources.reading import NAME_MAX, many, nested, texts

STATEMENTS_MAX = 256
PRINCIPALS_MAX = 256

ESCALATIONS = tuple(
    f"iam:{action}"
    for action in (
        "AddUserToGroup",
        "AttachGroupPolicy",
        "AttachRolePolicy",
        "AttachUserPolicy",
        "CreateAccessKey",
        "CreateLoginProfile",
        "CreatePolicyVersion",
        "PutGroupPolicy",
        "PutRolePolicy",
        "PutUserPolicy",
        "SetDefaultPolicyVersion",
        "UpdateAssumeRolePolicy",
        "UpdateLoginProfile",
    )
)
"""Whoever may do one of these to everybody can give themselves anything else."""

CALLERS = frozenset(
    f"aws:{key}"
    for key in (
        "principalaccount",
        "principalarn",
        "principalorgid",
        "principalorgpaths",
        "sourceaccount",
        "sourcearn",
        "sourceorgid",
        "sourceowner",
        "sourcevpc",
        "sourcevpce",
    )
)
"""Conditions that leave little of "everybody"."""

EVERY_ACTION = "*"
EVERYTHING = frozenset({*ESCALATIONS, EVERY_ACTION})
KINDS = ("", "*", "role/*", "user/*", "group/*", "policy/*")

ADMINISTRATIVE = frozenset(
    {
        "AdministratorAccess",
        "IAMFullAccess",
        "AWSOrganizationsFullAccess",
        "AWSSSOMasterAccountAdministrator",
        "AWSSSOMemberAccountAdministrator",
        "AWSSSODirectoryAdministrator",
        "AmazonEKSClusterAdminPolicy",
        "AmazonEKSAdminPolicy",
    }
)
"""Policies that AWS maintains, and that can grant themselves or others anything."""


DENIALS = re.compile(r"AWSDenyAll|AWSCompromisedKeyQuarantine(V\d+)?|AWSRevokeOlderSessions")
"""Policies by which AWS shuts an identity out, attached or, to revoke sessions, put in."""


class Gives(Struct, frozen=True):
    """What a document gives."""

    admin: bool = False
    """It can grant itself anything else."""
    everything: bool = False
    """Every action on everything."""


class LetsIn(Struct, frozen=True):
    """Whom a document with principals lets in."""

    accounts: tuple[str, ...] = ()
    """Accounts, `*` for everybody."""
    issuers: tuple[str, ...] = ()
    """OIDC issuers and SAML providers."""
    services: tuple[str, ...] = ()
    admits: str = ""
    """Owners of the pipelines that are let in, by the conditions on a token's subject."""


def gives(document: Any) -> Gives:
    """What an identity policy gives whoever has it."""
    allowed: set[str] = set()
    denied: set[str] = set()
    for effect, statement in _statements(document):
        if effect == "Deny":
            denied |= (
                _named(statement) if _everywhere(statement) and not statement.get("Condition") else set()
            )
            continue
        if _everywhere(statement) and not _bounded(statement):
            allowed |= _named(statement)
    left = allowed - denied
    return Gives(admin=bool(left), everything=EVERY_ACTION in left)


def only_denies(document: Any) -> bool:
    """Whether a document can be read, and takes away whatever it says."""
    effects = [effect for effect, _ in _statements(document)]
    return bool(effects) and all(effect == "Deny" for effect in effects)


def denies_all(document: Any) -> bool:
    """Whether a document denies every action on everything, be it to those who came before some time."""
    return any(
        effect == "Deny" and EVERY_ACTION in _named(statement) and _everywhere(statement)
        for effect, statement in _statements(document)
    )


def shuts_out(policy: str) -> bool:
    """Whether a policy of that name or ARN takes all away: whoever takes it off gives all of it back."""
    return DENIALS.fullmatch(policy.rpartition("/")[2]) is not None


def lets_in(document: Any) -> LetsIn:
    """Whom a trust or resource policy lets in."""
    accounts: dict[str, None] = {}
    issuers: dict[str, None] = {}
    services: dict[str, None] = {}
    subjects: list[str] = []
    for effect, statement in _statements(document):
        if effect != "Allow":
            continue
        subjects += _subjects(statement)
        if "NotPrincipal" in statement:
            accounts["*"] = None
        for kind, name in _principals(statement.get("Principal")):
            match kind:
                case "Federated":
                    issuers[issuer_of(name)] = None
                case "Service":
                    services[name] = None
                case _ if name != "*":
                    accounts[account_of(name)] = None
                case _ if not CALLERS & _condition_keys(statement):
                    accounts["*"] = None
    accounts.pop("", None)
    return LetsIn(tuple(accounts), tuple(issuers), tuple(services), admitted(subjects))


def administrative(policy: str) -> bool:
    """Whether a policy maintained by AWS is administrative; those of others are known by their documents."""
    return is_maintained(policy) and policy.rpartition("/")[2] in ADMINISTRATIVE


def is_maintained(policy: str) -> bool:
    """Whether AWS itself maintains a policy of this ARN: anybody may call one of their own like it."""
    parts = policy.split(":", 5)
    return len(parts) == 6 and parts[4] in {"aws", ""}  # noqa: PLR2004


def _statements(document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    read = nested(document)
    if isinstance(read, dict):
        for statement in many(read.get("Statement"))[:STATEMENTS_MAX]:
            if isinstance(statement, dict):
                yield str(statement.get("Effect")), statement


def _principals(principal: Any) -> Iterator[tuple[str, str]]:
    if isinstance(principal, str):
        yield "AWS", principal
    elif isinstance(principal, dict):
        for kind, names in principal.items():
            for name in texts(names)[:PRINCIPALS_MAX]:
                yield str(kind), name


def _named(statement: dict[str, Any]) -> AbstractSet[str]:
    """Which of the escalations a statement is about, and whether it is about every action."""
    if "NotAction" in statement:
        kept_out = texts(statement["NotAction"])
        named = EVERYTHING.difference(*(_matched(action) for action in kept_out))
        return named - {EVERY_ACTION} if kept_out else named
    return set().union(*(_matched(action) for action in texts(statement.get("Action"))))


@lru_cache(maxsize=4096)
def _matched(pattern: str) -> frozenset[str]:
    lowered = pattern.lower()[:NAME_MAX]
    if lowered in {"*", "*:*"}:
        return EVERYTHING
    if not lowered.startswith(("iam:", "*", "?", "i*", "i?")):
        return frozenset()
    return frozenset(action for action in ESCALATIONS if fnmatchcase(action.lower(), lowered))


def _everywhere(statement: dict[str, Any]) -> bool:
    """Whether it holds for everything, or for every identity of an account."""
    if "NotResource" in statement:
        return True
    return any(_every(resource) for resource in texts(statement.get("Resource")))


def _every(resource: str) -> bool:
    if resource in {"*", "arn:*"}:
        return True
    parts = resource.split(":", 5)
    return len(parts) == 6 and parts[2] in {"iam", "*"} and parts[5] in KINDS  # noqa: PLR2004


def _bounded(statement: dict[str, Any]) -> bool:
    """Whether it only holds for identities that keep a permissions boundary."""
    return "iam:permissionsboundary" in _condition_keys(statement)


def _subjects(statement: dict[str, Any]) -> list[str]:
    """Which subjects a statement is about, of issuers that make tokens for anybody."""
    condition = statement.get("Condition")
    operators = condition.items() if isinstance(condition, dict) else ()
    return [
        subject
        for operator, keys in operators
        if isinstance(keys, dict) and "not" not in str(operator).lower()
        for key, value in keys.items()
        if str(key).lower().endswith(":sub") and is_for_all_the_world(str(key)[: -len(":sub")])
        for subject in texts(value)[:PRINCIPALS_MAX]
    ]


def _condition_keys(statement: dict[str, Any]) -> set[str]:
    condition = statement.get("Condition")
    operators = condition.values() if isinstance(condition, dict) else ()
    return {str(key).lower() for operator in operators if isinstance(operator, dict) for key in operator}
