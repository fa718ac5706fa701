"""Spans of agents that never come: their tool servers' spans are traced by what else is known."""

from msgspec.structs import replace

from models.registry import EMPTY
from stream.ingest.holdings import Holding, Holdings
from stream.ingest.resolver import Resolver
from stream.sources.sighting import Handle
from tests.ingest.sightings import (
    KEY,
    LONG_AFTER_MS,
    REQUEST,
    RUN,
    TRACED,
    ended,
    final,
    record,
    server,
    started,
    told,
    tool,
)

TRACED_RUN = replace(started(), brings=(TRACED,))
OTHER_RUN = replace(started("conv-2"), brings=(TRACED,))
POD = Handle("pod", "pod-1")


def test_a_call_whose_agent_tells_nothing_is_the_only_runs_of_its_trace() -> None:
    """An agent that is silent does not hide behind a shared key: its tool server tells, and the gateway."""
    events = told([TRACED_RUN, server(1, 1, REQUEST), record(1, REQUEST, KEY)])
    assert final(events)["record-1"] == RUN
    assert final(events)["server-1"] == RUN


def test_of_two_runs_of_a_trace_neither_is_guessed() -> None:
    """A planner and its executor share one: the trace alone does not tell them apart."""
    events = told([TRACED_RUN, OTHER_RUN, server(1, 1, REQUEST), record(1, REQUEST)])
    assert final(events)["record-1"] == "aws:AROA1:run"


def test_a_parent_that_comes_in_time_is_believed_before_the_trace() -> None:
    """The executor has not said that it runs; its own span has, before the wait was over."""
    resolver = Resolver(EMPTY)
    for one in (TRACED_RUN, server(1, 1, REQUEST)):
        assert not any(event.id == "server-1" for event in resolver.take(one, 0))
    assert resolver.overdue(9_999) == []
    events = resolver.take(tool(1, session="conv-2"), 9_999)
    events += resolver.overdue(LONG_AFTER_MS)
    assert final(events)["server-1"] == "conv-2"


def test_late_word_of_who_held_a_pod_before_leaves_it_to_who_holds_it_now() -> None:
    """One run after the other in one pod; the first one's last span comes when the second one runs."""
    first, second = replace(started(), brings=(POD,)), replace(started("conv-2", at_ms=2_000), brings=(POD,))
    late = replace(tool(1, at_ms=1_000), brings=(POD,))
    events = told([first, ended(at_ms=1_500), second, late, record(1, POD, at_ms=3_000)])
    assert final(events)["record-1"] == "conv-2"


def test_a_holder_that_is_named_from_an_earlier_time_on_stays_the_holder() -> None:
    """A run's own span may be dated a little before the gateway's word that it began."""
    holdings = Holdings()
    for session, from_ms in (("conv-1", 0), ("conv-2", 2_000)):
        holdings.hold(POD, Holding(session, from_ms, LONG_AFTER_MS, sure=True), alive=False)
    assert not holdings.hold(POD, Holding("conv-2", 1_900, LONG_AFTER_MS, sure=True), alive=True)
    holder = holdings.holder(POD, 3_000)
    assert holder is not None
    assert holder.session == "conv-2"
