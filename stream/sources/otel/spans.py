"""Spans of agents and of their tool servers: who runs, which tools are called, and under which request ids.

Format: see `otlp.py`; attributes by OpenTelemetry's conventions for generative AI, MCP, HTTP and RPC, by
their old names as well as the new. What a span becomes:

- of an agent (it names its conversation): a tool call is an `Operation`; everything else (`invoke_agent`,
  `chat`, …) only says that the session runs and where, and is a `SessionStart`;
- of a tool server (it names none): follows its parent span and brings the request ids by which platforms know
  the call. It is an `Operation` where the platform's own log lacks the call, else a `SessionStart` that says
  nothing but that;
- of anything else: nothing.

A tool call's `act` is its own span, a tool server's is the request id, so that the platform's record, the
server's span and the agent's span can be told as one act: the server's span follows the agent's.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from models.attested import Fact
from models.event import Grade, OpClass, Operation, Outcome, SessionStart
from stream.sources.http_calls import Call, api_of, call_of, only_seen_here
from stream.sources.otel.otlp import SERVER, Span, read_spans
from stream.sources.reading import NESTED_MAX, name
from stream.sources.sighting import Handle, Sighting
from stream.sources.tools import meaning
from stream.sources.vocabularies import load_vocabulary

SOURCE = "otel.span"

CONVERSATION = ("gen_ai.conversation.id", "gen_ai.thread.id", "session.id")
TOOL = ("gen_ai.tool.name", "mcp.tool.name", "tool.name", "mcp.request.tool.name")
ARGUMENTS = ("gen_ai.tool.call.arguments", "mcp.tool.arguments", "input.value", "gen_ai.tool.arguments")
AGENT = ("gen_ai.agent.id", "gen_ai.agent.name")
METHOD = ("http.request.method", "http.method")
PATH = ("url.path", "http.target", "url.full", "http.url")
HOST = ("server.address", "net.peer.name", "http.host", "peer.service")
CODE = ("http.response.status_code", "http.status_code", "rpc.grpc.status_code")

REQUESTS = (
    ("aws.request_id", "aws.request"),
    ("aws.requestId", "aws.request"),
    ("http.response.header.x-amzn-requestid", "aws.request"),
    ("http.response.header.x-amz-request-id", "aws.request"),
    ("http.response.header.x-okta-request-id", "okta.request"),
    ("http.request.header.client-request-id", "entra.request"),
    ("http.request.header.x-ms-client-request-id", "entra.request"),
    ("http.response.header.audit-id", "k8s.audit"),
    ("http.response.header.x-github-request-id", "github.request"),
)
"""Attributes that hold a platform's request id, and the handle it is."""

CORRELATIONS = (
    "http.request.header.x-correlation-id",
    "http.request.header.x-goog-request-reason",
)
"""Headers in which our gateway passes the conversation on."""

DENIED_WORDS = (
    "denied",
    "forbidden",
    "unauthorized",
    "unauthorised",
    "not_authorized",
    "permission",
    "access",
)
DENIED_CODES = frozenset({"401", "403"})
OF_ITS_PROCESS = frozenset({"invoke_agent", "execute_tool"})
"""What the agent's own process tells; its first tool call comes long before the span of the whole run."""

_arguments = msgspec.json.Decoder()


def normalise(record: bytes) -> tuple[Sighting, ...]:
    """All spans of one OTLP request, in JSON or protobuf. Raises `UnreadableEventError`.

    One unreadable span among readable ones is left out: a broken span must not hide what else a batch says.
    """
    batch = read_spans(record)
    if not batch.spans and batch.reason is not None:
        raise batch.reason
    return tuple(sighting for span in batch.spans for sighting in _sightings(span))


def _sightings(span: Span) -> Iterator[Sighting]:
    conversation = text(span, CONVERSATION)
    if conversation:
        yield _of_agent(span, conversation)
    elif span.parent:
        yield _of_server(span)
    elif tool_of(span):
        yield _unheld(span)


def text(span: Span, keys: tuple[str, ...]) -> str:
    """The first of these attributes that is there, as text; a list's first entry."""
    for key in keys:
        value = span.attributes.get(key)
        if isinstance(value, tuple):
            value = value[0] if value else ""
        if value not in (None, ""):
            return name(str(value))
    return ""


