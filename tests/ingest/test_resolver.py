"""Which session and workflow a sighting belongs to, and what happens when that is learned late."""

from itertools import permutations

from msgspec.structs import replace

from models.attested import Fact, Registered
from models.event import (
    MOVED_MAX,
    CredentialKind,
    Delegation,
    Join,
    Registration,
    SessionStart,
)
from models.registry import EMPTY, Content, Registry, Shared
from stream.ingest.resolver import Resolver
from stream.sources.sighting import Handle, Sighting
from tests.ingest.sightings import (
    KEY,
    REQUEST,
    RUN,
    TREE,
    ended,
    final,
    last,
    record,
    server,
    started,
    told,
    tool,
)


def test_a_minted_credential_belongs_to_the_run_that_minted_it() -> None:
    """AssumeRole under the run's name brings a key, and what is done with the key is the run's."""
    events = told(
        [started(), record(1, Handle("conversation", RUN), brings=(KEY,)), record(2, KEY), record(3, KEY)]
    )
    assert set(final(events).values()) == {RUN}
    assert {event.workflow for event in events} == {TREE}
    assert not any(isinstance(event, Join) for event in events)


def test_a_record_carries_who_runs_and_for_whom() -> None:
    """What the gateway said of the run is in every operation of it; the account stays the platform's."""
    sightings = [
        started(parent="conv-0"),
        record(1, Handle("pod", f"pod-{RUN}"), principal="arn:role/reader"),
    ]
    event = last(told(sightings), "record-1")
    assert (event.agent, event.agent_role) == ("agent:planner", "agent:planner")
    assert (event.parent_session, event.on_behalf_of) == ("conv-0", "ada@example.com")
    assert event.principal == "arn:role/reader"


def test_what_came_before_its_link_is_sent_again_and_told() -> None:
    """A record runs under the provider's handle until the link arrives; nothing changes but its place."""
    events = told([record(2, KEY, at_ms=7), started(), record(1, Handle("conversation", RUN), brings=(KEY,))])
    first, again = [event for event in events if event.id == "record-2"]
    assert (first.session, again.session, again.workflow) == ("aws:AROA1:run", RUN, TREE)
    assert (first.at_ms, first.seen_ms) == (again.at_ms, again.seen_ms) == (7, 0)
    (join,) = [event for event in events if isinstance(event, Join)]
    assert (join.session, join.workflow) == ("aws:AROA1:run", "aws:AROA1:run")
    assert (join.into_session, join.into_workflow, join.moved) == (RUN, TREE, ("record-2",))
    assert events.index(join) > events.index(again)


def test_a_late_start_explains_a_whole_chain_of_credentials() -> None:
    """Nobody knew the run when it minted, nor when its key minted another: one word explains it all."""
    second = Handle("aws.access_key", "ASIA2")
    events = told(
        [
            record(3, second),
            record(2, KEY, brings=(second,)),
            record(1, Handle("conversation", RUN), brings=(KEY,)),
            started(),
        ]
    )
    assert set(final(events).values()) == {RUN}
    assert {event.workflow for event in events[-5:] if not isinstance(event, Join)} == {TREE}


def test_every_order_of_arrival_ends_the_same() -> None:
    """However late each record is, the same events stand in the same sessions in the end."""
    sightings = [
        started(),
        record(1, Handle("conversation", RUN), brings=(KEY,)),
        record(2, KEY, brings=(Handle("aws.access_key", "ASIA2"),)),
        record(3, Handle("aws.access_key", "ASIA2")),
        tool(1),
    ]
    for order in permutations(sightings):
        assert set(final(told(list(order))).values()) == {RUN}


def test_a_workflow_learned_late_moves_what_was_sent() -> None:
    """An approval that overtakes the start of its run is sent again in the run's workflow."""
    bound = Registration(
        id="bound",
        source="chainbrake.event",
        at_ms=0,
        session=RUN,
        workflow=RUN,
        what=Registered.CREDENTIAL,
        reference="ASIA1",
    )
    events = told([Sighting(event=bound, settled=True, brings=(KEY,)), record(1, KEY), started()])
    assert [event.workflow for event in events if event.id == "bound"] == [RUN, TREE]
    assert [event.workflow for event in events if event.id == "record-1"] == [RUN, TREE]


