"""Microsoft Entra and Azure: records as diagnostic settings send them, or as Microsoft Graph exports them.

An envelope's `category` tells what stands in its `properties`: `AuditLogs` (directory), the sign-in logs,
`MicrosoftGraphActivityLogs`, `AuditEvent` (key vault), `Administrative` and the other resource logs. Event
hubs wrap several in `records`, Graph in `value`. Formats: Azure Monitor, "Resource log schema" and "Activity
log event schema"; Microsoft Graph, "directoryAudit" and "signIn".
"""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from models.attested import Fact
from models.errors import Unreadable, UnreadableEventError
from models.event import EVENT_BYTES_MAX
from stream.sources.entra.access import read_graph, read_key_vault, read_sign_in
from stream.sources.entra.azure import read_azure
from stream.sources.entra.directory import read_directory
from stream.sources.entra.envelope import Envelope
from stream.sources.entra.reading import Reading
from stream.sources.entra.spelling import respelled
from stream.sources.reading import decoded, invalid, name
from stream.sources.sighting import Sighting

AUDIT = "entra.audit"
SIGN_IN = "entra.signin"
BATCH_BYTES_MAX = 16_777_216
"""A larger batch is a dead letter: an event hub takes a sixteenth of it."""
READERS = {
    "AuditLogs": read_directory,
    "MicrosoftGraphActivityLogs": read_graph,
    "AuditEvent": read_key_vault,
}
CLUSTER_LOGS = frozenset({"kube-audit", "kube-audit-admin"})


class Wrapper(Struct):
    """Several records in one."""

    records: list[Raw] | None = None
    value: list[Raw] | None = None


WRAPPED = re.compile(rb'\s*\{\s*"(?:records|value|@odata)')
_envelopes = msgspec.json.Decoder(Envelope)
_wrappers = msgspec.json.Decoder(Wrapper)


def normalise(record: bytes) -> tuple[Sighting, ...]:
    """What the bytes say. Raises `UnreadableEventError` for what is no record of Entra or Azure."""
    if len(record) > EVENT_BYTES_MAX or WRAPPED.match(record):
        wrapper = decoded(_wrappers, record, BATCH_BYTES_MAX)
        inner = wrapper.records if wrapper.records is not None else wrapper.value
        if inner is not None:
            return tuple(_sighting(bytes(each)) for each in inner)
    return (_sighting(record),)


def _sighting(record: bytes) -> Sighting:
    if len(record) > EVENT_BYTES_MAX:
        raise UnreadableEventError(Unreadable.TOO_LARGE, f"{len(record)} bytes, at most {EVENT_BYTES_MAX}")
    envelope = _envelope(record)
    reading = _read(envelope)
    reading.state(Fact.ACCOUNT, name(envelope.tenantId))
    if Fact.ADDRESS not in reading.facts:
        reading.state(Fact.ADDRESS, _address(envelope.callerIpAddress))
    return reading.sighting()


def _envelope(record: bytes) -> Envelope:
    """The envelope as diagnostic settings spell it, else the same from a table's row or a bare object."""
    try:
        envelope = decoded(_envelopes, record)
    except UnreadableEventError as error:
        if error.reason is not Unreadable.INVALID:
            raise
    else:
        if envelope.operationName and envelope.time and len(bytes(envelope.properties)) > 0:
            return envelope
    return decoded(_envelopes, respelled(record))


def _read(envelope: Envelope) -> Reading:
    category = envelope.category or ""
    if category in CLUSTER_LOGS:
        raise invalid(
            "a Kubernetes audit record in an Azure envelope: send its properties.log as kubernetes.audit"
        )
    if category.lower().endswith("signinlogs"):
        return read_sign_in(envelope, SIGN_IN)
    reader: Any = READERS.get(category, read_azure)
    reading: Reading = reader(envelope, AUDIT)
    return reading


def _address(text: str | None) -> str:
    """Without the port that storage logs add to IPv4 addresses."""
    if text and text.count(":") == 1:
        return name(text.partition(":")[0])
    return name(text)
