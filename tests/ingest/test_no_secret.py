"""A secret in a record of any source reaches nothing that we keep or tell: the whole way, not one step."""

import json
from base64 import b64encode
from typing import Any

import msgspec
import pytest
from prometheus_client import generate_latest

from models.event import AnyEvent
from stream.ingest.pipeline import Pipeline
from stream.ingest.tally import IngestMetrics
from stream.recordings.recorded import Refused, told_of
from stream.sources.known import SOURCES
from stream.state.lineage import changes
from tests.builders import OFFICE, Judged
from tests.ingest import clouds, cloudtrail, kubernetes, spans, vault
from tests.ingest.changing import encoded

SECRET = "hunter2-S3CRET-zLk8"  # noqa: S105 - planted
BODY = {
    "password": SECRET,
    "secret": SECRET,
    "data": {"token": SECRET},
    "stringData": {"a": SECRET},
    "privateKeyData": SECRET,
    "jwt": SECRET,
    "secretString": SECRET,
    "registrationAccessToken": SECRET,
}
HELD = {
    "credentials": {"accessKeyId": cloudtrail.FRESH_KEY, "secretAccessKey": SECRET, "sessionToken": SECRET}
}
CALL = spans.CONVERSATION | {
    "gen_ai.tool.name": "iam_create_access_key",
    "gen_ai.tool.call.arguments": json.dumps(BODY),
    "gen_ai.tool.call.result": SECRET,
    "gen_ai.input.messages": SECRET,
}
TRAIL = [
    cloudtrail.fields("iam:CreateAccessKey", {"userName": "app"}, {"accessKey": HELD["credentials"]}),
    cloudtrail.fields("sts:AssumeRole", {"roleArn": "arn:aws:iam::1:role/app"} | BODY, HELD, eventID="2"),
    cloudtrail.fields("secretsmanager:PutSecretValue", {"secretId": "db"} | BODY, eventID="3"),
    cloudtrail.fields("iam:UpdateLoginProfile", BODY, errorMessage=SECRET, errorCode="x", eventID="4"),
]
WRITTEN = kubernetes.event(
    "create",
    "secrets",
    "t",
    "ci",
    body=BODY | {"metadata": {"name": "t", "annotations": {"note": SECRET}}},
    requestURI=f"/api/v1/x?token={SECRET}",
    responseObject={"status": {"token": SECRET}, "data": {"a": b64encode(SECRET.encode()).decode()}},
    responseStatus={"code": 500, "message": SECRET},
)
STORED = vault.entry("kv/data/shop/db", data={"data": BODY, "password": SECRET}, came=BODY, error=SECRET)
STORED["auth"] = vault.AUTH | {"client_token": SECRET}
STORED["request"]["client_token"] = SECRET
STORED["request"]["headers"]["x-vault-token"] = [SECRET]
KEYCLOAK = {
    "id": "k-1",
    "time": 1_790_000_000_250,
    "realmId": "r-1",
    "operationType": "UPDATE",
    "resourceType": "CLIENT",
    "resourcePath": "clients/c-1",
    "authDetails": {"clientId": "admin-cli", "userId": "u-1"},
    "representation": json.dumps(BODY),
    "error": SECRET,
}
OKTA = {
    "uuid": "o-1",
    "published": "2026-09-21T14:13:20.250Z",
    "eventType": "policy.rule.update",
    "displayMessage": SECRET,
    "actor": {"id": "00u1", "type": "User", "alternateId": "ann@example.org"},
    "outcome": {"result": "FAILURE", "reason": SECRET},
    "target": [{"id": "p1", "type": "PolicyRule", "displayName": "r", "detailEntry": BODY}],
    "debugContext": {"debugData": {"requestUri": f"/x?token={SECRET}", "url": SECRET}},
}
GITHUB = {
    "@timestamp": 1_790_000_000_250,
    "_document_id": "g-1",
    "action": "hook.create",
    "actor": "ann",
    "org": "example",
    "config": {"url": f"https://x.example/{SECRET}", "secret": SECRET},
    "message": SECRET,
    "data": BODY,
}
AGENTS = {"session": "conv-1", "agent": {"id": "agent:deployer"}, "workflow": "wf-1"} | BODY
FACT = {
    "specversion": "1.0",
    "type": "org.example.chainbrake.session.started.v1",
    "source": "//control",
    "id": "f-1",
    "time": "2026-09-21T14:13:20.250Z",
    "subject": "conv-1",
    "data": AGENTS,
}
OWN = {"kind": "session_end", "id": "e", "source": "g", "at_ms": 1, "workflow": "w", "session": "s"} | BODY
GCP = clouds.gcp("google.iam.admin.v1.CreateServiceAccountKey", request=BODY, response=BODY)
PLANTED: dict[str, list[Any]] = {
    "aws.cloudtrail": TRAIL,
    "chainbrake.event": [FACT],
    "entra.audit": [
        clouds.azure("Microsoft.Web/sites/config/write", "/subscriptions/1/x", {"properties": BODY}),
        clouds.directory("Update application", resultReason=SECRET, additionalDetails=[{"value": SECRET}]),
        clouds.graph("GET", f"https://graph.microsoft.com/v1.0/users?$filter={SECRET}"),
    ],
    "entra.signin": [clouds.sign_in(authenticationDetails=SECRET, deviceDetail=BODY)],
    "events": [OWN],
    "gcp.audit": [GCP],
    "github.audit": [GITHUB],
    "keycloak.admin": [KEYCLOAK],
    "kubernetes.audit": [WRITTEN],
    "ocsf": [clouds.ocsf(3007, 18, user={"name": "bo"}, message=SECRET, raw_data=SECRET, unmapped=BODY)],
    "okta.system_log": [OKTA],
    "otel.span": [
        spans.request(spans.span(CALL, status={"code": 2, "message": SECRET})),
        spans.served(spans.OKTA | {"url.path": f"/api/v1/users?q={SECRET}", "authorization": SECRET}),
    ],
    "vault.audit": [STORED],
}


