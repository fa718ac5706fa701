"""Records of Google Cloud, Entra, Azure and OCSF for the tests; all of them made up."""

import base64
import gzip
import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

from models.errors import UnreadableEventError
from models.event import Operation
from stream.sources.sighting import HANDLES, Normalise, Sighting
from tests.ingest.changing import encoded, places
from tests.recordings import SHARED

SECRET = "hunter2-planted-secret"  # noqa: S105 - planted so that it is looked for

POOL = "principal://iam.googleapis.com/projects/77/locations/global/workloadIdentityPools/agents/subject/"
ROBOT = "loader@shop-1.iam.gserviceaccount.com"
MAKER = {"app": {"appId": "app-1", "displayName": "desk-bot", "servicePrincipalId": "sp-1"}}
PERSON = {"user": {"id": "u-1", "userPrincipalName": "ada@shop.example", "ipAddress": "192.0.2.7"}}
OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"

ODD: list[Any] = [None, True, 0, -1, 2**63, 2**70, 1e308, "", " ", "\u0000", "é" * 3000, "\ud800", "[" * 3000]
ODD += [[], {}, [[]], [None], {"": {}}, [{"a": [{}]}], "2026-13-45T99:99:99Z", ["x"] * 5000, "a@b", "arn:"]


def read(normalise: Normalise, record: Any) -> tuple[Sighting, Operation]:
    """The one sighting of a record and its operation, which fits the limits of an event."""
    (sighting,) = normalise(encoded(record))
    event = msgspec.json.decode(msgspec.json.encode(sighting.event), type=Operation)
    assert event == sighting.event
    assert all(each.kind in HANDLES and each.value for each in (*sighting.follows, *sighting.brings))
    return sighting, event


def reads_or_refuses(normalise: Normalise, content: bytes) -> None:
    """Sightings that can be written, or an error with a reason: nothing else."""
    try:
        found = normalise(content)
    except UnreadableEventError as error:
        assert error.reason  # noqa: PT017 - a sighting is as good
        return
    for each in found:
        msgspec.json.decode(msgspec.json.encode(each.event), type=Operation)


def gcp(method: str, resource: str = "projects/shop-1", **payload: Any) -> dict[str, Any]:
    """A log entry of Google Cloud by a robot, over `payload`."""
    log = {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "status": {},
        "authenticationInfo": {"principalEmail": ROBOT},
        "requestMetadata": {"callerIp": "192.0.2.9", "callerSuppliedUserAgent": "terraform"},
        "serviceName": "iam.googleapis.com",
        "methodName": method,
        "resourceName": resource,
    }
    return {
        "protoPayload": log | payload,
        "insertId": "i-1",
        "timestamp": "2026-05-04T03:02:01.234567891Z",
        "resource": {"type": "project", "labels": {"project_id": "shop-1"}},
    }


def deltas(*changes: tuple[str, str, str]) -> dict[str, Any]:
    """`serviceData` of a policy change: action, role and member."""
    found = [{"action": action, "role": role, "member": member} for action, role, member in changes]
    return {"policyDelta": {"bindingDeltas": found}}


def through(subject: str) -> dict[str, Any]:
    """The robot, on behalf of a federated caller."""
    return {
        "principalEmail": ROBOT,
        "serviceAccountDelegationInfo": [{"principalSubject": POOL + subject}],
    }


def reason(text: str) -> dict[str, Any]:
    """Request metadata with a reason."""
    return {"requestAttributes": {"reason": base64.b64encode(text.encode()).decode()}}


def changed(name: str, old: Any, new: Any) -> dict[str, Any]:
    """A modified property as Entra writes it: values as JSON in text."""
    return {"displayName": name, "oldValue": _text(old), "newValue": _text(new)}


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def thing(kind: str, label: str, *modified: dict[str, Any]) -> dict[str, Any]:
    """A target resource."""
    return {"id": f"id-of-{label}", "displayName": label, "type": kind, "modifiedProperties": list(modified)}


