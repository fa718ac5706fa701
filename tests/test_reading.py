"""Any bytes are an event or an error with a reason: what comes from outside never stops the stream."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cloudevent import attributes, binary_headers, encode_event, read_event, read_line, rfc3339
from models.errors import Unreadable, UnreadableEventError
from models.event import EVENT_BYTES_MAX, AnyEvent, Event, OpClass, Operation, SystemKind
from tests.builders import approval, delegation, end, op, release, structured_value

ONE_OF_EACH: list[AnyEvent] = [
    op("V", 0),
    delegation(0, "s1", "s2"),
    approval(0),
    release(0, reason="why"),
    end(0),
]
STRUCTURED = [("content-type", b"application/cloudevents+json")]
LAW = settings(max_examples=150, derandomize=True)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
names = st.sampled_from(
    ["ce_id", "ce_source", "ce_time", "ce_type", "ce_specversion", "content-type", "other"]
)
contents = st.binary(max_size=20) | st.sampled_from(
    [b"application/cloudevents+json", b"1.0", b"aws", b"2026-01-01T00:00:00Z", b"0001-01-01T00:00:00+23:59"]
)
headers = st.lists(st.tuples(names, contents), max_size=4)


def encoded(event: AnyEvent) -> bytes:
    """As the data of a CloudEvent."""
    return encode_event(event)[0]


def enveloped(event: AnyEvent, data: bytes | None = None) -> bytes:
    """In structured mode."""
    named = attributes("event.operation", event.id, event.source, event.at_ms, event.workflow)
    return structured_value(named, encoded(event) if data is None else data)


def reads_or_says_why(value: bytes, with_headers: list[tuple[str, bytes]]) -> None:
    """The law."""
    for read in (partial(read_event, value, with_headers), partial(read_line, value)):
        try:
            event = read()
        except UnreadableEventError:
            continue
        assert isinstance(event, Event)


@LAW
@given(st.binary(max_size=300), headers)
def test_any_bytes_are_an_event_or_an_error(value: bytes, with_headers: list[tuple[str, bytes]]) -> None:
    """Whatever a producer sends, deep nesting and lone surrogates included."""
    reads_or_says_why(value, with_headers)


DEEP = 5_000
FAR_PAST = [("ce_id", b"x"), ("ce_time", b"0001-01-01T00:00:00+23:59")]


@pytest.mark.parametrize(
    "value",
    [
        b"[" * DEEP,
        b'{"a":' * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b'{"kind":"operation","a":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"specversion":' + b"[" * DEEP,
        b'{"specversion":"1.0","id":"1","source":"s","type":"t","data":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'"\\ud800"',
        b'{"kind":"session_end","id":"\\udfff","source":"\\ud800x"}',
        b'{"kind":"session_end","a":1e999}',
        b'{"kind":"session_end","at_ms":' + b"9" * 5_000 + b"}",
        b'{"kind":"session_end","a":"\xff"}',
    ],
    ids=lambda value: repr(value[:24]),
)
@pytest.mark.parametrize("with_headers", [[], FAR_PAST, STRUCTURED])
def test_what_breaks_readers_elsewhere_is_an_error_here(
    value: bytes, with_headers: list[tuple[str, bytes]]
) -> None:
    """Deep nesting, lone surrogates, numbers beyond every type, and bytes that are no text."""
    reads_or_says_why(value, with_headers)


@LAW
@given(
    st.sampled_from(ONE_OF_EACH), st.dictionaries(st.text(max_size=8), values, max_size=3), st.data(), headers
)
def test_an_event_with_anything_in_any_field_is_an_event_or_an_error(
    event: AnyEvent, unknown: dict[str, Any], data: st.DataObject, with_headers: list[tuple[str, bytes]]
) -> None:
    """Wrong types, missing fields, huge numbers, unknown fields: alone, and in both modes."""
    fields = json.loads(encoded(event)) | unknown
    for name in data.draw(st.lists(st.sampled_from(sorted(fields)), max_size=3)):
        fields.pop(name, None)
        if data.draw(st.booleans()):
            fields[name] = data.draw(values)
    value = json.dumps(fields).encode()
    reads_or_says_why(value, with_headers)
    envelope = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": fields}
    reads_or_says_why(json.dumps(envelope).encode(), with_headers)


@LAW
@given(
    st.sampled_from([encoded(event) for event in ONE_OF_EACH] + [enveloped(op("V", 0))]), st.data(), headers
)
def test_a_damaged_event_is_an_event_or_an_error(
    value: bytes, data: st.DataObject, with_headers: list[tuple[str, bytes]]
) -> None:
    """Bytes cut off, changed or slipped in."""
    start = data.draw(st.integers(0, len(value)))
    stop = data.draw(st.integers(start, len(value)))
    reads_or_says_why(value[:start] + data.draw(st.binary(max_size=4)) + value[stop:], with_headers)


@pytest.mark.parametrize(
    ("value", "with_headers", "reason"),
    [
        (None, [], Unreadable.TOMBSTONE),
        (b"", [], Unreadable.NOT_JSON),
        (encoded(op("V", 0))[:-5], [], Unreadable.NOT_JSON),
        (b'{"kind":"session_end","id":"\xff"}', [], Unreadable.NOT_UTF8),
        (b"{}", [], Unreadable.INVALID),
        (b"[" * 100_000, [], Unreadable.INVALID),
        (b'"' + b"x" * EVENT_BYTES_MAX + b'"', [], Unreadable.TOO_LARGE),
        (encoded(op("V", 0)), [("ce_specversion", b"0.3")], Unreadable.ENVELOPE),
        (encoded(op("V", 0)), [("ce_id", b"another")], Unreadable.ENVELOPE),
        (b"{}", STRUCTURED, Unreadable.ENVELOPE),
        (enveloped(op("V", 0), b"{}"), STRUCTURED, Unreadable.INVALID),
        (enveloped(op("V", 0), encoded(op("V", 1))), STRUCTURED, Unreadable.ENVELOPE),
    ],
    ids=lambda value: value.name if isinstance(value, Unreadable) else "",
)
def test_each_reason_is_said_where_it_is_the_reason(
    value: bytes | None, with_headers: list[tuple[str, bytes]], reason: Unreadable
) -> None:
    """A dead letter and a metric say it; it is the first question of whoever looks into them."""
    with pytest.raises(UnreadableEventError) as raised:
        read_event(value, with_headers)
    assert raised.value.reason is reason


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_what_is_written_is_read_again(event: AnyEvent) -> None:
    """In binary mode, in structured mode, and as a line of a file of either."""
    value, with_headers = encode_event(event)
    assert read_event(value, with_headers) == event
    assert read_event(value) == event
    assert read_event(enveloped(event), STRUCTURED) == event
    assert read_line(value) == read_line(enveloped(event)) == event


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_headers_are_the_attributes_of_every_message(event: AnyEvent) -> None:
    """Events have a way of their own to them; commands and findings go by the general one."""
    kind = f"event.{type(event).__struct_config__.tag}"
    named = attributes(kind, event.id, event.source, event.at_ms, event.workflow)
    assert encode_event(event)[1] == binary_headers(named)


@LAW
@given(st.integers(min_value=0, max_value=9_999_999_999_999))
def test_a_time_is_written_to_the_millisecond(at_ms: int) -> None:
    """Whatever was written of its minute before."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    assert rfc3339(at_ms) == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_data_may_leave_id_source_and_time_to_the_envelope() -> None:
    """In both modes; an offset in the time is honoured."""
    event = op("V", 0)
    fields = msgspec.to_builtins(event)
    for name in ("id", "source", "at_ms"):
        del fields[name]
    data = msgspec.json.encode({**fields, "kind": "operation"})
    named = [
        ("ce_id", event.id.encode()),
        ("ce_source", b"aws"),
        ("ce_time", b"2026-09-21T15:13:20.000+01:00"),
    ]
    assert read_event(data, named).at_ms == event.at_ms
    assert read_event(enveloped(event, data), STRUCTURED) == event