def test_a_call_without_any_agent_keeps_the_providers_handle() -> None:
    """A person or a service role is a session of its own, and its own workflow."""
    (event,) = told([record(1, KEY, session="aws:AIDA1")])
    assert (event.session, event.workflow) == ("aws:AIDA1", "aws:AIDA1")


def test_the_shared_key_names_nobody_but_its_requests_do() -> None:
    """With a registered shared key only the request id of a tool server's span tells whose call it was."""
    registry = Registry(
        Content(shared_accounts=(Shared(provider="aws", type="aws.access_key", id="AKIASHARED"),))
    )
    key = Handle("aws.access_key", "AKIASHARED")
    bound = replace(started(), brings=(key,))
    own = record(1, REQUEST, key, session="aws:AKIASHARED", credential="AKIASHARED")
    other = record(2, Handle("aws.request", "r-2"), key, session="aws:AKIASHARED", credential="AKIASHARED")
    events = told([bound, tool(1), server(1, 1, REQUEST), own, other], registry)
    assert final(events)["record-1"] == RUN
    assert final(events)["record-2"] == "aws:AKIASHARED"
    assert last(events, "record-1").credential_kind is CredentialKind.SHARED
    assert last(events, "record-2").credential_kind is CredentialKind.SHARED


def test_what_would_run_under_a_shared_name_waits_for_its_link() -> None:
    """A record of the shared key is sent once if its span comes soon, and under the key if none does."""
    registry = Registry(
        Content(shared_accounts=(Shared(provider="aws", type="aws.access_key", id="AKIASHARED"),))
    )
    key = Handle("aws.access_key", "AKIASHARED")
    shared = record(1, REQUEST, key, session="aws:AKIASHARED", credential="AKIASHARED")
    resolver = Resolver(registry)
    for one in (started(), tool(1)):
        resolver.take(one, 0)
    assert resolver.take(shared, 1_000) == []
    sent = resolver.take(server(1, 1, REQUEST), 2_000)
    assert [event.session for event in sent if event.id == "record-1"] == [RUN]
    assert not any(isinstance(event, Join) for event in sent)
    other = record(2, Handle("aws.request", "r-2"), key, session="aws:AKIASHARED", credential="AKIASHARED")
    assert resolver.take(other, 3_000) == []
    assert resolver.overdue(12_999) == []
    (late,) = resolver.overdue(13_000)
    assert (late.id, late.session, late.seen_ms) == ("record-2", "aws:AKIASHARED", 3_000)


def test_a_token_that_two_live_runs_hold_names_neither() -> None:
    """Unregistered sharing is noticed: from the second live holder on, the token decides nothing."""
    token = Handle("okta.api_token", "00T1")
    first, second = started(), started("conv-2", "wf-2")
    events = told([replace(first, brings=(token,)), replace(second, brings=(token,)), record(1, token)])
    assert final(events)["record-1"] == "aws:AROA1:run"


def test_a_pod_in_which_two_runs_live_names_neither() -> None:
    """What the pod's account does may be either's: it is given to nobody."""
    pod = Handle("pod", "pod-shared")
    first, second = replace(started(), brings=(pod,)), replace(started("conv-2", "wf-2"), brings=(pod,))
    events = told([first, record(1, pod), second, record(2, pod)])
    assert (final(events)["record-1"], final(events)["record-2"]) == (RUN, "aws:AROA1:run")


def test_a_join_names_every_event_that_moved() -> None:
    """In parts, where there are more than one may name."""
    sightings = [record(number, KEY) for number in range(MOVED_MAX + 44)]
    events = told([*sightings, started(), record(999, Handle("conversation", RUN), brings=(KEY,))])
    joins = [event for event in events if isinstance(event, Join)]
    assert [len(join.moved) for join in joins] == [MOVED_MAX, 44]
    assert len({join.id for join in joins}) == 2
    assert {name for join in joins for name in join.moved} == {one.event.id for one in sightings}


