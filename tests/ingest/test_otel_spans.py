"""Spans as operations, sessions and request ids."""

import json
from typing import Any

import pytest

from models.attested import Effect, Fact
from models.event import Grade, OpClass, Operation, Outcome, SessionStart, SystemKind
from stream.sources.otel.spans import normalise
from stream.sources.sighting import Handle, Sighting
from stream.sources.vocabularies import load_vocabulary
from tests.ingest.agents import one, sampled
from tests.ingest.changing import encoded
from tests.ingest.spans import (
    CALL,
    CONVERSATION,
    END,
    OKTA,
    ROOT,
    START,
    TOOL,
    TRACE,
    Given,
    attributes,
    request,
    served,
    span,
    tool_call,
)


def operation(record: Any) -> Operation:
    """The one operation of a record."""
    event = one(normalise, record).event
    assert isinstance(event, Operation)
    return event


def test_a_tool_call_is_an_operation_of_its_conversation() -> None:
    """Observed, not attested: an agent's telemetry is its own word."""
    sighting = one(normalise, tool_call("iam_attach_role_policy"))
    assert sighting.settled
    assert sighting.brings[0] == Handle("span", f"{TRACE}:{TOOL}")
    assert sighting.event == Operation(
        id=f"{TRACE}:{TOOL}",
        source="otel.span",
        at_ms=END,
        session="conv-1",
        workflow="wf-1",
        agent="agent:deployer",
        grade=Grade.OBSERVED,
        operation="iam_attach_role_policy",
        op_class=OpClass.PRIVILEGE_CHANGE,
        system="aws",
        system_kind=SystemKind.IAM,
        target_kind="role",
        effects=(Effect.EXPANDS,),
        act=f"{TRACE}:{TOOL}",
        facts={"server": "tools.example.org"},
    )


@pytest.mark.parametrize(
    "given",
    [
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "iam_list_roles"},
        {"mcp.method.name": "tools/call", "gen_ai.tool.name": "iam_list_roles"},
        {"mcp.method.name": "tools/call", "mcp.tool.name": "iam_list_roles"},
        {"mcp.method.name": "tools/call"},
        {"gen_ai.operation.name": "execute_tool"},
        {"tool.name": "iam_list_roles", "session.id": "conv-1"},
    ],
)
def test_a_tool_is_known_by_old_names_and_new(given: Given) -> None:
    """Of three conventions, or by the name of the span."""
    event = operation(request(span(CONVERSATION | given, name="execute_tool iam_list_roles")))
    assert (event.operation, event.op_class) == ("iam_list_roles", OpClass.DISCOVERY)


def test_a_conversation_is_known_by_old_names_and_new() -> None:
    """The first that is there counts."""
    for key in ("gen_ai.conversation.id", "gen_ai.thread.id", "session.id"):
        event = operation(request(span({key: "conv-9", "gen_ai.tool.name": "s3_list_buckets"})))
        assert (event.session, event.workflow) == ("conv-9", "conv-9")


def test_an_invoked_agent_is_a_session_that_starts() -> None:
    """With the pod it runs in, and the span that called it, for whoever knows whose that is."""
    given = CONVERSATION | {"gen_ai.operation.name": "invoke_agent", "enduser.id": "ann@example.org"}
    sighting = one(normalise, request(span(given)))
    event = sighting.event
    assert isinstance(event, SessionStart)
    assert sighting.settled
    assert (event.session, event.workflow, event.agent) == ("conv-1", "wf-1", "agent:deployer")
    assert (event.at_ms, event.on_behalf_of, event.parent_session) == (START, "ann@example.org", "")
    assert event.facts["parent_span"] == f"{TRACE}:{ROOT}"
    assert set(sighting.brings) == {
        Handle("span", f"{TRACE}:{TOOL}"),
        Handle("pod", "deployer-0"),
        Handle("pod_uid", "uid-1"),
        Handle("trace", TRACE),
    }


def test_an_agents_first_tool_call_says_where_it_runs() -> None:
    """The span of the whole run comes last; a tool server and a model's proxy run in pods of their own."""
    pod = {Handle("pod", "deployer-0"), Handle("pod_uid", "uid-1")}
    assert pod <= set(one(normalise, tool_call("iam_list_roles")).brings)
    assert pod.isdisjoint(one(normalise, tool_call("iam_list_roles", kind=2)).brings)
    chat = request(span(CONVERSATION | {"gen_ai.operation.name": "chat"}))
    assert pod.isdisjoint(one(normalise, chat).brings)


