"""Spans as agents and tool servers send them, for the tests."""

import json
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

TRACE, ROOT, TOOL = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7", "b7ad6b7169203331"
CALL = "c1c2c3c4c5c6c7c8"
START, END = 1790000000000, 1790000000250
CONVERSATION = {
    "gen_ai.conversation.id": "conv-1",
    "gen_ai.agent.id": "agent:deployer",
    "workflow.id": "wf-1",
}
POD = {"service.name": "runtime", "k8s.pod.name": "deployer-0", "k8s.pod.uid": "uid-1"}

Given = dict[str, Any]


def attributes(given: Given) -> list[dict[str, Any]]:
    """Attributes as OTLP in JSON writes them."""
    return [{"key": key, "value": _value(value)} for key, value in given.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [{"stringValue": each} for each in value]}}
    return {"stringValue": value}


def span(given: Given, **changed: Any) -> dict[str, Any]:
    """One span."""
    return {
        "traceId": TRACE,
        "spanId": TOOL,
        "parentSpanId": ROOT,
        "name": "a span",
        "kind": 3,
        "startTimeUnixNano": str(START * 1_000_000),
        "endTimeUnixNano": str(END * 1_000_000),
        "attributes": attributes(given),
        "status": {},
        **changed,
    }


def request(*spans: dict[str, Any], resource: Given | None = None) -> dict[str, Any]:
    """A request with these spans of one process."""
    process = {"attributes": attributes(POD if resource is None else resource)}
    return {"resourceSpans": [{"resource": process, "scopeSpans": [{"spans": list(spans)}]}]}


def tool_call(tool: str, arguments: Given | None = None, **changed: Any) -> dict[str, Any]:
    """An agent's call of a tool."""
    given = CONVERSATION | {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool}
    given["server.address"] = "tools.example.org"
    if arguments is not None:
        given["gen_ai.tool.call.arguments"] = json.dumps(arguments)
    return request(span(given, **changed))


def served(given: Given, **changed: Any) -> dict[str, Any]:
    """A call that a tool server makes on an agent's behalf."""
    made = span(given, spanId=CALL, parentSpanId=TOOL, **changed)
    return request(made, resource={"service.name": "mcp-directory"})


OKTA = {
    "http.request.method": "GET",
    "server.address": "org.okta.com",
    "url.path": "/api/v1/users/ann@example.org",
    "http.response.header.x-okta-request-id": ["req-1"],
    "http.response.status_code": 200,
}
SAMPLES = [
    tool_call("iam_list_roles"),
    tool_call("tickets_get", {"issue": "T-1", "reporter_type": "portal-anonymous", "body_chars": 12}),
    request(span(CONVERSATION | {"gen_ai.operation.name": "invoke_agent"})),
    served(OKTA),
    served({"rpc.system": "aws-api", "rpc.method": "ListRoles", "aws.request_id": "aws-1"}),
    request(span(CONVERSATION), span(CONVERSATION | {"mcp.method.name": "tools/call"})),
]


def protobuf(record: dict[str, Any]) -> bytes:
    """The same request in protobuf."""
    made = ExportTraceServiceRequest()
    for process in record["resourceSpans"]:
        resource = made.resource_spans.add()
        resource.resource.attributes.extend(map(_pair, process["resource"]["attributes"]))
        for each in process["scopeSpans"][0]["spans"]:
            added = resource.scope_spans.add().spans.add(
                trace_id=bytes.fromhex(each["traceId"]),
                span_id=bytes.fromhex(each["spanId"]),
                parent_span_id=bytes.fromhex(each["parentSpanId"]),
                name=each["name"],
                kind=each["kind"],
                start_time_unix_nano=int(each["startTimeUnixNano"]),
                end_time_unix_nano=int(each["endTimeUnixNano"]),
                attributes=map(_pair, each["attributes"]),
            )
            added.status.code = each["status"].get("code", 0)
    return made.SerializeToString()


def _pair(pair: dict[str, Any]) -> KeyValue:
    match pair["value"]:
        case {"intValue": number}:
            value = AnyValue(int_value=int(number))
        case {"arrayValue": {"values": several}}:
            each = [AnyValue(string_value=one["stringValue"]) for one in several]
            value = AnyValue(array_value=ArrayValue(values=each))
        case other:
            value = AnyValue(string_value=other["stringValue"])
    return KeyValue(key=pair["key"], value=value)