def test_every_source_is_planted() -> None:
    """With at least one record that is read."""
    assert set(PLANTED) == set(SOURCES)


@pytest.mark.parametrize("source", PLANTED)
def test_a_planted_secret_reaches_no_state_finding_log_or_metric(source: str) -> None:
    """Events, what is stored of sources and workflows, findings, commands, reports of names and of faults."""
    pipeline, judged, counted = Pipeline(OFFICE), Judged(), IngestMetrics()
    counted.begin(pipeline)
    events: list[AnyEvent] = []
    faults: list[str] = []
    for record in PLANTED[source]:
        content = encoded(record)
        assert SECRET.encode() in content
        events += pipeline.take(source, content, None).events
        for broken in broken_of(record):
            taken = pipeline.take(source, encoded(broken), None)
            events += taken.events
            faults += [
                told_of(Refused(0, bad.error.reason, bad.error.detail, b""), source) for bad in taken.bad
            ]
    events += pipeline.overdue()
    judged.fold(events)
    counted.publish(1_790_000_000_000)
    stored = [[part.table, part.kept, part.dropped] for part in changes(pipeline.resolver.tables)]
    kept = {
        "events": msgspec.json.encode(events),
        "judgement": msgspec.json.encode([judged.findings, judged.commands, judged.workflows]),
        "lineage": msgspec.msgpack.encode(stored),
        "metrics": generate_latest(),
        "names": encoded(pipeline.names.flat()),
        "faults": encoded(faults),
    }
    assert events
    assert faults
    for where, content in kept.items():
        assert SECRET.encode() not in content, where
        assert b64encode(SECRET.encode()) not in content, where


def broken_of(record: dict[str, Any]) -> list[Any]:
    """Damaged as senders damage them: a secret where a structure, a list or nothing of the kind belongs."""
    return [
        SECRET,
        [SECRET],
        {SECRET: SECRET},
        *({**record, name: SECRET} for name, value in record.items() if isinstance(value, dict | list | int)),
    ]
