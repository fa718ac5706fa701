"""Who handed work to whom, by the spans: a run's first span lies below a span of the run that ordered it."""

from models.command import stable_id
from models.event import AnyEvent, Delegation, Event, SessionStart
from stream.ingest.holdings import Holdings
from stream.ingest.memory import Table
from stream.ingest.runs import Runs
from stream.sources.sighting import Handle, Sighting

CHILDREN_MAX = 50_000
SOURCE = "chainbrake.resolver"
PARENT_SPAN = "parent_span"
"""Fact of a run's first span: the span below which it lies."""


class Delegations:
    """Delegations that no control plane has told of."""

    def __init__(self, holdings: Holdings, runs: Runs) -> None:
        self.children: Table[str] = Table(str, CHILDREN_MAX)
        """Span that is not known yet: the run whose first span lies below it."""
        self._holdings = holdings
        self._runs = runs

    def told(self, sighting: Sighting, session: str, seen_ms: int) -> list[AnyEvent]:
        """What a span of a known run says of another run."""
        event = sighting.event
        out: list[AnyEvent] = []
        if isinstance(event, SessionStart) and (span := event.facts.get(PARENT_SPAN)):
            holding = self._holdings.holder(Handle("span", span), event.at_ms)
            if holding is not None:
                out += self._delegation(session, holding.session, event, seen_ms)
            else:
                self.children.put(span, session)
        for handle in sighting.brings:
            if handle.kind == "span" and (child := self.children.pop(handle.value)) is not None:
                out += self._delegation(child, session, event, seen_ms)
        return out

    def _delegation(self, child: str, parent: str, event: Event, seen_ms: int) -> list[AnyEvent]:
        run = self._runs.of(child)
        if child == parent or run.parent:
            return []
        told = Delegation(
            id=stable_id("delegation", parent, child),
            source=SOURCE,
            at_ms=event.at_ms,
            seen_ms=seen_ms,
            session=child,
            workflow=run.workflow or child,
            parent_session=parent,
            agent=run.agent,
        )
        self._runs.learn(told)
        return [told]
