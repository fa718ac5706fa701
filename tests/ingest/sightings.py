"""Builders of sightings: what normalisers would say, and what the resolver makes of it."""

from msgspec.structs import replace

from models.event import (
    AnyEvent,
    Grade,
    Join,
    Operation,
    SessionEnd,
    SessionStart,
)
from models.registry import EMPTY, Registry
from stream.ingest.resolver import Resolver
from stream.sources.sighting import Handle, Sighting

RUN, TREE = "conv-1", "wf-1"
LONG_AFTER_MS = 1_000_000
KEY = Handle("aws.access_key", "ASIA1")
REQUEST = Handle("aws.request", "r-1")
TRACED = Handle("trace", "t")


def started(session: str = RUN, workflow: str = TREE, at_ms: int = 0, parent: str = "") -> Sighting:
    """The gateway says that a run began."""
    event = SessionStart(
        id=f"start-{session}",
        source="chainbrake.event",
        at_ms=at_ms,
        session=session,
        workflow=workflow,
        agent="agent:planner",
        parent_session=parent,
        on_behalf_of="ada@example.com",
        grade=Grade.ATTESTED,
    )
    return Sighting(event=event, settled=True, brings=(Handle("pod", f"pod-{session}"),))


def ended(session: str = RUN, at_ms: int = 0) -> Sighting:
    """The gateway says that a run is over."""
    event = SessionEnd(
        id=f"end-{session}", source="chainbrake.event", at_ms=at_ms, session=session, workflow=session
    )
    return Sighting(event=event, settled=True)


def record(
    number: int,
    *follows: Handle,
    at_ms: int = 0,
    operation: str = "iam:ListRoles",
    brings: tuple[Handle, ...] = (),
    maker_of: tuple[Handle, ...] = (),
    session: str = "aws:AROA1:run",
    **fields: object,
) -> Sighting:
    """The platform's record of a call."""
    event = Operation(
        id=f"record-{number}",
        source="aws.cloudtrail",
        at_ms=at_ms,
        session=session,
        workflow=session,
        agent="somebody",
        operation=operation,
        grade=Grade.ATTESTED,
        act=f"request-{number}",
    )
    return Sighting(event=replace(event, **fields), follows=follows, brings=brings, maker_of=maker_of)


def tool(number: int, at_ms: int = 0, operation: str = "iam_list_roles", session: str = RUN) -> Sighting:
    """The agent's span of a tool call."""
    event = Operation(
        id=f"span-{number}",
        source="otel.span",
        at_ms=at_ms,
        session=session,
        workflow=TREE,
        agent="agent:planner",
        operation=operation,
    )
    return Sighting(event=event, settled=True, brings=(Handle("span", f"t:{number}"),))


def server(number: int, parent: int, request: Handle, at_ms: int = 0) -> Sighting:
    """The tool server's span of the call that the tool made."""
    event = Operation(
        id=f"server-{number}",
        source="otel.span",
        at_ms=at_ms,
        session="span:t",
        workflow="span:t",
        agent="mcp-aws",
        operation="GET",
    )
    follows, at_last = (Handle("span", f"t:{parent}"),), (TRACED,)
    return Sighting(event=event, follows=follows, brings=(request,), at_last=at_last)


def told(sightings: list[Sighting], registry: Registry = EMPTY) -> list[AnyEvent]:
    """All events, in order, one sighting a second."""
    resolver = Resolver(registry)
    events = [event for number, one in enumerate(sightings) for event in resolver.take(one, number * 1000)]
    return events + resolver.overdue(LONG_AFTER_MS)


def final(events: list[AnyEvent]) -> dict[str, str]:
    """Event: the session it was last sent under."""
    return {event.id: event.session for event in events if not isinstance(event, Join)}


def last(events: list[AnyEvent], event_id: str) -> Operation:
    """The operation as it was last sent."""
    found = [event for event in events if event.id == event_id][-1]
    assert isinstance(found, Operation)
    return found
