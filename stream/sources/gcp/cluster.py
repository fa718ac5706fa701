"""GKE's audit records in Google Cloud's form: who is bound to which role of a cluster."""

from typing import Any

from models.attested import Effect, Fact
from stream.sources.gcp.reading import Reading, get, parsed, text_of
from stream.sources.reading import listed, many, texts

ADMIN_ROLES = frozenset({"cluster-admin", "system:masters"})
ESCALATING = frozenset({"*", "escalate", "bind", "impersonate"})


def read_binding(reading: Reading) -> None:
    """Subjects and role of a binding."""
    request = parsed(reading.request)
    role = text_of(request, "roleRef", "name")
    reading.state(Fact.GRANTED, role)
    reading.state(Fact.BENEFICIARY, listed(_subject(each) for each in many(get(request, "subjects"))))
    if role in ADMIN_ROLES:
        reading.say(Effect.ADMIN)


def _subject(subject: Any) -> str:
    """A service account as `namespace/name`, others by name."""
    namespace, called = text_of(subject, "namespace"), text_of(subject, "name")
    return f"{namespace}/{called}" if namespace and called else called


def read_role(reading: Reading) -> None:
    """Rules of a role: everything, or a right that leads to everything, is administrative."""
    for rule in many(get(parsed(reading.request), "rules")):
        verbs, resources = set(texts(get(rule, "verbs"))), set(texts(get(rule, "resources")))
        if verbs & ESCALATING and ("*" in resources or "*" not in verbs):
            reading.say(Effect.ADMIN)


READERS = {
    f"k8s.{kind}.{verb}": reader
    for kind, reader in (
        ("clusterrolebindings", read_binding),
        ("rolebindings", read_binding),
        ("clusterroles", read_role),
        ("roles", read_role),
    )
    for verb in ("create", "update", "patch")
}
