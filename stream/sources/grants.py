"""What a grant is, by its name, and what a record refers to: for platforms that log names, not rights."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from models.attested import Effect
from models.event import EFFECTS_MAX, FACTS_MAX
from stream.sources.reading import TEXT_MAX, listed

ADMIN_WORDS = {"admin", "admins", "administrator", "administrators", "administration"}
ADMIN_WORDS |= {"superuser", "superusers", "root", "owner", "owners", "sudo", "sudoers", "wheel"}
ADMIN_ENDINGS = ("admin", "admins", "administrator", "administrators")
HARMLESS_WORDS = {"read", "readonly", "viewer", "view", "report", "audit", "auditor", "non", "no", "former"}
"""With one of these it is a role that looks on, or a group of those who are no administrators."""
QUALIFIERS = {"prod", "production", "staging", "stage", "dev", "test", "global", "all", "eu", "us", "emea"}
QUALIFIERS |= {"group", "groups", "role", "roles", "team", "users", "user", "members", "member", "access"}
"""Words behind the one that counts: `aws-admin-prod` is about administrators, `admin-portal-users` is not."""
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")

PIPELINES_OF = re.compile(
    r"(?:(?:^|/)(?:repo|project_path|organization):|/attribute\.repository(?:_owner)?/)([^/:\s]+)"
)
"""Whose pipelines a subject or member means: of GitHub, GitLab or Terraform; of Google Cloud by attribute."""

REFERENCE_KEY = re.compile(
    r"(case|command|change|ticket|incident|changerequest|commit|release)(_?id|_?number)?"
)

FOR_ALL_THE_WORLD = re.compile(
    r"(?:^|[/.])(?:actions\.githubusercontent\.com|gitlab\.com|terraform\.io|buildkite\.com|codefresh\.io)(?:/|$)"
)
"""Issuers whose tokens differ by their subject alone; on a server of one's own all owners are one's own."""


def admin_name(granted: str) -> bool:
    """Whether one of several names (by comma) is one of administrators, as far as a name tells.

    Names are all that some logs have. Judged is the last word that counts.
    """
    return any(_administrative(one) for one in granted.split(","))


def _administrative(one: str) -> bool:
    words = [word.lower() for word in WORD.findall(one)]
    if HARMLESS_WORDS.intersection(words):
        return False
    while words and (words[-1] in QUALIFIERS or words[-1].isdigit()):
        words.pop()
    return bool(words) and (words[-1] in ADMIN_WORDS or words[-1].endswith(ADMIN_ENDINGS))


def admitted(subjects: Iterable[str]) -> str:
    """Owners of the pipelines that subjects of tokens name; `*` where one leaves the owner open."""
    owners = (found[1].lower() for each in subjects for found in PIPELINES_OF.finditer(each))
    return listed("*" if "*" in owner else owner for owner in owners)


def is_for_all_the_world(issuer: str) -> bool:
    """Whether anybody's pipelines get tokens of an issuer: its host or address."""
    return FOR_ALL_THE_WORLD.search(issuer.lower()) is not None


def references(fields: Mapping[Any, Any]) -> str:
    """Ids of changes, cases, commands and the like among a record's free fields, by the names of the keys."""
    return listed(
        value
        for key, value in fields.items()
        if isinstance(key, str)
        and isinstance(value, str)
        and len(value) <= REFERENCE_MAX
        and REFERENCE_KEY.fullmatch(key.lower())
    )


REFERENCE_MAX = 128
"""Characters of a reference; what is longer is a text."""


def stated(facts: Mapping[str, str | None]) -> dict[str, str]:
    """The facts that a record states, within the limits of an event."""
    kept = {str(key): value[:TEXT_MAX] for key, value in facts.items() if value}
    assert len(kept) <= FACTS_MAX, len(kept)
    return kept


def effects_of(found: Iterable[Effect]) -> tuple[Effect, ...]:
    """Each effect once, in the order found."""
    return tuple(dict.fromkeys(found))[:EFFECTS_MAX]
