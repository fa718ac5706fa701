"""`POST /v1/traces`: what is taken, what is refused, and what the sender hears."""

import asyncio
import gzip
import io
import json
from typing import Any

import pytest
from aiohttp import ClientSession, web
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from sandbox.ports import HOST, free_port
from stream.configuration.settings import Settings
from stream.ingest.otlp_receiver import JSON, PROTOBUF, answer
from stream.kafka.messages import Record
from stream.sources.otel.otlp import BATCH_BYTES_MAX
from stream.sources.otel.spans import normalise
from tests.ingest.spans import CALL, CONVERSATION, protobuf, request, span

GOOD = request(span(CONVERSATION), span(CONVERSATION, spanId=CALL))


class Taker:
    """Stands for the engine: takes records, or does not."""

    settings = Settings()

    def __init__(self, *, there: bool = True) -> None:
        self.there = there
        self.records: list[Record] = []

    async def receive(self, records: list[Record]) -> bool:
        """What the broker would have."""
        if self.there:
            self.records += records
        return self.there


def sent(
    body: bytes, content_type: str, taker: Taker, **headers: str
) -> tuple[int, bytes, str, dict[str, str]]:
    """Status, body, content type and headers of the answer, over real HTTP."""

    async def serve(asked: web.Request) -> web.Response:
        said = await answer(asked, taker)  # type: ignore[arg-type]  # as much of an engine as it needs
        return web.Response(
            body=said.body, status=said.status, content_type=said.content_type, headers=said.headers
        )

    async def exchange() -> tuple[int, bytes, str, dict[str, str]]:
        application = web.Application()
        application.router.add_post("/v1/traces", serve)
        runner = web.AppRunner(application)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, HOST, port).start()
        try:
            async with (
                ClientSession() as client,
                client.post(
                    f"http://{HOST}:{port}/v1/traces",
                    data=io.BytesIO(body),
                    headers={"content-type": content_type, **headers},
                ) as heard,
            ):
                return heard.status, await heard.read(), heard.content_type, dict(heard.headers)
        finally:
            await runner.cleanup()

    return asyncio.run(exchange())


def told(content: bytes) -> dict[str, Any]:
    """An answer in protobuf, as JSON would have it."""
    return MessageToDict(ExportTraceServiceResponse.FromString(content))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("content_type", [JSON, PROTOBUF])
def test_every_span_becomes_a_record_of_its_own(content_type: str, packed: bool) -> None:  # noqa: FBT001
    """In either format, gzipped or not; the answer is empty and of the same type."""
    taker = Taker()
    body = json.dumps(GOOD).encode() if content_type == JSON else protobuf(GOOD)
    headers = {"Content-Encoding": "gzip"} if packed else {}
    status, content, kind, _ = sent(gzip.compress(body) if packed else body, content_type, taker, **headers)
    assert (status, kind) == (200, content_type)
    assert content == (b"{}" if content_type == JSON else b"")
    assert {record.topic for record in taker.records} == {"chainbrake.raw.otel.span"}
    each = [normalise(record.value) for record in taker.records]
    assert all(len(sightings) == 1 for sightings in each)
    assert tuple(sighting for sightings in each for sighting in sightings) == normalise(body)


def test_a_broken_span_is_refused_alone_and_its_sender_hears_of_it() -> None:
    """As a partial success: sending it again would not mend it."""
    taker = Taker()
    broken = request(span(CONVERSATION), span(CONVERSATION, traceId="0" * 32))
    status, content, _, _ = sent(json.dumps(broken).encode(), JSON, taker)
    partial = json.loads(content)["partialSuccess"]
    assert (status, partial["rejectedSpans"], len(taker.records)) == (200, "1", 1)
    assert partial["errorMessage"]
    status, content, _, _ = sent(protobuf(broken), PROTOBUF, taker)
    assert (status, told(content)["partialSuccess"]["rejectedSpans"]) == (200, "1")


@pytest.mark.parametrize(
    ("body", "content_type", "headers", "status"),
    [
        (b"{", JSON, {}, 400),
        (b"[1]", JSON, {}, 400),
        (b"\x0a\xff\xff", PROTOBUF, {}, 400),
        (b"{}", "text/plain", {}, 415),
        (b"{}", JSON, {"Content-Encoding": "x-odd"}, 415),
        (b"no gzip", JSON, {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(json.dumps(GOOD).encode())[:-60], JSON, {"Content-Encoding": "gzip"}, 400),
        (b" " * (BATCH_BYTES_MAX + 1), JSON, {}, 413),
        (gzip.compress(b" " * (BATCH_BYTES_MAX + 1)), JSON, {"Content-Encoding": "gzip"}, 413),
    ],
)
def test_what_is_no_request_is_refused_for_good(
    body: bytes, content_type: str, headers: dict[str, str], status: int
) -> None:
    """With the status that tells an exporter not to try again, however small a bomb was packed."""
    taker = Taker()
    answered, content, _, _ = sent(body, content_type, taker, **headers)
    assert (answered, taker.records) == (status, [])
    assert content


def test_a_resource_that_many_spans_would_carry_along_is_no_flood() -> None:
    """A few hundred kilobytes must not become gigabytes."""
    taker = Taker()
    flood = request(*[span({}) for _ in range(2_000)], resource={"blob": "x" * 200_000})
    assert sent(json.dumps(flood).encode(), JSON, taker)[0] == 413
    assert taker.records == []


@pytest.mark.parametrize("content_type", [JSON, PROTOBUF])
def test_where_the_broker_takes_nothing_the_sender_tries_again(content_type: str) -> None:
    """Spans are not lost: 503 is what exporters repeat."""
    body = json.dumps(GOOD).encode() if content_type == JSON else protobuf(GOOD)
    status, content, kind, headers = sent(body, content_type, Taker(there=False))
    assert (status, kind, headers["Retry-After"]) == (503, content_type, "1")
    assert b"broker" in content


@pytest.mark.parametrize(("body", "content_type"), [(b"", PROTOBUF), (b"{}", JSON)])
def test_an_empty_request_is_a_success(body: bytes, content_type: str) -> None:
    """Exporters probe with it."""
    assert sent(body, content_type, Taker(there=False))[0] == 200
