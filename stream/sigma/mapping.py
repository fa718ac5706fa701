"""Which field of a Sigma rule is which of ours, and which log source (`docs/sigma.md`)."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, cast

from msgspec import Struct

from detectors.chains.fields import EFFECTS, FACT_KINDS, FACTS, PLAIN
from detectors.severity import listed
from models.event import (
    GRADES,
    CredentialKind,
    Event,
    OpClass,
    Operation,
    Outcome,
    SystemKind,
)

Value = str | int | bool | tuple[str, ...]


class Field(Struct, frozen=True):
    """How a field is read."""

    read: Callable[[Operation], Value]
    of_name: Callable[[str], Value] | None = None
    """The same from an operation's name alone, where that is all there is to it."""
    is_class: bool = False
    by_look: bool = False
    """Whether it is part of what operations look like: a test of it is made once for all that look alike."""
    is_text: bool = False
    """Whether it is a plain text, whatever the event."""
    words: tuple[str, ...] = ()
    """All that it can hold, where these are words of ours."""


WORDS: dict[str, tuple[str, ...]] = {
    "op_class": tuple(OpClass),
    "outcome": tuple(Outcome),
    "system_kind": tuple(SystemKind),
    "credential_kind": tuple(CredentialKind),
    "grade": GRADES,
    "effects": EFFECTS,
}

LOOKED_AT = frozenset(
    {"op_class", "outcome", "target_kind", "grade", "system_kind", "credential_kind", "workload_proven"}
)
"""Fields that `detectors/asking.py` goes by, beside the operation's name and its effects."""

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

OURS = "chainbrake"
NO_SOURCES = {
    "release": "a release lets its session be, and starts everything that is followed anew",
    "join": "a join only says where events belong, and these are judged again there",
}
"""Kinds of events that no rule can be about, and why."""

HINTS = {
    "errorCode": "what came of a call is its `outcome`: ok, denied or error",
    "errorMessage": "what came of a call is its `outcome`: ok, denied or error",
    "userIdentity": "whoever called is `principal`, `credential` and `agent`",
    "requestParameters": "what a call is about is `target`, `beneficiary` and `granted`",
    "responseElements": "what a call made is `target`, `minted` and `effects`",
    "requestObject": "what a call is about is `target`, `beneficiary` and `granted`",
    "TargetResources": "what a call is about is `target`, `beneficiary` and `granted`",
    "properties.": "what a call is about is `target`, `beneficiary` and `granted`",
}
"""Beginning of a provider's field: where the event keeps the like of it."""

SOURCES: dict[tuple[str, str | None], tuple[str, ...]] = {
    (OURS, None): (),
    **{(OURS, kind): () for kind in FACT_KINDS},
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


def called(name: str, product: str) -> str:
    """What we call a field of a rule about that product; the same where that is no field of ours."""
    native = NATIVE.get(product, {}).get(name)
    return native if isinstance(native, str) else ALIASES.get(name, name)


def field_of(name: str, product: str) -> Field | None:
    """How to read a field in rules about a product; None if the event does not keep it."""
    kind = kind_of(product)
    return _of_operation(name, product) if kind is None else _of_fact(ALIASES.get(name, name), kind)


def _of_operation(name: str, product: str) -> Field | None:
    native = NATIVE.get(product, {}).get(name)
    if callable(native):
        of_name = native
        return Field(lambda event: of_name(event.operation), of_name, by_look=True)
    ours = called(name, product)
    if ours == "operation":
        return Field(lambda event: event.operation, _whole, by_look=True, is_text=True)
    if ours == "effects":
        return Field(lambda event: event.effects, by_look=True, words=EFFECTS)
    if ours in PLAIN or ours in ("workload_proven", "at_ms"):
        return Field(
            attrgetter(ours),
            is_class=ours == "op_class",
            by_look=ours in LOOKED_AT,
            is_text=ours in PLAIN and ours not in WORDS,
            words=WORDS.get(ours, ()),
        )
    fact = ours.removeprefix("facts.")
    if fact in FACTS or ours != fact:
        return Field(lambda event: _values(event.facts.get(fact, "")))
    return None


def _of_fact(name: str, kind: type[Event]) -> Field | None:
    """A field of an event that is no operation; what is not said is empty."""
    inner = name.removeprefix("facts.")
    if inner != name and "facts" in kind.__struct_fields__:
        return Field(lambda event: _values(cast("Any", event).facts.get(inner, "")))
    if name in kind.__struct_fields__ and name != "facts":
        read = attrgetter(name)
        return Field(lambda event: "" if (held := read(event)) is None else held, words=WORDS.get(name, ()))
    return None


def kind_of(product: str) -> type[Event] | None:
    """The kind of event that a rule is about; None for operations."""
    return FACT_KINDS.get(product.removeprefix(f"{OURS}/")) if product.startswith(f"{OURS}/") else None


def hint_of(name: str, product: str) -> str:
    """Where to look for what a field of another name says."""
    kinds = [
        word for word, kind in FACT_KINDS.items() if name in kind.__struct_fields__ and word not in product
    ]
    if kinds and product.partition("/")[0] == OURS:
        return f"it is one of the log source {OURS}/{f' and {OURS}/'.join(kinds)}"
    if name == "kind":
        services = ", ".join(FACT_KINDS)
        return f"an event's kind is its log source: {OURS} for operations, and its services {services}"
    return next((hint for start, hint in HINTS.items() if name.startswith(start)), "")


def _values(fact: str) -> Value:
    """A fact that holds several values is all of them, and their list."""
    return (fact, *listed(fact)) if "," in fact else fact


def known_fields(product: str) -> tuple[str, ...]:
    """All that a rule about a product may name, beside `facts.NAME` for what one provider alone attests."""
    kind = kind_of(product)
    if kind is not None:
        return tuple(name for name in kind.__struct_fields__ if name != "facts")
    return (*NATIVE.get(product, ()), *PLAIN, "effects", "workload_proven", *FACTS, *ALIASES)
