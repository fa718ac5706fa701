"""Which field of a Sigma rule is which of ours, and which log source (`docs/sigma.md`)."""

from collections.abc import Callable
from operator import attrgetter

from msgspec import Struct

from detectors.chains.fields import FACTS, PLAIN
from detectors.severity import listed
from models.event import Operation

Value = str | int | bool | tuple[str, ...]


class Field(Struct, frozen=True):
    """How a field is read."""

    read: Callable[[Operation], Value]
    of_name: Callable[[str], Value] | None = None
    """The same from an operation's name alone, where that is all there is to it."""
    is_class: bool = False


ALIASES = {
    "session.uid": "session",
    "actor.session.uid": "session",
    "actor.user.uid": "principal",
    "actor.user.name": "principal",
    "actor.app_name": "agent",
    "api.operation": "operation",
    "api.service.name": "system",
    "src_endpoint.ip": "address",
    "cloud.account.uid": "account",
    "workflow.uid": "workflow",
}
"""Names of OCSF, which some prefer."""

SOURCES: dict[tuple[str, str | None], tuple[str, ...]] = {
    ("chainbrake", None): (),
    ("aws", None): ("aws.cloudtrail",),
    ("aws", "cloudtrail"): ("aws.cloudtrail",),
    ("azure", None): ("entra.audit", "entra.signin"),
    ("azure", "auditlogs"): ("entra.audit",),
    ("azure", "activitylogs"): ("entra.audit",),
    ("azure", "signinlogs"): ("entra.signin",),
    ("gcp", None): ("gcp.audit",),
    ("gcp", "gcp.audit"): ("gcp.audit",),
    ("github", None): ("github.audit",),
    ("github", "audit"): ("github.audit",),
    ("keycloak", None): ("keycloak.admin",),
    ("kubernetes", None): ("kubernetes.audit",),
    ("kubernetes", "audit"): ("kubernetes.audit",),
    ("okta", None): ("okta.system_log",),
    ("okta", "okta"): ("okta.system_log",),
    ("opentelemetry", None): ("otel.span",),
    ("vault", None): ("vault.audit",),
    ("vault", "audit"): ("vault.audit",),
}
"""Product and service: our sources; none for all of them."""


def _after_colon(operation: str) -> str:
    return operation.partition(":")[2]


def _event_source(operation: str) -> str:
    return f"{operation.partition(':')[0]}.amazonaws.com"


def _first_word(operation: str) -> str:
    return operation.partition(" ")[0]


def _resource(operation: str) -> str:
    return operation.partition(" ")[2].partition("/")[0]


def _subresource(operation: str) -> str:
    return operation.partition(" ")[2].partition("/")[2]


def _whole(operation: str) -> str:
    return operation


NATIVE: dict[str, dict[str, str | Callable[[str], str]]] = {
    "aws": {
        "eventName": _after_colon,
        "eventSource": _event_source,
        "sourceIPAddress": "address",
        "userAgent": "user_agent",
        "recipientAccountId": "account",
    },
    "azure": {"operationName": _whole, "OperationName": _whole, "activityDisplayName": _whole},
    "gcp": {"gcp.audit.method_name": _whole, "methodName": _whole},
    "github": {"action": _whole, "actor": "principal", "repo": "repository", "org": "account"},
    "kubernetes": {
        "verb": _first_word,
        "objectRef.resource": _resource,
        "objectRef.subresource": _subresource,
        "user.username": "principal",
    },
    "okta": {"eventType": _whole, "eventtype": _whole, "client.ipAddress": "address"},
    "vault": {"request.operation": _first_word},
}
"""Fields as the provider's records call them, by product: a field of ours, or part of an operation's name."""


def field_of(name: str, product: str) -> Field | None:
    """How to read a field in rules about a product; None if the event does not keep it."""
    native = NATIVE.get(product, {}).get(name)
    if callable(native):
        of_name = native
        return Field(lambda event: of_name(event.operation), of_name)
    ours = native or ALIASES.get(name, name)
    if ours == "operation":
        return Field(lambda event: event.operation, _whole)
    if ours == "effects":
        return Field(lambda event: event.effects)
    if ours in PLAIN or ours in ("workload_proven", "at_ms"):
        return Field(attrgetter(ours), is_class=ours == "op_class")
    fact = ours.removeprefix("facts.")
    if fact in FACTS or ours != fact:
        return Field(lambda event: _values(event.facts.get(fact, "")))
    return None


def _values(fact: str) -> Value:
    """A fact that holds several values is all of them, and their list."""
    return (fact, *listed(fact)) if "," in fact else fact


def known_fields(product: str) -> tuple[str, ...]:
    """All that a rule about a product may name, beside `facts.NAME` for what one provider alone attests."""
    return (*NATIVE.get(product, ()), *PLAIN, "effects", "workload_proven", *FACTS, *ALIASES)
