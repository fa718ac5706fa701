"""What was done in one second, in an order that can have happened.

Some platforms tell whole seconds and keep no order within one, nor within a file. A thing cannot be changed
before it is there: where its making and its use come with the same second, the making was first.
"""

from models.attested import Effect
from models.event import AnyEvent, Operation, Outcome

SECOND_MS = 1_000


def makers_first(events: list[AnyEvent]) -> list[AnyEvent]:
    """The same events; of those of one source, session and whole second, those that make something lead.

    Everything else stays where it was.
    """
    if len(events) < 2 or not any(map(_makes, events)):  # noqa: PLR2004 - one alone has no order
        return events
    seconds: dict[tuple[str, str, int], list[int]] = {}
    for place, event in enumerate(events):
        if isinstance(event, Operation) and event.at_ms % SECOND_MS == 0:
            seconds.setdefault((event.source, event.session, event.at_ms), []).append(place)
    ordered = list(events)
    for places in seconds.values():
        told = sorted((events[place] for place in places), key=_makes, reverse=True)
        for place, event in zip(places, told, strict=True):
            ordered[place] = event
    return ordered


def _makes(event: AnyEvent) -> bool:
    return isinstance(event, Operation) and Effect.CREATES in event.effects and event.outcome is Outcome.OK
