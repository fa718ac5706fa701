"""Audit entries of Vault, field by field, as far as they are read: nothing else of a record is kept."""

from typing import Any

from msgspec import Struct


class Auth(Struct, frozen=True, kw_only=True):
    """The token that called, or that a response returns."""

    accessor: str | None = None
    display_name: str | None = None
    policies: tuple[str, ...] | None = None
    metadata: dict[str, Any] | None = None
    entity_id: str | None = None
    token_type: str | None = None
    token_ttl: int | float | None = None
    policy_results: "PolicyResults | None" = None


class PolicyResults(Struct, frozen=True, kw_only=True):
    """Whether the policies allowed the call."""

    allowed: bool | None = None


class Namespace(Struct, frozen=True, kw_only=True):
    """Of Vault Enterprise and OpenBao."""

    path: str | None = None


class Data(Struct, frozen=True, kw_only=True):
    """What is read of a request's parameters and of a response: names, numbers and ids."""

    secret_id: Any = None
    secret_id_accessor: Any = None
    secret_id_ttl: Any = None
    role: Any = None
    policies: Any = None
    token_policies: Any = None
    policy: Any = None
    ttl: Any = None
    period: Any = None
    no_parent: Any = None
    common_name: Any = None
    alt_names: Any = None
    valid_principals: Any = None
    organization: Any = None
    ou: Any = None
    bound_issuer: Any = None
    oidc_discovery_url: Any = None
    jwks_url: Any = None
    accessor: Any = None
    serial_number: Any = None
    member_entity_ids: Any = None


class Request(Struct, frozen=True, kw_only=True):
    """What was asked."""

    id: str
    operation: str
    path: str
    client_id: str | None = None
    mount_point: str | None = None
    mount_type: str | None = None
    namespace: Namespace | None = None
    data: Data | None = None
    remote_address: str | None = None
    headers: dict[str, Any] | None = None


class WrapInfo(Struct, frozen=True, kw_only=True):
    """A response that is handed out as a token of its own."""

    accessor: str | None = None
    wrapped_accessor: str | None = None
    ttl: int | float | None = None


class Response(Struct, frozen=True, kw_only=True):
    """What came back."""

    auth: Auth | None = None
    data: Data | None = None
    wrap_info: WrapInfo | None = None


class Entry(Struct, frozen=True, kw_only=True):
    """One line of the audit log."""

    time: str
    type: str
    request: Request
    auth: Auth | None = None
    response: Response | None = None
    error: str | None = None
