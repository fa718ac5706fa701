"""The sources: their names, and where each one's normaliser is. A normaliser is loaded when it is needed."""

from functools import cache
from importlib import import_module

from models.errors import InputError
from stream.ingest.sighting import Normalise

MODULES = {
    "aws.cloudtrail": "aws_cloudtrail",
    "chainbrake.event": "control_plane",
    "entra.audit": "entra",
    "entra.signin": "entra",
    "events": "own_events",
    "gcp.audit": "gcp_audit",
    "github.audit": "github_audit",
    "keycloak.admin": "keycloak_admin",
    "kubernetes.audit": "kubernetes_audit",
    "ocsf": "ocsf",
    "okta.system_log": "okta_system_log",
    "otel.span": "otel_spans",
    "vault.audit": "vault_audit",
}
"""Source: its file in this folder."""

SOURCES = tuple(MODULES)


@cache
def normaliser(source: str) -> Normalise:
    """The function that reads a source's records. Raises `InputError` for a source that is not known."""
    if source not in MODULES:
        raise InputError(f"source {source!r} is not known; known are {', '.join(SOURCES)}")
    read: Normalise = import_module(f"stream.ingest.{MODULES[source]}").normalise
    return read
