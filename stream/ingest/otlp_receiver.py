"""Spans over OTLP/HTTP: `POST /v1/traces` of the worker, in protobuf or JSON, to their raw topic.

Protocol: OpenTelemetry's OTLP specification 1.x, OTLP/HTTP. The answer is of the request's content type, and
says how many spans were refused; a body that is no request is 400, and is not to be sent again; where the
broker does not take the spans it is 503, and they are sent again. Each span becomes a record of its own.
"""

from typing import Any

import faust
import msgspec
from aiohttp.web import RequestPayloadError
from faust.web import View
from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from models.errors import Unreadable, UnreadableEventError
from stream.kafka.messages import Record
from stream.sources.otel.otlp import BATCH_BYTES_MAX
from stream.sources.otel.spans import SOURCE
from stream.sources.otel.split import Split, split_json, split_protobuf
from stream.worker.engine import Engine

PATH = "/v1/traces"
JSON, PROTOBUF = "application/json", "application/x-protobuf"
UNPACKED = ("identity", "gzip", "deflate")
CHUNK_BYTES = 65_536
AWAY = 503
RETRY_AFTER_S = "1"
SHORT_BYTES_MAX = 127


class Answer(Struct, frozen=True):
    """An HTTP response."""

    status: int
    body: bytes
    content_type: str
    headers: dict[str, str] = {}


class RefusedError(Exception):
    """A request that is answered without being read."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def split(body: bytes, content_type: str) -> Split:
    """The request's spans, one by one. Raises `RefusedError`."""
    try:
        return split_json(body) if content_type == JSON else split_protobuf(body)
    except UnreadableEventError as error:
        status = 413 if error.reason is Unreadable.TOO_LARGE else 400
        raise RefusedError(status, str(error)) from error


def accepted(content_type: str, rejected: int, reason: str) -> Answer:
    """200: all spans were taken, or all but so many; of the protocol's type either way."""
    if content_type == JSON:
        partial = {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": reason}}
        return Answer(200, msgspec.json.encode(partial if rejected else {}), JSON)
    response = ExportTraceServiceResponse()
    if rejected:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = reason
    return Answer(200, response.SerializeToString(), PROTOBUF)


def refused(content_type: str, status: int, message: str) -> Answer:
    """A `google.rpc.Status` with the message alone, as the protocol asks for."""
    headers = {"Retry-After": RETRY_AFTER_S} if status == AWAY else {}
    if content_type != PROTOBUF:
        return Answer(status, msgspec.json.encode({"message": message}), JSON, headers)
    text = message.encode()[:SHORT_BYTES_MAX].decode(errors="ignore").encode()
    # Field 2 of `Status`, a text whose length is one byte.
    return Answer(status, b"\x12" + bytes([len(text)]) + text, PROTOBUF, headers)


async def read_body(request: Any) -> bytes:
    """The body, as far as it may be read; the web server unpacks it on the way. Raises `RefusedError`."""
    if request.headers.get("content-encoding", "identity").lower() not in UNPACKED:
        raise RefusedError(415, f"content-encoding is none of {', '.join(UNPACKED)}")
    parts, size = [], 0
    try:
        async for part in request.content.iter_chunked(CHUNK_BYTES):
            size += len(part)
            if size > BATCH_BYTES_MAX:
                raise RefusedError(413, f"more than {BATCH_BYTES_MAX} bytes")
            parts.append(part)
    except RequestPayloadError as error:
        raise RefusedError(400, "the body cannot be unpacked, or is cut off") from error
    return b"".join(parts)


async def answer(request: Any, engine: Engine) -> Answer:
    """Take one request's spans to their raw topic."""
    content_type = request.content_type
    if content_type not in {JSON, PROTOBUF}:
        return refused(content_type, 415, f"content-type is neither {PROTOBUF} nor {JSON}")
    try:
        found = split(await read_body(request), content_type)
    except RefusedError as error:
        return refused(content_type, error.status, str(error))
    if found.records:
        topic = f"{engine.settings.topic_prefix}.raw.{SOURCE}"
        headers = [("content-type", content_type.encode())]
        if not await engine.receive([Record(topic, b"", record, headers) for record in found.records]):
            return refused(content_type, AWAY, "the broker does not take spans at the moment")
    return accepted(content_type, found.rejected, found.reason)


def serve_traces(app: faust.App, engine: Engine) -> None:
    """Add the page to the worker's web server."""

    @app.page(PATH)
    class _Traces(View):  # type: ignore[misc]
        async def post(self, request: Any) -> Any:
            said = await answer(request, engine)
            return self.web.bytes(
                said.body, status=said.status, content_type=said.content_type, headers=said.headers
            )
