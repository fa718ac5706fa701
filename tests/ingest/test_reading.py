"""What the normalisers share keeps its limits, whatever comes in."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import Unreadable, UnreadableEventError
from models.event import EVENT_BYTES_MAX
from stream.sources.reading import (
    NAME_MAX,
    PARTS_MAX,
    TEXT_MAX,
    decoded,
    listed,
    many,
    millis,
    name,
    nested,
    texts,
)
from tests.ingest.changing import TOO_DEEP


class Sample(msgspec.Struct):
    """A record of some source."""

    id: str
    count: int = 0


DECODER = msgspec.json.Decoder(Sample)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", Unreadable.TOMBSTONE),
        (b"{", Unreadable.NOT_JSON),
        (b"\xff\xfe", Unreadable.NOT_UTF8),
        (b'{"id": "\xff"}', Unreadable.NOT_UTF8),
        (b'{"id": "\\ud800"}', Unreadable.NOT_JSON),
        (b'{"id": 3}', Unreadable.INVALID),
        (b'{"id": "a", "count": 1e999}', Unreadable.INVALID),
        (b'{"more": ' + b"[" * 100_000, TOO_DEEP),
        (b"[]", Unreadable.INVALID),
        (b'"' + b"a" * EVENT_BYTES_MAX + b'"', Unreadable.TOO_LARGE),
    ],
)
def test_what_cannot_be_decoded_has_its_reason(record: bytes, reason: Unreadable) -> None:
    """The reason is what the dead letter and the metric say."""
    with pytest.raises(UnreadableEventError) as raised:
        decoded(DECODER, record)
    assert raised.value.reason is reason


def test_what_can_be_decoded_is() -> None:
    """Unknown fields are ignored."""
    assert decoded(DECODER, b'{"id": "a", "new": {}}') == Sample("a")


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2026-11-02T08:15:33Z", 1_793_607_333_000),
        ("2026-11-02T08:15:33.1239Z", 1_793_607_333_123),
        ("2026-11-02T08:15:33.123456789Z", 1_793_607_333_123),
        ("2026-11-02T10:15:33+02:00", 1_793_607_333_000),
        ("2026-11-02T08:15:33", 1_793_607_333_000),
        ("2026-11-02 08:15:33.5", 1_793_607_333_500),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_times_are_read_as_their_zone_says(text: str, at_ms: int) -> None:
    """Without a zone they are UTC, wherever this runs; nanoseconds are cut, never rounded up."""
    assert millis(text) == at_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-02-30T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_what_is_no_time_of_an_event_is_unreadable(text: str) -> None:
    """Neither is it guessed."""
    with pytest.raises(UnreadableEventError):
        millis(text)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2286, 1, 1)))  # noqa: DTZ001 - the strategy wants them so
def test_every_time_is_read_to_the_millisecond(moment: datetime) -> None:
    """Checked against the library's own arithmetic."""
    aware = moment.replace(tzinfo=UTC)
    assert millis(aware.isoformat()) == int(aware.timestamp()) * 1000 + aware.microsecond // 1000


@given(st.text(max_size=600))
def test_any_text_is_a_time_or_unreadable(text: str) -> None:
    """Nothing else escapes."""
    try:
        millis(text)
    except UnreadableEventError as error:
        assert error.reason is Unreadable.INVALID  # noqa: PT017 - a time is as good


@given(st.lists(st.text(max_size=400), max_size=200))
def test_a_list_of_values_keeps_its_limits_and_no_half_value(values: list[str]) -> None:
    """Each value once and whole, in order, until the text is full."""
    text = listed(values)
    assert len(text) <= TEXT_MAX
    whole = list(dict.fromkeys(value for value in values if value))
    assert any(",".join(whole[:kept]) == text for kept in range(min(len(whole), PARTS_MAX) + 1))


def test_a_name_keeps_its_limit() -> None:
    """Also where there is none."""
    assert name("x" * 1000) == "x" * NAME_MAX
    assert name(None) == ""


@pytest.mark.parametrize(
    "document", ['{"a": [1]}', "%7B%22a%22%3A%20%5B1%5D%7D", ' \n{"a": [1]}', {"a": [1]}]
)
def test_json_in_json_is_read_in_every_form(document: Any) -> None:
    """Providers write policies as text, as URL-encoded text and as objects."""
    assert nested(document) == {"a": [1]}


@pytest.mark.parametrize("document", ["", "{", "%7B", "\ud800", "[" * 100_000, "9" * 1_000_000, None])
def test_json_in_json_that_cannot_be_read_says_nothing(document: Any) -> None:
    """The record around it is still one."""
    assert nested(document) is None


def test_one_or_several() -> None:
    """A list of one is written as the one."""
    assert many(None) == ()
    assert many("a") == ("a",)
    assert many(["a", 1]) == ("a", 1)
    assert texts(["a", 1, None, {}]) == ("a",)
    assert texts({"a": 1}) == ()
