"""Events of our own as a source."""

import pytest

from models.cloudevent import attributes
from models.errors import Unreadable, UnreadableEventError
from stream.sources.chainbrake.own_events import normalise
from tests.builders import structured_value
from tests.ingest.agents import checked

DATA = (
    b'{"kind":"operation","id":"e-1","source":"gateway","at_ms":1790000000000,'
    b'"workflow":"w","session":"s","agent":"a","operation":"o"}'
)


def test_an_event_is_passed_on_as_it_is_alone_or_in_an_envelope() -> None:
    """The same event, whichever way it came."""
    envelope = structured_value(attributes("event.operation", "e-1", "gateway", 1790000000000, "w"), DATA)
    (alone,), (wrapped,) = normalise(DATA), normalise(envelope)
    assert checked(alone).event == wrapped.event
    assert alone.settled
    assert not alone.follows
    assert not alone.brings


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", Unreadable.TOMBSTONE),
        (b"{", Unreadable.NOT_JSON),
        (b'{"kind":"operation"}', Unreadable.INVALID),
        (b"\xff\xfe", Unreadable.NOT_UTF8),
        (b" " * 300_000, Unreadable.TOO_LARGE),
    ],
)
def test_what_is_no_event_is_refused_with_its_reason(record: bytes, reason: Unreadable) -> None:
    """As the actions topic refuses it."""
    with pytest.raises(UnreadableEventError) as caught:
        normalise(record)
    assert caught.value.reason is reason