def tool_of(span: Span) -> str:
    """Name of the tool that is called; empty if none is."""
    attributes = span.attributes
    operation, method = attributes.get("gen_ai.operation.name"), attributes.get("mcp.method.name")
    tool = text(span, TOOL)
    if operation == "execute_tool" or method == "tools/call":
        return tool or name(span.name.rpartition(" ")[2])
    if operation in (None, "") and method in (None, "") and tool:
        return tool
    if operation in (None, "") and isinstance(method, str) and method in {"resources/read", "prompts/get"}:
        return method
    return ""


def own_handle(span: Span) -> Handle:
    """The span, for those whose parent it is."""
    return Handle("span", f"{span.trace}:{span.id}")


def parent_handle(span: Span) -> Handle:
    """The span's parent."""
    return Handle("span", f"{span.trace}:{span.parent}")


def trace_handle(span: Span) -> Handle:
    """Its trace: the runs of one workflow share it, so it names one only where no other is known."""
    return Handle("trace", span.trace)


def _of_agent(span: Span, conversation: str) -> Sighting:
    tool = tool_of(span)
    brings = (own_handle(span), *_requests(span), *_pod(span), trace_handle(span))
    if not tool:
        return Sighting(event=_running(span, conversation), settled=True, brings=brings)
    workflow = text(span, ("workflow.id",)) or conversation
    return Sighting(event=_call(span, tool, conversation, workflow), settled=True, brings=brings)


def _running(span: Span, conversation: str) -> SessionStart:
    """That the session runs: dated by its beginning for `invoke_agent`, else by the span's end."""
    begins = span.attributes.get("gen_ai.operation.name") == "invoke_agent"
    facts = {
        Fact.POD: resource(span, "k8s.pod.name"),
        Fact.SCOPE: resource(span, "k8s.namespace.name"),
        "cluster": resource(span, "k8s.cluster.name"),
        "trace": span.trace,
        "parent_span": f"{span.trace}:{span.parent}" if begins and span.parent else "",
    }
    return SessionStart(
        id=f"{span.trace}:{span.id}",
        source=SOURCE,
        at_ms=span.started_ms if begins else span.ended_ms,
        session=conversation,
        workflow=text(span, ("workflow.id",)) or conversation,
        agent=text(span, AGENT),
        on_behalf_of=text(span, ("enduser.id", "user.id")),
        grade=Grade.OBSERVED,
        facts={str(key): value for key, value in facts.items() if value},
    )


def resource(span: Span, key: str) -> str:
    """An attribute of the process."""
    value = span.resource.get(key)
    return name(value) if isinstance(value, str) else ""


def _pod(span: Span) -> tuple[Handle, ...]:
    """Where an agent runs: its pod is the session's. A model's proxy or a tool server has one of its own."""
    if span.kind == SERVER or span.attributes.get("gen_ai.operation.name") not in OF_ITS_PROCESS:
        return ()
    held = (("pod", resource(span, "k8s.pod.name")), ("pod_uid", resource(span, "k8s.pod.uid")))
    return tuple(Handle(kind, value) for kind, value in held if value)


def _call(span: Span, tool: str, session: str, workflow: str) -> Operation:
    said = meaning(tool, text(span, HOST), _arguments_of(span))
    facts = said.facts
    for key, value in (("server", text(span, HOST)), ("mcp_session", text(span, ("mcp.session.id",)))):
        if value:
            facts[key] = value
    return Operation(
        id=f"{span.trace}:{span.id}",
        source=SOURCE,
        at_ms=span.ended_ms,
        session=session,
        workflow=workflow,
        agent=text(span, AGENT) or resource(span, "service.name") or "unknown",
        on_behalf_of=text(span, ("enduser.id", "user.id")),
        grade=Grade.OBSERVED,
        operation=tool,
        op_class=said.op_class,
        outcome=outcome_of(span),
        system=said.system,
        system_kind=said.system_kind,
        target=said.target,
        target_kind=said.target_kind,
        effects=said.effects,
        act=f"{span.trace}:{span.id}",
        facts=facts,
    )


def _arguments_of(span: Span) -> dict[str, Any]:
    """The tool's arguments, where the agent's telemetry records them; most do not."""
    for key in ARGUMENTS:
        value = span.attributes.get(key)
        if isinstance(value, str) and 0 < len(value) <= NESTED_MAX:
            try:
                found = _arguments.decode(value)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                return {}
            return found if isinstance(found, dict) else {}
    return {}


