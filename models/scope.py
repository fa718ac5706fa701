"""What a registered job or client is for, as its registration says it in a few words.

`scope` is a comma-separated list of terms; each narrows what is within:

| term | within |
|---|---|
| `read` | reading only |
| `read metadata` | reading only, and no secret's value |
| `secrets PATTERN` | secrets whose name matches, `*` and `?` as in a shell; several terms, several patterns |
| `user NAME` | credentials of this user only; several terms, several users |
| `namespaced` | nothing that reaches a whole cluster, project or tenant |
| `users and ordinary groups` | nothing administrative |

A job's `names` are patterns of the names its certificates may hold. Words that are no term are for people.
"""

from fnmatch import fnmatchcase
from functools import lru_cache

from msgspec import Struct

ORDINARY = "users and ordinary groups"


class Scope(Struct, frozen=True):
    """The terms of one registration; what it does not mention is not limited."""

    read_only: bool = False
    metadata_only: bool = False
    secrets: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    namespaced: bool = False
    ordinary: bool = False
    names: tuple[str, ...] = ()

    def allows_secret(self, target: str) -> bool:
        """Whether a secret of this name may be read."""
        if self.metadata_only:
            return False
        return not self.secrets or any(fnmatchcase(target, pattern) for pattern in self.secrets)

    def allows_name(self, name: str) -> bool:
        """Whether a certificate may hold this name; a wildcard name only if a pattern holds one itself."""
        if not self.names:
            return True
        return any(
            fnmatchcase(name, pattern) and (not name.startswith("*") or pattern.startswith("[*]"))
            for pattern in self.names
        )


@lru_cache(maxsize=4096)
def scope_of(scope: str, names: str = "") -> Scope:
    """`read_scope`, remembered: registrations are few and looked at for every change."""
    return read_scope(scope, names)


def read_scope(scope: str, names: str = "") -> Scope:
    """The terms of a registration's `scope` and `names`."""
    terms = [term.strip() for term in scope.split(",") if term.strip()]
    return Scope(
        read_only=any(term == "read" or term.startswith("read ") for term in terms),
        metadata_only="read metadata" in terms,
        secrets=tuple(term.removeprefix("secrets ") for term in terms if term.startswith("secrets ")),
        users=tuple(term.removeprefix("user ") for term in terms if term.startswith("user ")),
        namespaced="namespaced" in terms,
        ordinary=ORDINARY in terms,
        names=tuple(part for part in names.partition("(")[0].replace(",", " ").split() if part),
    )
