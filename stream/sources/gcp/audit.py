"""Google Cloud audit logs: one `LogEntry` whose `protoPayload` is an `AuditLog`.

Formats: Cloud Logging reference, "LogEntry" and "AuditLog"; Cloud Audit Logs, "Understanding audit logs" and
"Caller identities in audit logs". What a request says beyond its name is read in `gcp_requests`, who called
in `gcp_identity`.
"""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from models.attested import Effect, Fact
from models.command import stable_id
from models.event import EFFECTS_MAX, FACTS_MAX, Grade, Operation, Outcome
from models.vocabulary.vocabulary import UNKNOWN, Entry
from stream.sources.gcp import cluster as gcp_cluster
from stream.sources.gcp import requests as gcp_requests
from stream.sources.gcp.identity import AuthenticationInfo, Caller, RequestMetadata, caller_of
from stream.sources.gcp.names import Place, operation_of, place_of
from stream.sources.gcp.reading import Reading
from stream.sources.reading import decoded, invalid, millis, name
from stream.sources.sighting import Handle, Sighting
from stream.sources.vocabularies import load_vocabulary

SOURCE = "gcp.audit"
REFUSED_CODES = frozenset({7, 16, 401, 403})
"""PERMISSION_DENIED and UNAUTHENTICATED (google.rpc.Code); some services write the HTTP status instead."""
SPELLED = {word.lower(): word for word in ("protoPayload", "insertId", "receiveTimestamp")}
SPELLED["protopayload_auditlog"] = "protoPayload"
REFUSED_LOGIN = re.compile(r"login_?(failure|challenge_blocked)|access_?denied", re.IGNORECASE)


class Status(Struct):
    """`google.rpc.Status`; empty for a success."""

    code: int | None = None


class Authorization(Struct):
    """One of `authorizationInfo`: a right that was asked for."""

    resource: str | None = None
    permission: str | None = None
    granted: Any = None


class LongRunning(Struct):
    """`operation` of the entry: what a start and an end of one call share."""

    id: str | None = None


class Resource(Struct):
    """The monitored resource."""

    type: str | None = None
    labels: dict[str, str | None] | None = None


class AuditLog(Struct):
    """`protoPayload`, as far as we read it."""

    methodName: str | None = None  # noqa: N815 - Google's names
    serviceName: str | None = None  # noqa: N815
    resourceName: str | None = None  # noqa: N815
    status: Status | None = None
    authenticationInfo: AuthenticationInfo | None = None  # noqa: N815
    authorizationInfo: list[Authorization] | None = None  # noqa: N815
    requestMetadata: RequestMetadata | str | None = None  # noqa: N815
    request: Raw = Raw(b"")
    response: Raw = Raw(b"")
    metadata: Raw = Raw(b"")
    serviceData: Raw = Raw(b"")  # noqa: N815


class LogEntry(Struct):
    """The entry around it."""

    protoPayload: AuditLog | None = None  # noqa: N815
    insertId: str | None = None  # noqa: N815
    timestamp: str | None = None
    receiveTimestamp: str | None = None  # noqa: N815
    resource: Resource | str | None = None
    operation: LongRunning | None = None


READERS = gcp_requests.READERS | gcp_cluster.READERS
_decoder = msgspec.json.Decoder(LogEntry)
_anything = msgspec.json.Decoder(dict[str, Any])
_vocabulary = load_vocabulary("gcp")


def normalise(record: bytes) -> tuple[Sighting, ...]:
    """What the bytes say. Raises `UnreadableEventError` for what is no audit log entry."""
    entry = decoded(_decoder, record)
    if entry.protoPayload is None:
        entry = decoded(_decoder, _respelled(record))
    log = entry.protoPayload
    if log is None or not log.methodName:
        raise invalid("no audit log entry: protoPayload or its methodName is missing")
    return (_sighting(entry, log, log.methodName, record),)


def _made(event: Operation) -> tuple[Handle, ...]:
    """A service account key that came into being: whoever uses it starts a session of its own."""
    minted = event.facts.get(Fact.MINTED)
    made = event.outcome is Outcome.OK and Effect.LONG_LIVED in event.effects
    return (Handle("gcp.key", name(minted)),) if made and minted else ()


