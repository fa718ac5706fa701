"""Whether an event's date can be believed: one that cannot would freeze or skip every window."""

from detectors.policy import Policy
from models.errors import Unreadable, UnreadableEventError
from models.event import AnyEvent


def check_date(event: AnyEvent, seen_ms: int, policy: Policy) -> None:
    """Raise `UnreadableEventError` for an event dated too far from its arrival."""
    ahead_ms = event.at_ms - seen_ms
    if ahead_ms > policy.future_ms_max:
        detail = f"at_ms is {ahead_ms} ms after its arrival, at most {policy.future_ms_max} is believed"
        raise UnreadableEventError(Unreadable.TIME_IN_FUTURE, detail)
    if -ahead_ms > policy.past_ms_max:
        detail = f"at_ms is {-ahead_ms} ms before its arrival, at most {policy.past_ms_max} is judged"
        raise UnreadableEventError(Unreadable.TIME_IN_PAST, detail)
