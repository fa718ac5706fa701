"""Roles and members of Google Cloud's policies: which are administrative, and who is let in."""

import re
from typing import Protocol

from models.attested import Effect, Fact
from stream.sources.grants import admitted
from stream.sources.reading import listed, name

ADMIN_ROLES = re.compile(
    r"roles/(?:owner|editor"
    r"|iam\.(?:\w*[aA]dmin|serviceAccountTokenCreator|workloadIdentityPoolAdmin)"
    r"|resourcemanager\.\w*Admin|resourcemanager\.projectMover"
    r"|orgpolicy\.policyAdmin|accesscontextmanager\.policyAdmin"
    r"|container\.(?:admin|clusterAdmin)|cloudbuild\.builds\.editor|deploymentmanager\.(?:editor|typeEditor)"
    r"|\w+\.securityAdmin)$"
)
"""Whoever holds one can give itself, or become an account that has, anything else within its bounds."""
ADMIN_PERMISSIONS = re.compile(
    r"\*$|[\w.]+\.setIamPolicy$|iam\.roles\.(?:create|update)$|iam\.serviceAccountKeys\.create$"
    r"|iam\.serviceAccounts\.(?:getAccessToken|signBlob|signJwt|implicitDelegation)$"
    r"|orgpolicy\.policy\.set$"
)
EVERYBODY = frozenset({"allUsers", "allAuthenticatedUsers"})
OF_PROJECT = re.compile(r"@([a-z][a-z0-9-]{4,28}[a-z0-9])\.iam\.gserviceaccount\.com$")
OF_PLATFORM = re.compile(
    r"service-\d+@(?:gcp-sa-[a-z0-9-]+|compute-system|container-engine-robot|containerregistry|gcf-admin-robot"
    r"|serverless-robot-prod|dataflow-service-producer-prod|dataproc-accounts|cloudcomposer-accounts|gs-project-accounts"
    r"|cloud-redis|cloud-filer|firebase-rules)\.iam\.gserviceaccount\.com$"
)
"""Google's own service agents: they act for the project whose number they bear, in a project of Google's."""
POOLED = ("principal:", "principalSet:")


class Grant(Protocol):
    """What of a reading is needed here."""

    facts: dict[str, str]

    def say(self, *effects: Effect) -> None:
        """Effects to add."""

    def state(self, fact: Fact, text: str) -> None:
        """A fact to add."""


def is_administrative(role: str) -> bool:
    """Whether a role's holder can grant itself anything else."""
    return ADMIN_ROLES.match(role) is not None


def is_administrative_permission(permission: str) -> bool:
    """The same, of one permission of a custom role."""
    return ADMIN_PERMISSIONS.match(permission) is not None


def read_members(reading: Grant, members: list[str]) -> None:
    """Who gains: by address; federated ones by their full subject; strangers by their project."""
    reading.state(Fact.BENEFICIARY, listed(member_of(member) for member in members))
    if not EVERYBODY.isdisjoint(members):
        reading.say(Effect.WIDE, Effect.TRUST_PATH)
    if any(member.startswith(POOLED) for member in members):
        reading.say(Effect.TRUST_PATH)
        reading.state(Fact.ADMITS, admitted(members))
    own = reading.facts.get(Fact.ACCOUNT, "")
    projects = (OF_PROJECT.search(member) for member in members if OF_PLATFORM.search(member) is None)
    reading.state(
        Fact.FOREIGN_ACCOUNT, listed(each[1] for each in projects if each and own and each[1] != own)
    )


def member_of(member: str) -> str:
    """`serviceAccount:x@p.iam.gserviceaccount.com` is the account; a federated subject is itself."""
    if member.startswith(POOLED) or ":" not in member:
        return name(member)
    return name(member.partition(":")[2])