@pytest.mark.parametrize("kind", ["chat", "embeddings", "create_agent", "generate_content"])
def test_what_a_model_does_only_says_that_the_session_runs(kind: str) -> None:
    """By the new name of its provider or the old: no operation, and no dead letter."""
    for provider in ("gen_ai.provider.name", "gen_ai.system"):
        given = CONVERSATION | {"gen_ai.operation.name": kind, provider: "example"}
        event = one(normalise, request(span(given))).event
        assert isinstance(event, SessionStart)
        assert (event.session, event.at_ms) == ("conv-1", END)


@pytest.mark.parametrize(
    ("parent", "facts"), [("0" * 16, False), ("", False), (ROOT, True)], ids=["zeros", "none", "one"]
)
def test_a_root_has_no_parent_however_that_is_written(parent: str, facts: bool) -> None:  # noqa: FBT001
    """Zeros are none."""
    given = CONVERSATION | {"gen_ai.operation.name": "invoke_agent"}
    event = one(normalise, request(span(given, parentSpanId=parent))).event
    assert isinstance(event, SessionStart)
    assert ("parent_span" in event.facts) is facts


@pytest.mark.parametrize(
    ("reporter", "author", "effects"),
    [
        ("employee", "employee", ()),
        ("internal-user", "employee", ()),
        ("customer-portal", "external", (Effect.UNTRUSTED,)),
        ("portal-anonymous", "unauthenticated", (Effect.UNTRUSTED,)),
        ("unverified_email", "unauthenticated", (Effect.UNTRUSTED,)),
    ],
)
def test_a_ticket_says_what_kind_of_person_wrote_it(
    reporter: str, author: str, effects: tuple[Effect]
) -> None:
    """Who is outside, or unknown, is not trusted."""
    event = operation(tool_call("tickets_get", {"issue": "T-1", "reporter_type": reporter}))
    assert (event.op_class, event.target, event.system_kind) == (
        OpClass.EXCHANGE,
        "T-1",
        SystemKind.TICKETING,
    )
    assert (event.facts[Fact.AUTHOR], event.effects) == (author, effects)


def test_a_ticket_of_nobody_known_is_not_trusted() -> None:
    """An agent's telemetry that records no arguments hides nobody's hand."""
    assert operation(tool_call("tickets_get")).effects == (Effect.UNTRUSTED,)


@pytest.mark.parametrize(
    ("visibility", "effects"), [("public", (Effect.OUTBOUND,)), ("internal", ()), (None, (Effect.OUTBOUND,))]
)
def test_a_comment_leaves_unless_it_is_internal(visibility: str | None, effects: tuple[Effect]) -> None:
    """What is not said to stay inside is taken to leave."""
    event = operation(tool_call("tickets_comment", {"issue": "T-1", "visibility": visibility}))
    assert (event.op_class, event.effects) == (OpClass.EXCHANGE, effects)


@pytest.mark.parametrize(
    ("tool", "path", "op_class"),
    [
        ("graph_get", "/users/ann@example.org/memberOf", OpClass.DISCOVERY),
        ("graph_get", "/roleManagement/directory/roleAssignments", OpClass.POLICY_READ),
        ("graph_post", "/groups/58ee33d8-70f2-4741-a193-44fce7907b34/members/$ref", OpClass.ROLE_MAPPING),
        ("graph_patch", "/v1.0/identity/conditionalAccess/policies/58ee33d8-70f2", OpClass.TRUST_CHANGE),
        ("vault_read", "kv/data/shop/db", OpClass.SECRET_READ),
        ("vault_update", "sys/policies/acl/shop", OpClass.PRIVILEGE_CHANGE),
        ("vault_list", "sys/policies/acl", OpClass.POLICY_READ),
        ("vault_read", None, OpClass.OTHER),
    ],
)
def test_a_tool_that_passes_a_path_on_means_what_the_path_means(
    tool: str, path: str | None, op_class: OpClass
) -> None:
    """Its own name says little."""
    event = operation(tool_call(tool, {"path": path} if path else None))
    assert event.op_class is op_class
    assert event.target == (path or "")


@pytest.mark.parametrize(
    ("tool", "path", "target"),
    [
        ("graph_patch", "/identity/conditionalAccess/policies", ""),
        ("graph_post", "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests", ""),
        ("graph_patch", "/identity/conditionalAccess/policies/58ee33d8", "58ee33d8"),
        ("graph_get", "/identity/conditionalAccess/policies", "policies"),
    ],
)
def test_a_change_of_a_collection_names_no_target(tool: str, path: str, target: str) -> None:
    """What was made or changed there stands in the body, which is not read: the platform will say."""
    assert operation(tool_call(tool, {"path": path})).target.rpartition("/")[2] == target


