"""Whether an event's date can be believed: one that cannot would freeze or skip every window."""

from msgspec.structs import replace

from detectors.policy import Policy
from models.errors import Unreadable, UnreadableEventError
from models.event import AnyEvent


def believed(event: AnyEvent, seen_ms: int, policy: Policy) -> AnyEvent:
    """The event as it is judged: nothing happens after it arrived, whatever a clock that is ahead says.

    A date ahead of the others would make every true one late, and push what they say out of memory. Raises
    `UnreadableEventError` for an event dated too far from its arrival.
    """
    ahead_ms = event.at_ms - seen_ms
    if ahead_ms > policy.future_ms_max:
        detail = f"at_ms is {ahead_ms} ms after its arrival, at most {policy.future_ms_max} is believed"
        raise UnreadableEventError(Unreadable.TIME_IN_FUTURE, detail)
    if -ahead_ms > policy.past_ms_max:
        detail = f"at_ms is {-ahead_ms} ms before its arrival, at most {policy.past_ms_max} is judged"
        raise UnreadableEventError(Unreadable.TIME_IN_PAST, detail)
    return event if ahead_ms <= 0 else replace(event, at_ms=seen_ms)
