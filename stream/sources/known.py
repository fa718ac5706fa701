"""The sources: their names, and where each one's normaliser is. A normaliser is loaded when it is needed."""

from collections.abc import Callable
from functools import cache
from importlib import import_module

from msgspec import Struct

from models.errors import InputError, UnreadableEventError
from stream.sources.sighting import Normalise

MODULES = {
    "aws.cloudtrail": "aws.cloudtrail",
    "chainbrake.event": "chainbrake.control_plane",
    "entra.audit": "entra.records",
    "entra.signin": "entra.records",
    "events": "chainbrake.own_events",
    "gcp.audit": "gcp.audit",
    "github.audit": "github.audit",
    "keycloak.admin": "keycloak.admin",
    "kubernetes.audit": "kubernetes.audit",
    "ocsf": "ocsf.events",
    "okta.system_log": "okta.system_log",
    "otel.span": "otel.spans",
    "vault.audit": "vault.audit",
}
"""Source: its module in this folder."""

SOURCES = tuple(MODULES)


class Source(Struct, frozen=True):
    """How a source's records are read."""

    normalise: Normalise
    unwrapped: Callable[[bytes], tuple[bytes, ...]] | None
    """For sources that send files of records: the records, each as bytes."""

    def parts(self, record: bytes) -> tuple[bytes, ...]:
        """The records of a file; nothing more for what is none."""
        if self.unwrapped is None:
            return ()
        try:
            return self.unwrapped(record)
        except UnreadableEventError:
            return ()


@cache
def source_of(name: str) -> Source:
    """How to read a source. Raises `InputError` for one that is not known."""
    if name not in MODULES:
        raise InputError(f"source {name!r} is not known; known are {', '.join(SOURCES)}")
    module = import_module(f"stream.sources.{MODULES[name]}")
    return Source(module.normalise, getattr(module, "unwrapped", None))
