"""A request of many spans as one record a span: a broken one is refused alone, and counted for its sender."""

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Raw, Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from models.errors import Unreadable, UnreadableEventError
from models.event import EVENT_BYTES_MAX
from stream.sources.otel.otlp import BATCH_BYTES_MAX, check_json_span, check_span, parse_protobuf
from stream.sources.reading import decoded


class Spans(Struct, frozen=True, kw_only=True):
    """Spans of one library, as they are."""

    spans: tuple[Raw, ...] = ()


class Process(Struct, frozen=True, kw_only=True, rename="camel"):
    """Spans of one process, and what it says of itself, as they are."""

    resource: Raw = Raw(b"{}")
    scope_spans: tuple[Spans, ...] = ()


class Request(Struct, frozen=True, kw_only=True, rename="camel"):
    """A trace request in JSON."""

    resource_spans: tuple[Process, ...] = ()


SPLIT_BYTES_MAX = 8 * BATCH_BYTES_MAX
"""Every span carries its process's resource along: a large one with many spans would be a flood."""

_request = msgspec.json.Decoder(Request)


class Split(Struct, frozen=True):
    """Requests of one span each, and how many could not be read, with the first reason."""

    records: list[bytes]
    rejected: int
    reason: str


def split_json(body: bytes) -> Split:
    """Of a request in JSON. Raises `UnreadableEventError` if it is none."""
    request = decoded(_request, body, BATCH_BYTES_MAX)
    return _kept(_alone(process.resource, span) for process, span in _each(request))


def _each(request: Request) -> Iterator[tuple[Process, Raw]]:
    for process in request.resource_spans:
        for library in process.scope_spans:
            for span in library.spans:
                yield process, span


def _alone(resource: Raw, span: Raw) -> tuple[bytes, UnreadableEventError | None]:
    head, middle = b'{"resourceSpans":[{"resource":', b',"scopeSpans":[{"spans":['
    return head + bytes(resource) + middle + bytes(span) + b"]}]}]}", check_json_span(bytes(span))


def split_protobuf(body: bytes) -> Split:
    """Of a request in protobuf. Raises `UnreadableEventError` if it is none."""
    return _kept(_alone_in_protobuf(parse_protobuf(body)) if body else ())


def _alone_in_protobuf(
    request: ExportTraceServiceRequest,
) -> Iterator[tuple[bytes, UnreadableEventError | None]]:
    for process in request.resource_spans:
        for library in process.scope_spans:
            for span in library.spans:
                alone = ExportTraceServiceRequest()
                made = alone.resource_spans.add()
                made.resource.CopyFrom(process.resource)
                made.scope_spans.add().spans.add().CopyFrom(span)
                yield alone.SerializeToString(), check_span(span)


def _kept(spans: Iterable[tuple[bytes, UnreadableEventError | None]]) -> Split:
    """Those that can be read, and that a record has room for. Raises `UnreadableEventError` for a flood."""
    records: list[bytes] = []
    size, rejected, reason = 0, 0, ""
    for record, error in spans:
        why = str(error) if error is not None else ""
        if len(record) > EVENT_BYTES_MAX:
            why = f"{Unreadable.TOO_LARGE}: a span of {len(record)} bytes"
        if why:
            rejected += 1
            reason = reason or why
            continue
        records.append(record)
        size += len(record)
        if size > SPLIT_BYTES_MAX:
            detail = f"spans of more than {SPLIT_BYTES_MAX} bytes, each with its resource"
            raise UnreadableEventError(Unreadable.TOO_LARGE, detail)
    return Split(records, rejected, reason)