@pytest.mark.parametrize(
    ("changed", "given", "outcome"),
    [
        ({}, {}, Outcome.OK),
        ({"status": {"code": 2}}, {}, Outcome.ERROR),
        ({"status": {"code": "STATUS_CODE_ERROR"}}, {"error.type": "AccessDenied"}, Outcome.DENIED),
        ({"status": {"code": 2}}, {"error.type": "permission_denied"}, Outcome.DENIED),
        ({}, {"error.type": "timeout"}, Outcome.ERROR),
        ({}, {"http.response.status_code": 403}, Outcome.DENIED),
        ({}, {"http.status_code": 500}, Outcome.ERROR),
        ({"status": {"code": 1}}, {}, Outcome.OK),
    ],
)
def test_how_it_ended_is_told_by_status_code_and_error(
    changed: Given, given: Given, outcome: Outcome
) -> None:
    """A refusal is told from a failure."""
    event = operation(request(span(CONVERSATION | {"gen_ai.tool.name": "iam_list_roles"} | given, **changed)))
    assert event.outcome is outcome


def test_a_tool_servers_span_follows_its_parent_and_brings_the_request() -> None:
    """Directory reads are in nobody's log: here they are an operation."""
    sighting = one(normalise, served(OKTA))
    event = sighting.event
    assert not sighting.settled
    assert sighting.follows == (Handle("span", f"{TRACE}:{TOOL}"),)
    assert sighting.brings == (Handle("span", f"{TRACE}:{CALL}"), Handle("okta.request", "req-1"))
    assert isinstance(event, Operation)
    assert (event.operation, event.op_class) == ("GET /api/v1/users/{}", OpClass.DISCOVERY)
    assert (event.target, event.act, event.session) == ("ann@example.org", "req-1", f"span:{TRACE}:{TOOL}")
    assert (event.system, event.agent, event.grade) == ("okta", "mcp-directory", Grade.OBSERVED)


@pytest.mark.parametrize(
    ("given", "handle"),
    [
        ({"rpc.method": "ListRoles", "aws.request_id": "r"}, Handle("aws.request", "r")),
        ({"http.request.header.client-request-id": ["r"]}, Handle("entra.request", "r")),
        ({"http.request.header.x-ms-client-request-id": ["r"]}, Handle("entra.request", "r")),
        ({"http.response.header.audit-id": ["r"]}, Handle("k8s.audit", "r")),
        ({"http.response.header.x-github-request-id": ["r"]}, Handle("github.request", "r")),
        (
            {
                "http.method": "PUT",
                "http.url": "https://sso.example.org/auth/admin/realms/corp/users/u-1?x=1",
            },
            Handle("keycloak.call", "PUT users/u-1"),
        ),
    ],
)
def test_a_call_that_its_platform_logs_only_brings_the_request(given: Given, handle: Handle) -> None:
    """The record itself will come: a second operation would be one too many."""
    sighting = one(normalise, served(given))
    assert isinstance(sighting.event, SessionStart)
    assert handle in sighting.brings
    assert sighting.follows[0] == Handle("span", f"{TRACE}:{TOOL}")


def test_a_header_that_names_a_conversation_is_asked_after_the_parent() -> None:
    """Our gateway passes it on to Vault and Google."""
    for header in ("x-correlation-id", "x-goog-request-reason"):
        sighting = one(normalise, served({f"http.request.header.{header}": ["conv-1"]}))
        assert sighting.follows == (Handle("span", f"{TRACE}:{TOOL}"), Handle("conversation", "conv-1"))


@pytest.mark.parametrize(
    ("method", "code", "operation_expected"), [("GET", 200, True), ("PUT", 204, False), ("PUT", 403, True)]
)
def test_keycloak_logs_neither_reads_nor_refusals(method: str, code: int, operation_expected: bool) -> None:  # noqa: FBT001
    """So that a refused change is told by the span alone."""
    given = {
        "http.request.method": method,
        "server.address": "sso.example.org",
        "http.response.status_code": code,
    }
    event = one(normalise, served(given | {"url.path": "/admin/realms/corp/users/u-1"})).event
    assert isinstance(event, Operation) is operation_expected


def test_spans_of_nobodys_agent_say_nothing() -> None:
    """A trace of a shop is no dead letter, and no event."""
    assert normalise(encoded(request(span({"http.route": "/cart"}, parentSpanId="")))) == ()