def outcome_of(span: Span) -> Outcome:
    """How it ended: a refusal where the code or the type of error says so."""
    code = text(span, CODE)
    if code in DENIED_CODES:
        return Outcome.DENIED
    kind = text(span, ("error.type",)).lower()
    if not span.failed and not kind:
        return Outcome.ERROR if code[:1] in {"4", "5"} and len(code) == len("400") else Outcome.OK
    refused = kind in DENIED_CODES or any(word in kind for word in DENIED_WORDS)
    return Outcome.DENIED if refused else Outcome.ERROR


def _requests(span: Span) -> tuple[Handle, ...]:
    """The request ids by which platforms know the call."""
    found = [Handle(kind, value) for key, kind in REQUESTS if (value := text(span, (key,)))]
    return tuple(dict.fromkeys(found))


def _unheld(span: Span) -> Sighting:
    """A tool call without conversation or parent: the session is the MCP server's, or the trace."""
    mcp = text(span, ("mcp.session.id",))
    session = f"mcp:{mcp}" if mcp else f"trace:{span.trace}"
    event = _call(span, tool_of(span), session, session)
    return Sighting(event=event, brings=(own_handle(span), *_requests(span)))


def _of_server(span: Span) -> Sighting:
    """A span below another one: whoever holds the parent, or else the conversation that a header names.

    Where the parent's own span never comes, the only run of the trace.
    """
    session = f"span:{span.trace}:{span.parent}"
    headers = [value for key in CORRELATIONS if (value := text(span, (key,)))]
    follows = (parent_handle(span), *(Handle("conversation", value) for value in headers))
    call = _http_call(span)
    requests = _requests(span)
    brings = [own_handle(span), *requests]
    if call is not None and call.api == "keycloak":
        brings.append(_keycloak(span, call))
    outcome = outcome_of(span)
    tool = tool_of(span) if span.kind != SERVER else ""
    if tool:
        event: Operation | SessionStart = _call(span, tool, session, session)
    elif call is not None and only_seen_here(call.api, call.method, refused=outcome is Outcome.DENIED):
        event = _request(span, call, session, requests[0].value if requests else "")
    else:
        event = SessionStart(
            id=f"{span.trace}:{span.id}",
            source=SOURCE,
            at_ms=span.ended_ms,
            session=session,
            workflow=session,
            grade=Grade.OBSERVED,
        )
    return Sighting(event=event, follows=follows, brings=tuple(brings), at_last=(trace_handle(span),))


def _http_call(span: Span) -> Call | None:
    method, path = text(span, METHOD), text(span, PATH)
    if not method or not path:
        return None
    if "://" in path:
        path = "/" + path.partition("://")[2].partition("/")[2]
    api = api_of(text(span, HOST), path, frozenset(span.attributes))
    return call_of(api, method, path) if api else None


def _keycloak(span: Span, call: Call) -> Handle:
    """The call as Keycloak's admin events name it: below the realm, ids included."""
    path = text(span, PATH).partition("?")[0].partition("/admin/realms/")[2].partition("/")[2]
    return Handle("keycloak.call", f"{call.method} {path}")


def _request(span: Span, call: Call, session: str, request: str) -> Operation:
    """A call that no platform's log holds."""
    entry = load_vocabulary("http_calls").look_up(call.named)
    content = load_vocabulary("http_calls").content
    return Operation(
        id=f"{span.trace}:{span.id}",
        source=SOURCE,
        at_ms=span.ended_ms,
        session=session,
        workflow=session,
        agent=resource(span, "service.name") or "unknown",
        grade=Grade.OBSERVED,
        operation=name(f"{call.method} {call.path}"),
        op_class=entry.op_class,
        outcome=outcome_of(span),
        system={"graph": "entra", "kubernetes": "k8s"}.get(call.api, call.api),
        system_kind=entry.system_kind or content.system_kind,
        target=call.target if entry.op_class is not OpClass.UNCLASSIFIED else "",
        target_kind=entry.target_kind,
        effects=entry.effects,
        act=request or f"{span.trace}:{span.parent}",
        facts={"server": resource(span, "service.name")} if resource(span, "service.name") else {},
    )
