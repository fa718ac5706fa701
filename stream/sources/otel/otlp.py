"""OpenTelemetry's wire format: trace requests in JSON and protobuf, as spans one by one.

Format: opentelemetry-proto 1.x, `opentelemetry/proto/trace/v1/trace.proto`, and the JSON mapping of the OTLP
specification (ids in hex, 64-bit integers as texts, enums as integers). Read besides what it says: a bare
list, integers as numbers, enums by name. Events, links and messages are not read.
"""

from collections.abc import Sequence

import msgspec
from google.protobuf.message import DecodeError
from msgspec import Raw, Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from models.errors import Unreadable, UnreadableEventError
from stream.sources.reading import AT_MS_MAX, decoded, invalid

BATCH_BYTES_MAX = 4 * 1024 * 1024
"""One request of an exporter or a collector; a single span comes nowhere near."""
SPANS_MAX = 8_192
ATTRIBUTES_MAX = 512
VALUES_MAX = 32
CLIENT, SERVER = 3, 2
FAILED = 2
NANOS_PER_MS = 1_000_000
NANOS_DIGITS_MAX = 20

Value = str | int | bool | tuple[str, ...]
Attributes = dict[str, Value]


class AnyValue(Struct, frozen=True, kw_only=True, gc=False, rename="camel"):
    """A value: one of these. Nested maps and bytes are not read."""

    string_value: str | None = None
    int_value: int | str | None = None
    bool_value: bool | None = None
    array_value: "ArrayValue | None" = None


class ArrayValue(Struct, frozen=True, kw_only=True):
    """Several values, as headers have."""

    values: tuple[AnyValue, ...] = ()


class KeyValue(Struct, frozen=True, kw_only=True):
    """One attribute."""

    key: str
    value: AnyValue = AnyValue()


class Status(Struct, frozen=True, kw_only=True, gc=False):
    """How the span ended; the message is free text and not read."""

    code: int | str = 0


class JsonSpan(Struct, frozen=True, kw_only=True, rename="camel"):
    """A span, as far as it is read."""

    trace_id: str
    span_id: str
    parent_span_id: str = ""
    name: str = ""
    kind: int | str = 0
    start_time_unix_nano: int | str = 0
    end_time_unix_nano: int | str = 0
    attributes: tuple[KeyValue, ...] = ()
    status: Status = Status()


class Resource(Struct, frozen=True, kw_only=True):
    """What a process says of itself."""

    attributes: tuple[KeyValue, ...] = ()


class ScopeSpans(Struct, frozen=True, kw_only=True):
    """Spans of one library; each is decoded alone, so that one broken span hides no other."""

    spans: tuple[Raw, ...] = ()


class ResourceSpans(Struct, frozen=True, kw_only=True, rename="camel"):
    """Spans of one process, or a request of several: a bare list may hold either."""

    resource: Resource = Resource()
    scope_spans: tuple[ScopeSpans, ...] = ()
    resource_spans: tuple["ResourceSpans", ...] = ()


class Span(Struct, frozen=True, kw_only=True):
    """A span, whatever it was written in."""

    trace: str
    id: str
    parent: str
    """Empty for a root."""
    name: str
    kind: int
    started_ms: int
    ended_ms: int
    failed: bool
    attributes: Attributes
    resource: Attributes


_request = msgspec.json.Decoder(ResourceSpans | list[ResourceSpans])
_span = msgspec.json.Decoder(JsonSpan)
_members = msgspec.json.Decoder(dict[str, Raw])
PARTS = frozenset({"resourceSpans", "scopeSpans"})


class Batch(Struct, frozen=True):
    """The spans of one record, and the first reason of those that could not be read."""

    spans: list[Span]
    rejected: int
    reason: UnreadableEventError | None


def read_spans(record: bytes) -> Batch:
    """All spans of a request, in JSON or protobuf. Raises `UnreadableEventError` if it is no request."""
    if not looks_like_json(record):
        return read_protobuf(record)
    try:
        return read_json(record)
    except UnreadableEventError:
        if record[:1] != b"\n":
            raise
        return read_protobuf(record)  # field 1 of protobuf is a line feed, and its length may be a brace


def looks_like_json(record: bytes) -> bool:
    """A request in protobuf begins with the byte of its first field, a line feed; so may JSON."""
    return record[:64].lstrip()[:1] in (b"{", b"[", b"") or record[:1] != b"\n"


def read_json(record: bytes) -> Batch:
    """Spans of a request in JSON. Raises `UnreadableEventError`."""
    request = decoded(_request, record, BATCH_BYTES_MAX)
    processes = request if isinstance(request, list) else [request]
    spans: list[Span] = []
    rejected, reason = 0, None
    for process in [each for outer in processes for each in (outer, *outer.resource_spans)]:
        resource = _attributes(process.resource.attributes)
        for content in (raw for scope in process.scope_spans for raw in scope.spans):
            if len(spans) >= SPANS_MAX:
                raise UnreadableEventError(Unreadable.TOO_LARGE, f"more than {SPANS_MAX} spans in one record")
            try:
                spans.append(_of_json(decoded(_span, bytes(content), BATCH_BYTES_MAX), resource))
            except UnreadableEventError as error:
                rejected += 1
                reason = reason or error
    if not spans and not rejected:
        _require_request(record)
    return Batch(spans, rejected, reason)


def _require_request(record: bytes) -> None:
    """A request may hold no span; what is none, such as a log line, must not look like one that does not.

    Raises `UnreadableEventError`.
    """
    if record.lstrip()[:1] == b"{":
        names = decoded(_members, record, BATCH_BYTES_MAX)
        if names and PARTS.isdisjoint(names):
            raise invalid("no request of spans: it has no resourceSpans")


