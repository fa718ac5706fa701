"""Names of Google Cloud: what an operator calls a method, and what a resource's full name is short for."""

import re

from msgspec import Struct

from stream.sources.reading import NAME_MAX

VERSION = re.compile(r"(?:google|v\d\w*|alpha|beta)$")
KUBERNETES = re.compile(r"io\.k8s\.(?:[\w.-]+?\.)?v\d\w*\.(.+)\.(\w+)$")
"""GKE writes API group, version, resource, and the verb last."""
INTERFACES = frozenset(
    {"CreatePolicy", "UpdatePolicy", "DeletePolicy", "CreateKey", "UpdateKey", "DeleteKey"}
)
"""Methods that mean different things in different interfaces, so that the interface is part of the name."""
SCOPES = frozenset({"projects", "folders", "organizations", "locations", "zones", "regions"})
LONE = frozenset({"global", "firewall"})
PASSING = frozenset({"versions", "jobs", "operations", "objects", "keys", "entries", "insertId"})
"""Collections whose members come and go: the target is what they belong to."""
WHOLE = frozenset({"projects", "folders", "organizations"})
KINDS = {"serviceAccounts": "service_account", "identities": "identity", "policies": "policy"}
SEGMENTS_MAX = 24


class Place(Struct):
    """What a call was about."""

    target: str
    kind: str
    project: str
    whole: bool
    """Whether it is a whole project, folder or organization."""


def operation_of(method: str) -> str:
    """`google.iam.admin.v1.SetIAMPolicy` is SetIAMPolicy, `v1.compute.disks.list` is compute.disks.list."""
    method = method[:NAME_MAX]
    cluster = KUBERNETES.match(method)
    if cluster:
        return f"k8s.{cluster[1].replace('.', '/')}.{cluster[2]}"
    *heads, last = method.split(".")
    if last in INTERFACES and heads:
        return f"{heads[-1]}.{last}"
    if not last or last[0].isupper() or not heads or heads[-1][:1].isupper():
        return last or method
    return ".".join((*(head for head in heads if not VERSION.match(head)), last))


def place_of(resource: str, labels: dict[str, str | None]) -> Place:
    """The shortest name that is still one thing's; `labels` are those of the monitored resource."""
    project = labels.get("project_id") or ""
    kind = target = ""
    for collection, member in _members(resource):
        if collection in SCOPES:
            if collection in WHOLE and member not in {"-", "_"}:
                kind, target = collection, member
                if collection == "projects":
                    project = project or member
                    target = project if member.isdigit() else member
        elif collection not in PASSING:
            target = f"{target}/{member}" if kind == "namespaces" else member
            kind = collection
    return Place(
        target=target or resource[:NAME_MAX], kind=_singular(kind), project=project, whole=kind in WHOLE
    )


def _members(resource: str) -> list[tuple[str, str]]:
    """`projects/p/secrets/s` as pairs; a last collection without a member is left out."""
    if resource.startswith("//"):
        resource = resource[2:].partition("/")[2]
    parts = [part for part in resource.split("/", SEGMENTS_MAX)[:SEGMENTS_MAX] if part and part not in LONE]
    return list(zip(parts[::2], parts[1::2], strict=False))


def _singular(collection: str) -> str:
    return KINDS.get(collection) or collection.removesuffix("s")