def directory(activity: str, *things: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """A record of Entra's directory audit, in its envelope."""
    said = {
        "id": "Directory_1",
        "activityDisplayName": activity,
        "activityDateTime": "2026-05-04T03:02:01.2345678Z",
        "result": "success",
        "correlationId": "req-1",
        "initiatedBy": MAKER,
        "targetResources": list(things),
    }
    return _enveloped("AuditLogs", activity, said | properties)


def _enveloped(category: str, operation: str, properties: Any, **envelope: Any) -> dict[str, Any]:
    return {
        "time": "2026-05-04T03:02:01.234Z",
        "category": category,
        "operationName": operation,
        "tenantId": "tenant-1",
        "callerIpAddress": "192.0.2.9",
        "correlationId": "req-1",
        "properties": properties,
    } | envelope


def graph(method: str, uri: str, status: int = 200) -> dict[str, Any]:
    """A request to Microsoft Graph."""
    said = {
        "requestId": "g-1",
        "clientRequestId": "client-1",
        "requestMethod": method,
        "requestUri": f"https://graph.microsoft.com{uri}",
        "responseStatusCode": status,
        "servicePrincipalId": "sp-1",
        "appId": "app-1",
        "signInActivityId": "uti-1",
        "clientAuthMethod": "3",
    }
    return _enveloped("MicrosoftGraphActivityLogs", "Microsoft Graph Activity", said)


def azure(operation: str, scope: str, body: Any = None, **envelope: Any) -> dict[str, Any]:
    """An operation of the resource manager."""
    identity = {
        "authorization": {"scope": scope},
        "claims": {OBJECT_ID: "sp-1", "appid": "app-1", "uti": "uti-1", "appidacr": "1"},
    }
    said = {"entity": scope, "requestbody": json.dumps(body)} if body is not None else {"entity": scope}
    return _enveloped("Administrative", operation, said, identity=identity, resultType="Success", **envelope)


def vault(operation: str, path: str, status: int = 200) -> dict[str, Any]:
    """A request to a key vault."""
    said = {"id": f"https://kv-shop.vault.azure.net/{path}", "httpStatusCode": status}
    return _enveloped("AuditEvent", operation, said, identity={"claim": {OBJECT_ID: "sp-1"}})


def sign_in(category: str = "ServicePrincipalSignInLogs", **properties: Any) -> dict[str, Any]:
    """A sign-in."""
    said = {
        "id": "s-1",
        "createdDateTime": "2026-05-04T03:02:01Z",
        "servicePrincipalId": "sp-1",
        "servicePrincipalName": "desk-bot",
        "appId": "app-1",
        "ipAddress": "192.0.2.5",
        "uniqueTokenIdentifier": "uti-1",
        "correlationId": "req-1",
        "resourceDisplayName": "Microsoft Graph",
        "clientCredentialType": "federatedIdentityCredential",
        "status": {"errorCode": 0},
    }
    return _enveloped(category, "Sign-in activity", said | properties)


def ocsf(class_uid: int, activity_id: int, **fields: Any) -> dict[str, Any]:
    """An OCSF event."""
    return {
        "class_uid": class_uid,
        "activity_id": activity_id,
        "time": 1_777_863_721_234,
        "status_id": 1,
        "metadata": {"uid": "o-1", "version": "1.9.0", "product": {"vendor_name": "Acme"}},
        "actor": {"user": {"uid": "svc-1"}},
    } | fields


@st.composite
def mutated(draw: st.DrawFn, samples: list[Any]) -> bytes:
    """A good record with something in it replaced or taken away, or a few of its bytes."""
    record = deepcopy(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 3))):
        if not record:
            break
        holder, key = draw(st.sampled_from(list(places(record))))
        if draw(st.booleans()):
            holder[key] = deepcopy(draw(st.sampled_from(ODD)))
        else:
            del holder[key]
    content = encoded(record)
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        content = content[:at] + draw(st.binary(max_size=3)) + content[at + draw(st.integers(0, 3)) :]
    return content


def never_tells(normalise: Normalise, record: dict[str, Any], names: frozenset[str]) -> None:
    """A secret in any text of the record but a name stays in the normaliser."""
    for path in paths(record):
        if names.intersection(step for step in path if isinstance(step, str)):
            continue
        copy = holder = deepcopy(record)
        for step in path[:-1]:
            holder = holder[step]
        if not isinstance(holder[path[-1]], str):
            continue
        holder[path[-1]] = SECRET
        try:
            found = normalise(encoded(copy))
        except UnreadableEventError as error:
            assert SECRET not in str(error)  # noqa: PT017 - a sighting is as good
            continue
        assert SECRET.encode() not in msgspec.json.encode(found), path


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every place of a record."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from paths(each, (*path, key))


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a packed file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def recorded(*sources: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Records of these sources in the scenarios and their history."""
    folder = SHARED / "scenarios"
    for path in (*sorted(folder.glob("scn-*.gz")), *sorted((folder / "history").glob("*.ndjson.gz"))):
        with gzip.open(path, "rb") as file:
            for line in file:
                if any(source.encode() in line for source in sources):
                    found = json.loads(line)
                    if found["source"] in sources:
                        yield found["source"], found["record"]