def _respelled(record: bytes) -> bytes:
    """Tables and lakes write the entry's own names in lower case."""
    row = decoded(_anything, record)
    return msgspec.json.encode({SPELLED.get(key.lower(), key): value for key, value in row.items()})


def _sighting(entry: LogEntry, log: AuditLog, method: str, record: bytes) -> Sighting:
    service = (log.serviceName or "").removesuffix(".googleapis.com")
    operation = operation_of(method)
    meaning = _meaning(service, operation)
    called = log.requestMetadata if isinstance(log.requestMetadata, RequestMetadata) else None
    caller = caller_of(log.authenticationInfo, called)
    labels = (entry.resource.labels if isinstance(entry.resource, Resource) else None) or {}
    place = place_of(log.resourceName or "", labels)
    reading = _read(operation, meaning, log, caller, place)
    insert_id = name(entry.insertId)
    event = Operation(
        id=insert_id or stable_id(SOURCE, record.decode(errors="replace")),
        source=SOURCE,
        at_ms=_at_ms(entry, log),
        session=caller.session,
        workflow=caller.session,
        agent=caller.principal,
        principal=caller.principal,
        grade=Grade.ATTESTED,
        operation=name(operation),
        op_class=reading.op_class,
        outcome=_outcome(log, operation),
        system=_system(operation, labels),
        system_kind=meaning.system_kind or _vocabulary.content.system_kind,
        target=name(reading.target),
        target_kind=name(reading.target_kind),
        credential=caller.credential,
        credential_kind=caller.credential_kind,
        workload_proven=caller.workload_proven,
        act=name(entry.operation.id if entry.operation else "") or insert_id,
        effects=tuple(reading.effects)[:EFFECTS_MAX],
        facts=dict(tuple(reading.facts.items())[:FACTS_MAX]),
    )
    return Sighting(event=event, follows=caller.follows, maker_of=_made(event))


def _system(operation: str, labels: dict[str, str | None]) -> str:
    cluster = labels.get("cluster_name") if operation.startswith("k8s.") else None
    return name(f"k8s:{cluster}") if cluster else "gcp"


def _meaning(service: str, operation: str) -> Entry:
    """By the operation's own name; where that says nothing, by its service and name."""
    entry = _vocabulary.look_up(operation)
    return entry if entry is not UNKNOWN else _vocabulary.look_up(name(f"{service}:{operation}"))


def _read(operation: str, meaning: Entry, log: AuditLog, caller: Caller, place: Place) -> Reading:
    reading = Reading(
        request=log.request,
        response=log.response,
        metadata=log.metadata,
        service_data=log.serviceData,
        principal=caller.principal,
        place=place,
        op_class=meaning.op_class,
        target=place.target,
        target_kind=meaning.target_kind or place.kind,
        effects=dict.fromkeys(meaning.effects),
        facts=dict(caller.facts),
    )
    if place.project:
        reading.facts[Fact.ACCOUNT] = name(place.project)
    reader = READERS.get(operation) or READERS.get(operation.rsplit(".", 1)[-1])
    if reader is not None:
        reader(reading)
    return reading


def _outcome(log: AuditLog, operation: str) -> Outcome:
    code = log.status.code if log.status else None
    if code:
        return Outcome.DENIED if code in REFUSED_CODES else Outcome.ERROR
    if code is None and any(each.granted is False for each in log.authorizationInfo or ()):
        return Outcome.DENIED
    return Outcome.DENIED if REFUSED_LOGIN.search(operation) else Outcome.OK


def _at_ms(entry: LogEntry, log: AuditLog) -> int:
    """When it happened: the entry's own time, else the request's, else when it was received."""
    called = log.requestMetadata if isinstance(log.requestMetadata, RequestMetadata) else None
    asked = called.requestAttributes.time if called and called.requestAttributes else None
    for text in (entry.timestamp, asked, entry.receiveTimestamp):
        if text:
            return millis(text)
    raise invalid("no audit log entry: timestamp is missing")
