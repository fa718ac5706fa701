"""Audit entries of Vault, for the tests."""

from typing import Any

from models.event import Operation
from stream.sources.vault.audit import normalise
from tests.ingest.agents import one

CALLER, CHILD = "hmac-sha256:caller", "hmac-sha256:child"
AUTH = {
    "accessor": CALLER,
    "client_token": "hmac-sha256:token",
    "display_name": "jwt-deployer",
    "policies": ["default", "deployer"],
    "metadata": {"role": "deployer", "conversation_id": "conv-1", "agent": "agent:deployer"},
    "entity_id": "entity-1",
    "token_type": "service",
    "token_ttl": 3600,
    "policy_results": {"allowed": True},
}
STRANGER = AUTH | {"metadata": {"role": "cron"}, "entity_id": "entity-2"}


def entry(path: str, verb: str = "update", **changed: Any) -> dict[str, Any]:
    """A response of the audit log; `data`, `came`, `returned` and `mount` are what a test is about."""
    data, came, returned = changed.pop("data", None), changed.pop("came", None), changed.pop("returned", None)
    mount_point, mount_type = changed.pop("mount", (None, None))
    request = {
        "id": "req-1",
        "operation": verb,
        "path": path,
        "client_id": "entity-1",
        "mount_point": mount_point,
        "mount_type": mount_type,
        "namespace": {"id": "root"},
        "data": data,
        "remote_address": "192.0.2.7",
        "headers": {"user-agent": ["curl/8"]},
    }
    return {
        "time": "2026-09-21T14:13:20.250123456Z",
        "type": "response",
        "auth": AUTH,
        "request": request,
        "response": {"data": came, "auth": returned},
        **changed,
    }


def operation(record: Any) -> Operation:
    """The one operation of a record."""
    event = one(normalise, record).event
    assert isinstance(event, Operation)
    return event


def child(**changed: Any) -> dict[str, Any]:
    """The token that a response returns."""
    return {"accessor": CHILD, "policies": ["default"], "token_type": "service", "token_ttl": 300} | changed


LOGIN = entry(
    "auth/jwt/login",
    auth={"token_type": "default"},
    data={"role": "deployer", "jwt": "hmac-sha256:jwt"},
    returned=AUTH,
    mount=("auth/jwt/", "jwt"),
)
SAMPLES = [
    entry("kv/data/shop/db", "read", mount=("kv/", "kv")),
    entry("auth/token/create", data={"policies": ["root"], "ttl": "5m"}, returned=child()),
    LOGIN,
    entry("pki/issue/web", data={"common_name": "a.example.org", "alt_names": "b,c", "ttl": "24h"}),
    entry("auth/approle/role/shop/secret-id", came={"secret_id": "hmac-1", "secret_id_accessor": "hmac-2"}),
    entry("sys/policies/acl/shop", type="request", response=None),
]