def test_a_time_without_an_offset_is_refused() -> None:
    """The answer must not depend on the time zone of the machine that reads."""
    data = b'{"kind":"session_end","workflow":"w","session":"s"}'
    for time in (b"2026-01-01T00:00:00", b"0001-01-01T00:00:00"):
        with pytest.raises(UnreadableEventError) as raised:
            read_event(data, [("ce_id", b"1"), ("ce_source", b"s"), ("ce_time", time)])
        assert raised.value.reason is Unreadable.ENVELOPE


def test_a_header_without_a_value_is_no_header() -> None:
    """Kafka allows it; some producers send it."""
    value, with_headers = encode_event(op("V", 0))
    nulls: list[tuple[str, bytes | None]] = [("content-type", None), ("ce_id", None), ("x", None)]
    assert read_event(value, [*nulls, *with_headers]) == op("V", 0)


def test_an_event_that_speaks_of_specversion_is_no_envelope() -> None:
    """Nobody leaves the record by naming a thing after a field of ours."""
    for name in ("target", "operation", "agent"):
        event = op("V", 0, **{name: "specversion"})
        assert read_line(encoded(event)) == event


def test_a_newer_producer_is_understood_as_far_as_possible() -> None:
    """Unknown fields are ignored; an unknown class or kind of system is kept, and counted as unclassified."""
    fields = json.loads(encoded(op("V", 0))) | {
        "op_class": "levitation",
        "system_kind": "moon",
        "colour": [1, {}],
    }
    event = read_line(json.dumps(fields).encode())
    assert isinstance(event, Operation)
    assert event.op_class is OpClass.UNCLASSIFIED
    assert event.system_kind is SystemKind.OTHER