def test_a_token_handed_on_after_the_first_run_ended_names_the_second() -> None:
    """One after the other is not sharing."""
    token = Handle("okta.api_token", "00T1")
    first, second = started(), started("conv-2", "wf-2", at_ms=2000)
    events = told(
        [
            replace(first, brings=(token,)),
            ended(),
            replace(second, brings=(token,)),
            record(1, token, at_ms=3000),
        ]
    )
    assert final(events)["record-1"] == "conv-2"


def test_a_late_record_of_a_token_that_was_handed_on_belongs_to_who_held_it_then() -> None:
    """The newest holder is not asked about what happened before its time."""
    token = Handle("okta.api_token", "00T1")
    second = replace(started("conv-2", "wf-2", at_ms=2000), brings=(token,))
    late, new = record(1, token, at_ms=1000), record(2, token, at_ms=3000)
    events = told([replace(started(), brings=(token,)), ended(), second, late, new])
    assert (final(events)["record-1"], final(events)["record-2"]) == (RUN, "conv-2")


def test_a_long_lived_key_is_a_session_of_its_own_that_knows_its_maker() -> None:
    """What CreateAccessKey made does not inherit: whoever has it acts alone, with a link to the maker."""
    made = Handle("aws.access_key", "AKIAMADE")
    making = record(1, Handle("conversation", RUN), maker_of=(made,))
    used = record(2, made, session="aws:AKIAMADE", credential="AKIAMADE")
    events = told([started(), making, used])
    event = last(events, "record-2")
    assert (event.session, event.facts[Fact.MAKER]) == ("aws:AKIAMADE", RUN)
    assert event.credential_kind is CredentialKind.STATIC


def test_an_expired_credential_names_nobody() -> None:
    """A key id may come again after years: its holder holds it for as long as the record said it lives."""
    mint = record(1, Handle("conversation", RUN), brings=(KEY,), facts={Fact.LIFETIME_S: "900"})
    events = told([started(), mint, record(2, KEY, at_ms=900_000), record(3, KEY, at_ms=7_200_000)])
    assert final(events)["record-2"] == RUN
    assert final(events)["record-3"] == "aws:AROA1:run"


def test_a_console_call_is_matched_by_path_and_second() -> None:
    """Keycloak's record names no session: a call on a path with its ending, within a second, does."""
    call = Handle("keycloak.call", "PUT /admin/realms/corp/users/u1")
    change = Handle("keycloak.call", "PUT users/u1")
    for apart_ms, session in ((900, RUN), (1_100, "aws:AROA1:run")):
        near = record(1, change, at_ms=10_000 + apart_ms)
        assert final(told([started(), tool(1), server(1, 1, call, 10_000), near]))["record-1"] == session
        assert final(told([started(), tool(1), near, server(1, 1, call, 10_000)]))["record-1"] == session


def test_the_same_event_twice_is_dropped_once_and_counted() -> None:
    """Same source, same id: delivered again."""
    resolver = Resolver(EMPTY)
    assert len(resolver.take(record(1), 0)) == 1
    assert resolver.take(record(1), 5) == []
    assert resolver.counted.duplicates == 1


def test_spans_tell_who_ordered_a_run() -> None:
    """A run whose first span lies below another run's span is its child, whichever is told first."""
    below = SessionStart(
        id="root-2",
        source="otel.span",
        at_ms=5,
        session="conv-2",
        workflow=TREE,
        agent="agent:executor",
        facts={"parent_span": "t:1"},
    )
    child = Sighting(event=below, settled=True, brings=(Handle("span", "t:9"),))
    for order in ([tool(1), child], [child, tool(1)]):
        (order_given,) = [event for event in told([started(), *order]) if isinstance(event, Delegation)]
        assert (order_given.parent_session, order_given.session) == (RUN, "conv-2")
        assert order_given.workflow == TREE


def test_a_span_that_only_says_that_a_run_goes_on_is_no_event() -> None:
    """The first one begins the session; the tenth would only fill the log."""
    chat = SessionStart(id="chat", source="otel.span", at_ms=1, session=RUN, workflow=TREE, agent="agent:x")
    first = Sighting(event=chat, settled=True)
    second = Sighting(event=replace(chat, id="chat-2"), settled=True)
    assert [event.id for event in told([first, second])] == ["chat"]