def test_no_value_of_an_argument_leaves_but_names_and_numbers() -> None:
    """Bodies, results and prompts may hold anything."""
    planted = "hunter2-planted"
    arguments = {
        "issue": "T-1",
        "body": planted,
        "content": {"deep": planted},
        "query": planted,
        "password": planted,
    }
    given = CONVERSATION | {
        "gen_ai.tool.name": "tickets_comment",
        "gen_ai.tool.call.arguments": json.dumps(arguments),
        "gen_ai.tool.call.result": planted,
        "gen_ai.input.messages": planted,
        "gen_ai.system_instructions": planted,
        "exception.message": planted,
    }
    made = span(
        given, status={"code": 2, "message": planted}, events=[{"attributes": attributes({"x": planted})}]
    )
    (sighting,) = normalise(encoded(request(made)))
    assert planted not in str(sighting)
    assert planted not in str(normalise(encoded(served(OKTA | {"url.path": f"/api/v1/users?q={planted}"}))))
    assert planted not in str(normalise(encoded(served(OKTA | {"url.path": f"/api/v1/recovery/1{planted}"}))))
    assert planted not in str(
        normalise(encoded(tool_call("run_anything", {"path": planted, "issue": planted})))
    )


@pytest.mark.parametrize(
    ("tool", "op_class"),
    [
        ("secretsmanager_batch_get_secret_value", OpClass.SECRET_READ),
        ("iam_create_open_idconnect_provider", OpClass.TRUST_CHANGE),
        ("sts_get_federation_token", OpClass.CREDENTIAL_MINT),
        ("cloudtrail_stop_logging", OpClass.GUARDRAIL_CHANGE),
        ("okta_user_account_privilege_grant", OpClass.PRIVILEGE_CHANGE),
        ("k8s_list_secrets", OpClass.SECRET_READ),
        ("gcp_set_iam_policy", OpClass.PRIVILEGE_CHANGE),
        ("order_pizza", OpClass.UNCLASSIFIED),
        ("iam_invent_something", OpClass.UNCLASSIFIED),
    ],
)
def test_tools_are_classed_by_what_they_call(tool: str, op_class: OpClass) -> None:
    """And one that nobody knows stays unclassified."""
    assert load_vocabulary("agent_tools").look_up(tool).op_class is op_class


@pytest.mark.corpus
def test_the_scenarios_spans_are_read_as_they_are_written() -> None:
    """Checked against the attributes themselves: who, what, when, how it ended; few tools are unknown."""
    tools = unknown = 0
    for record in sampled("otel.span"):
        (process,) = record["resourceSpans"]
        (made,) = process["scopeSpans"][0]["spans"]
        said = {pair["key"]: next(iter(pair["value"].values())) for pair in made["attributes"]}
        event = _checked(one(normalise, record), made, said)
        if isinstance(event, Operation):
            tools += 1
            unknown += event.op_class is OpClass.UNCLASSIFIED
    assert unknown <= tools * 0.02


def _checked(sighting: Sighting, made: dict[str, Any], said: dict[str, Any]) -> Any:
    event = sighting.event
    if "gen_ai.conversation.id" in said:
        assert (event.session, event.workflow) == (said["gen_ai.conversation.id"], said["workflow.id"])
        assert event.agent == said["gen_ai.agent.id"]
    else:
        assert sighting.follows[0].value == f"{made['traceId']}:{made['parentSpanId']}"
    if said.get("gen_ai.operation.name") == "execute_tool":
        assert isinstance(event, Operation)
        assert event.operation == said["gen_ai.tool.name"]
        assert (event.outcome is not Outcome.OK) is (made["status"].get("code") == 2)
    if said.get("gen_ai.operation.name") != "invoke_agent":
        assert event.at_ms == int(made["endTimeUnixNano"]) // 1_000_000
    return event


@pytest.mark.parametrize(
    ("tool", "op_class"),
    [
        ("mcp__cloud__iam_list_roles", OpClass.DISCOVERY),
        ("aws_secretsmanager_get_secret_value", OpClass.SECRET_READ),
        ("secretsmanager-get-secret-value", OpClass.SECRET_READ),
        ("gitlab_get_issue", OpClass.EXCHANGE),
        ("gitlab_create_project_access_token", OpClass.CREDENTIAL_MINT),
        ("gitlab_add_group_member", OpClass.ROLE_MAPPING),
        ("gitlab_unprotect_branch", OpClass.PRIVILEGE_CHANGE),
        ("gitlab_list_project_variables", OpClass.SECRET_READ),
        ("gitlab_get_project", OpClass.OTHER),
        ("gitlab_create_issue_note", OpClass.EXCHANGE),
        ("aws_", OpClass.UNCLASSIFIED),
        ("mcp__cloud__", OpClass.UNCLASSIFIED),
    ],
)
def test_what_is_written_around_a_tool_s_name_is_no_part_of_it(tool: str, op_class: OpClass) -> None:
    """The platform, or the server; its event keeps the name that the agent tells."""
    event = operation(request(span(CONVERSATION | {"tool.name": tool}, name=tool)))
    assert (event.operation, event.op_class) == (tool, op_class)
