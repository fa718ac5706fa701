"""What is filled in where an event belongs: agent, role, credential, grade, and the act it tells of."""

from itertools import permutations

from msgspec.structs import replace

from models.event import (
    Grade,
)
from models.registry import Agent, Content, Job, Registry
from stream.sources.sighting import Handle
from tests.ingest.sightings import (
    REQUEST,
    RUN,
    last,
    record,
    server,
    started,
    told,
    tool,
)


def test_what_is_matched_by_path_and_second_is_a_guess() -> None:
    """The console's record is attested, that it was this run's call is not: it stops nobody."""
    call = Handle("keycloak.call", "PUT /admin/realms/corp/users/u1")
    near = record(1, Handle("keycloak.call", "PUT users/u1"), at_ms=10_000)
    alone = record(2, Handle("keycloak.call", "PUT users/u2"), at_ms=10_000)
    events = told([started(), tool(1), server(1, 1, call, 10_000), near, alone])
    assert last(events, "record-1").grade is Grade.INFERRED
    assert last(events, "record-2").grade is Grade.ATTESTED


def test_an_agent_is_known_by_its_account_where_no_run_is() -> None:
    """A role that is an agent's tells the agent, though not which run; a job is named by its role."""
    registry = Registry(
        Content(agents=(Agent(id="agent:reader", aws_role="reader"),), jobs=(Job(aws_role="scanner"),))
    )
    arn = "arn:aws:sts::111122223333:assumed-role/{}/x"
    events = told(
        [record(1, principal=arn.format("reader")), record(2, principal=arn.format("scanner"))], registry
    )
    assert (last(events, "record-1").agent, last(events, "record-1").agent_role) == ("agent:reader",) * 2
    assert last(events, "record-2").agent_role == "scanner"


def test_a_stranger_is_its_own_job_and_whoever_assumes_a_role_has_that_roles() -> None:
    """A baseline is learned per role: an account that nobody has registered has a history, too."""
    registry = Registry(Content(jobs=(Job(id="rotation", aws_role="rotator"),)))
    assuming = record(2, operation="sts:AssumeRole", principal="lambda.amazonaws.com", target="rotator")
    events = told([record(1, principal="app-ledger"), assuming], registry)
    assert last(events, "record-1").agent_role == "app-ledger"
    assert last(events, "record-2").agent_role == "rotation"


def test_span_and_record_of_one_call_are_one_act() -> None:
    """By request id through the tool server's span, whatever the order of arrival."""
    key = record(1, REQUEST, operation="GetThing")
    for order in permutations([tool(1), server(1, 1, REQUEST), key]):
        events = told([started(), *order])
        acts = {last(events, name).act for name in ("span-1", "server-1", "record-1")}
        assert len(acts) == 1, order


def test_span_and_record_without_a_request_id_are_one_act_by_name_and_time() -> None:
    """`iam_list_roles` at the agent and `iam:ListRoles` at the platform, seconds apart in one session."""
    pod = Handle("pod", f"pod-{RUN}")
    for apart_ms, acts in ((4_000, 1), (6_000, 2)):
        events = told([started(), tool(1, at_ms=10_000), record(1, pod, at_ms=10_000 - apart_ms)])
        assert len({last(events, name).act for name in ("span-1", "record-1")}) == acts


def test_two_calls_of_one_tool_are_two_acts() -> None:
    """A tool that writes twice has acted twice: the second record is not the first one's second witness."""
    pod = Handle("pod", f"pod-{RUN}")
    events = told([started(), tool(1), record(1, pod), record(2, pod)])
    assert last(events, "span-1").act == last(events, "record-1").act != last(events, "record-2").act


def test_an_agents_span_carries_the_credential_that_its_run_uses_there() -> None:
    """A command earned by a span names what the platform has seen the run use on the same provider."""
    key = record(1, Handle("pod", f"pod-{RUN}"), system="aws", credential="ASIA1")
    span = tool(1, operation="iam_attach_role_policy")
    there = replace(span, event=replace(span.event, system="aws"))
    elsewhere = replace(span, event=replace(span.event, id="span-2", system="okta"))
    events = told([started(), key, there, elsewhere])
    assert last(events, "span-1").credential == "ASIA1"
    assert last(events, "span-2").credential == ""
