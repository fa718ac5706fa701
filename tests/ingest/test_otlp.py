"""OpenTelemetry's wire format, in JSON and protobuf."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import Unreadable, UnreadableEventError
from stream.sources.otel.otlp import BATCH_BYTES_MAX, read_spans
from stream.sources.otel.spans import normalise
from tests.ingest.agents import holds
from tests.ingest.changing import encoded
from tests.ingest.saas import mutated
from tests.ingest.spans import CALL, CONVERSATION, SAMPLES, TOOL, TRACE, protobuf, request, span
from tests.recordings import MUTATIONS


def test_a_span_of_a_batch_that_is_broken_hides_no_other() -> None:
    """Else one bad span would blind us to whoever shares its collector."""
    broken = [span(CONVERSATION, traceId="zz"), span(CONVERSATION, endTimeUnixNano="soon"), {"spanId": 7}]
    good = span(CONVERSATION | {"gen_ai.tool.name": "iam_list_roles"})
    assert len(normalise(encoded(request(*broken, good)))) == 1
    with pytest.raises(UnreadableEventError) as caught:
        normalise(encoded(request(*broken)))
    assert caught.value.reason is Unreadable.INVALID


def test_a_request_may_be_one_or_a_list_and_hold_several_spans() -> None:
    """As exporters, collectors and files write them."""
    two = request(span(CONVERSATION), span(CONVERSATION, spanId=CALL))
    for record in (two, [two], two["resourceSpans"], two["resourceSpans"][0]):
        assert [sighting.event.id for sighting in normalise(encoded(record))] == [
            f"{TRACE}:{TOOL}",
            f"{TRACE}:{CALL}",
        ]


@pytest.mark.parametrize("sample", SAMPLES)
def test_protobuf_says_the_same_as_json(sample: dict[str, Any]) -> None:
    """Both are OTLP."""
    assert normalise(protobuf(sample)) == normalise(encoded(sample))


def test_a_request_whose_length_is_a_brace_is_still_protobuf() -> None:
    """Its first bytes are then a line feed and a brace, as JSON may begin."""
    braces = 0
    for length in range(1, 80):
        content = protobuf(request(span({"session.id": "c" * length}, name="", parentSpanId=""), resource={}))
        braces += content.startswith(b"\n{")
        assert len(normalise(content)) == 1
    assert braces


@pytest.mark.parametrize(
    "record", [b"", b"\n\xff\xff", b"[7]", b'"text"', b" " * (BATCH_BYTES_MAX + 1), b"\xff\xfe"]
)
def test_what_is_no_request_is_refused(record: bytes) -> None:
    """With a reason, whichever of both it was meant to be."""
    with pytest.raises(UnreadableEventError):
        normalise(record)


@pytest.mark.corpus
@MUTATIONS
@given(record=mutated(SAMPLES))
def test_whatever_comes_in_as_json_is_sightings_or_an_error(record: bytes) -> None:
    """No other exception, and nothing beyond the limits of an event."""
    holds(normalise, record)


@pytest.mark.corpus
@MUTATIONS
@given(sample=st.sampled_from(SAMPLES), at=st.integers(0, 400), put=st.binary(max_size=4))
def test_whatever_comes_in_as_protobuf_is_sightings_or_an_error(sample: Any, at: int, put: bytes) -> None:
    """Cut, spliced or overwritten."""
    content = protobuf(sample)
    holds(normalise, content[:at] + put + content[at + len(put) :])


def test_what_is_no_request_is_unreadable_and_a_request_without_spans_is_not() -> None:
    """A log line, or the metrics of a wrong exporter, would be taken for silence."""
    for content in (b"{}", b'{"resourceSpans": []}', b"[]"):
        assert read_spans(content).spans == []
    for content in (b'{"kind": "operation"}', b'{"resourceMetrics": [{}]}'):
        with pytest.raises(UnreadableEventError, match="no resourceSpans"):
            read_spans(content)