def _of_json(span: JsonSpan, resource: Attributes) -> Span:
    return Span(
        trace=_hex(span.trace_id, 32),
        id=_hex(span.span_id, 16),
        parent=_parent(span.parent_span_id.lower()),
        name=span.name,
        kind=_enum(span.kind, KINDS),
        started_ms=_ms(span.start_time_unix_nano),
        ended_ms=_ms(span.end_time_unix_nano),
        failed=_enum(span.status.code, CODES) == FAILED,
        attributes=_attributes(span.attributes),
        resource=resource,
    )


KINDS = {"SPAN_KIND_INTERNAL": 1, "SPAN_KIND_SERVER": 2, "SPAN_KIND_CLIENT": 3}
CODES = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": FAILED}


def _enum(value: int | str, names: dict[str, int]) -> int:
    if isinstance(value, int):
        return value
    return int(value) if value.isdecimal() and len(value) == 1 else names.get(value, 0)


def _hex(text: str, length: int) -> str:
    """An id in lower case. Raises `UnreadableEventError` for what is none, such as all zeros."""
    text = text.lower()
    if len(text) != length or not text.strip("0") or text.strip("0123456789abcdef"):
        raise invalid("traceId or spanId is no id in hex")
    return text


def _parent(text: str) -> str:
    """A parent's id; empty for none, which some write as zeros."""
    return text[:16] if text.strip("0") else ""


def _ms(nanos: int | str) -> int:
    """Milliseconds since 1970. Raises `UnreadableEventError` for times that an event cannot have."""
    if isinstance(nanos, str):
        if not nanos.isascii() or not nanos.isdecimal() or len(nanos) > NANOS_DIGITS_MAX:
            raise invalid("a time that is no number of nanoseconds")
        nanos = int(nanos)
    at_ms = nanos // NANOS_PER_MS
    if not 0 < at_ms <= AT_MS_MAX:
        raise invalid("a time before 1970 or after 2286")
    return at_ms


def _attributes(pairs: tuple[KeyValue, ...]) -> Attributes:
    kept: Attributes = {}
    for pair in pairs[:ATTRIBUTES_MAX]:
        value = pair.value
        if value.string_value is not None:
            kept[pair.key] = value.string_value
        elif value.bool_value is not None:
            kept[pair.key] = value.bool_value
        elif value.int_value is not None:
            kept[pair.key] = value.int_value
        elif value.array_value is not None:
            texts = (each.string_value for each in value.array_value.values[:VALUES_MAX])
            kept[pair.key] = tuple(text for text in texts if text is not None)
    return kept


def check_json_span(content: bytes) -> UnreadableEventError | None:
    """Why a span in JSON cannot be read, if it cannot."""
    try:
        _of_json(decoded(_span, content, BATCH_BYTES_MAX), {})
    except UnreadableEventError as error:
        return error
    return None


def check_span(span: trace_pb2.Span) -> UnreadableEventError | None:
    """Why a span in protobuf cannot be read, if it cannot."""
    try:
        _of_protobuf(span, {})
    except UnreadableEventError as error:
        return error
    return None


def parse_protobuf(record: bytes) -> ExportTraceServiceRequest:
    """A request in protobuf. Raises `UnreadableEventError` if it is none."""
    if not record:
        raise UnreadableEventError(Unreadable.TOMBSTONE, "a record without a value")
    if len(record) > BATCH_BYTES_MAX:
        detail = f"{len(record)} bytes, at most {BATCH_BYTES_MAX} are read"
        raise UnreadableEventError(Unreadable.TOO_LARGE, detail)
    try:
        return ExportTraceServiceRequest.FromString(record)
    except (DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise invalid("no trace request in protobuf") from error


def read_protobuf(record: bytes) -> Batch:
    """Spans of a request in protobuf. Raises `UnreadableEventError`."""
    request = parse_protobuf(record)
    spans: list[Span] = []
    rejected, reason = 0, None
    for process in request.resource_spans:
        resource = _of_pairs(process.resource.attributes)
        for span in (span for scope in process.scope_spans for span in scope.spans):
            if len(spans) >= SPANS_MAX:
                raise UnreadableEventError(Unreadable.TOO_LARGE, f"more than {SPANS_MAX} spans in one record")
            try:
                spans.append(_of_protobuf(span, resource))
            except UnreadableEventError as error:
                rejected += 1
                reason = reason or error
    return Batch(spans, rejected, reason)


def _of_protobuf(span: trace_pb2.Span, resource: Attributes) -> Span:
    return Span(
        trace=_hex(span.trace_id.hex(), 32),
        id=_hex(span.span_id.hex(), 16),
        parent=_parent(span.parent_span_id.hex()),
        name=span.name,
        kind=span.kind,
        started_ms=_ms(span.start_time_unix_nano),
        ended_ms=_ms(span.end_time_unix_nano),
        failed=span.status.code == FAILED,
        attributes=_of_pairs(span.attributes),
        resource=resource,
    )


def _of_pairs(pairs: "Sequence[common_pb2.KeyValue]") -> Attributes:
    kept: Attributes = {}
    for pair in pairs[:ATTRIBUTES_MAX]:
        value = pair.value
        if text := value.string_value:  # most are texts
            kept[pair.key] = text
            continue
        match value.WhichOneof("value"):
            case "string_value":
                kept[pair.key] = ""
            case "bool_value":
                kept[pair.key] = value.bool_value
            case "int_value":
                kept[pair.key] = value.int_value
            case "array_value":
                several = value.array_value.values[:VALUES_MAX]
                kept[pair.key] = tuple(each.string_value for each in several if each.string_value)
    return kept
