"""The audit log of a Kubernetes API server as operations."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given

from models.attested import Effect, Fact
from models.errors import Unreadable, UnreadableEventError
from models.event import EVENT_BYTES_MAX, CredentialKind, Grade, OpClass, Operation, Outcome
from stream.sources.kubernetes.audit import normalise
from stream.sources.sighting import Handle
from tests.ingest.changing import TOO_DEEP, encoded
from tests.ingest.kubernetes import AGENT, ONCALL, bound, event, read, request_for
from tests.ingest.saas import (
    holds,
    mostly_known,
    mostly_right,
    mutated,
    only,
    operation,
    panther_records,
    scenario_records,
)
from tests.recordings import MUTATIONS


def test_a_call_of_a_pod_is_traced_by_audit_id_pod_and_token() -> None:
    """In the order of the join rules; the account itself comes last."""
    sighting = only(normalise(encoded(event("get", "secrets", "db", "billing"))))
    found = operation(sighting)
    assert (found.source, found.id, found.act, found.at_ms) == (
        "kubernetes.audit",
        "a-1",
        "a-1",
        1_790_000_000_250,
    )
    assert found.session == found.workflow == f"k8s:{AGENT}"
    assert (found.principal, found.grade, found.workload_proven) == (AGENT, Grade.ATTESTED, True)
    assert (found.credential, found.credential_kind) == ("token-1", CredentialKind.EPHEMERAL)
    assert sighting.follows == (
        Handle("k8s.audit", "a-1"),
        Handle("pod_uid", "uid-1"),
        Handle("pod", "oncall-1"),
        Handle("k8s.jti", "token-1"),
    )
    assert (found.operation, found.target, found.system) == ("get secrets", "billing/db", "k8s")
    assert (found.facts[Fact.SCOPE], found.facts[Fact.ADDRESS]) == ("billing", "192.0.2.7")
    assert found.facts[Fact.POD] == "oncall-1"


def test_callers_from_a_cloud_are_traced_by_its_credential() -> None:
    """C14 and C20: EKS and AKS pass on which key or token was behind the call."""
    amazon = {"accessKeyId": ["ASIAEXAMPLE"], "arn": ["arn:aws:sts::111122223333:assumed-role/r/s"]}
    microsoft = {"oid": ["o-1"], "uti": ["uti-1"]}
    for extra, handle in (
        (amazon, Handle("aws.access_key", "ASIAEXAMPLE")),
        (microsoft, Handle("entra.uti", "uti-1")),
    ):
        record = event("list", "secrets", user={"username": "cloud-user", "extra": extra})
        sighting = only(normalise(encoded(record)))
        assert sighting.follows == (Handle("k8s.audit", "a-1"), handle)
        assert operation(sighting).credential == handle.value
    assert read(event("list", "secrets", user={"extra": amazon})).facts[Fact.ACCOUNT] == "111122223333"


def test_secrets_are_read_one_by_one_by_name_space_or_all() -> None:
    """C19: all of the cluster's secrets in one call is another thing than one's own."""
    one, some, all_of_them = (
        read(event("get", "secrets", "db", "billing")),
        read(event("list", "secrets", namespace="billing")),
        read(event("list", "secrets")),
    )
    assert [found.op_class for found in (one, some, all_of_them)] == [OpClass.SECRET_READ] * 3
    assert [found.target for found in (one, some, all_of_them)] == ["billing/db", "billing/*", "*"]
    assert [Effect.WIDE in found.effects for found in (one, some, all_of_them)] == [False, False, True]
    assert all(Effect.SECRET_VALUE in found.effects for found in (one, some, all_of_them))
    assert all_of_them.facts[Fact.SCOPE] == "*"


def test_a_minted_token_belongs_to_the_session_that_asked() -> None:
    """And is for whichever account was named."""
    marks = {"authentication.kubernetes.io/issued-credential-id": "JTI=token-2"}
    record = event("create", "serviceaccounts/token", "deployer", "ci", annotations=marks)
    sighting = only(normalise(encoded(record)))
    found = operation(sighting)
    assert sighting.brings == (Handle("k8s.jti", "token-2"),)
    assert found.op_class is OpClass.CREDENTIAL_MINT
    assert found.facts[Fact.BENEFICIARY] == "system:serviceaccount:ci:deployer"
    assert found.facts[Fact.MINTED] == "token-2"


def test_ones_own_short_token_and_a_kubelets_are_no_gain() -> None:
    """A lasting one of one's own is: it outlives the session."""
    own = event("create", "serviceaccounts/token", "oncall", "agents")
    lasting = {**own, "requestObject": {"spec": {"expirationSeconds": 31_536_000}}}
    node = {"username": "system:node:n-1", "groups": ["system:nodes"]}
    marks = {"authentication.kubernetes.io/issued-credential-id": "JTI=token-3"}
    kubelet = event("create", "serviceaccounts/token", "app", "billing", user=node, annotations=marks)
    assert read(own).op_class is OpClass.OTHER
    assert read(kubelet).op_class is OpClass.OTHER
    assert only(normalise(encoded(kubelet))).brings == ()
    assert read(lasting).op_class is OpClass.CREDENTIAL_MINT
    assert Effect.LONG_LIVED in read(lasting).effects


@pytest.mark.parametrize(
    ("username", "namespace", "seconds", "op_class"),
    [
        ("system:kube-controller-manager", "kube-system", 3_600, OpClass.OTHER),
        ("system:kube-controller-manager", "kube-system", 31_536_000, OpClass.CREDENTIAL_MINT),
        ("system:kube-controller-manager", "billing", 3_600, OpClass.CREDENTIAL_MINT),
        ("ann@example.org", "kube-system", 3_600, OpClass.CREDENTIAL_MINT),
        ("system:serviceaccount:ops:kube-controller-manager", "kube-system", 3_600, OpClass.CREDENTIAL_MINT),
    ],
    ids=["its controllers'", "a lasting one", "of somebody else's account", "a person", "a like name"],
)
def test_the_control_plane_asks_for_the_tokens_of_its_controllers(
    username: str, namespace: str, seconds: int, op_class: OpClass
) -> None:
    """All day, in every cluster, and nobody gains by it."""
    body = {"spec": {"expirationSeconds": seconds}}
    user = {"username": username, "groups": ["system:authenticated"]}
    asked = event("create", "serviceaccounts/token", "namespace-controller", namespace, body=body, user=user)
    assert read(asked).op_class is op_class


def test_a_call_as_somebody_else_names_both() -> None:
    """Impersonation: one account asks, another's rights decide."""
    other = {"username": "root", "groups": ["system:masters"]}
    found = read(event("get", "pods", "p", "billing", impersonatedUser=other))
    assert (found.principal, found.on_behalf_of) == (AGENT, "root")
    assert Effect.ADMIN in found.effects


@pytest.mark.parametrize(
    ("code", "decision", "outcome"),
    [
        (201, "allow", Outcome.OK),
        (403, "forbid", Outcome.DENIED),
        (401, "allow", Outcome.DENIED),
        (404, "allow", Outcome.ERROR),
        (500, "allow", Outcome.ERROR),
        (0, "forbid", Outcome.DENIED),
    ],
)
def test_refused_is_told_from_broken(code: int, decision: str, outcome: Outcome) -> None:
    """C14 in its denied-elsewhere variant: here refused, there allowed."""
    marks = {"authorization.k8s.io/decision": decision}
    record = event("create", "clusterrolebindings", "b", responseStatus={"code": code}, annotations=marks)
    assert read(record).outcome is outcome


def test_what_is_not_finished_is_no_operation_yet() -> None:
    """Stages of one request have one id: the first that says how it went counts, later ones are doubles."""
    started = event("watch", "secrets", stage="ResponseStarted")
    assert normalise(encoded(event("get", "secrets", stage="RequestReceived"))) == ()
    assert read(started).id == read({**started, "stage": "ResponseComplete"}).id
    assert read(event("get", "secrets", stage="Panic")).outcome is Outcome.ERROR


def test_calls_without_a_resource_have_a_path() -> None:
    """Health and version are asked for without end."""
    record = event("get", "", requestURI="/openapi/v3/apis/apps/v1?hash=1", objectRef=None)
    assert read(record).operation == "get /openapi/v3"
    assert read(record).op_class is OpClass.OTHER
    assert read(event("get", "", requestURI="/unheard/of", objectRef=None)).op_class is OpClass.UNCLASSIFIED


def test_the_webhooks_lists_are_read_one_by_one() -> None:
    """An EventList is what the API server posts."""
    two = [event("get", "secrets", "a", "x"), {**event("get", "secrets", "b", "x"), "auditID": "a-2"}]
    found = normalise(encoded({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": two}))
    assert [operation(only((each,))).target for each in found] == ["x/a", "x/b"]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", Unreadable.TOMBSTONE),
        (b"{", Unreadable.NOT_JSON),
        (b'{"verb": "\xff"}', Unreadable.NOT_UTF8),
        (b"[]", Unreadable.INVALID),
        (encoded({"kind": "Event", "verb": "get"}), Unreadable.INVALID),
        (encoded(event("get", "pods", requestReceivedTimestamp="now")), Unreadable.INVALID),
        (encoded(event("get", "pods", objectRef="pods")), Unreadable.INVALID),
        (encoded(event("get", "pods", userAgent="u" * EVENT_BYTES_MAX)), Unreadable.TOO_LARGE),
        (b'{"requestObject":' + b"[" * 100_000, TOO_DEEP),
    ],
)
def test_what_is_no_event_is_an_error_with_its_reason(record: bytes, reason: Unreadable) -> None:
    """It goes to the dead letters, and the reason is counted."""
    with pytest.raises(UnreadableEventError) as raised:
        normalise(record)
    assert raised.value.reason is reason


def test_no_secret_leaves_the_normaliser() -> None:
    """Bodies, responses and messages stay here, except for names."""
    secret = "S3CRET-zLk8"  # noqa: S105 - planted
    body = {
        "metadata": {"name": "t", "annotations": {"last-applied-configuration": secret, "note": secret}},
        "type": "Opaque",
        "data": {"password": b64encode(secret.encode()).decode(), "plain": secret},
        "stringData": {"password": secret},
        "spec": {"token": secret, "template": {"spec": {"containers": [{"env": [{"value": secret}]}]}}},
    }
    for resource in ("secrets", "configmaps", "deployments", "pods", "serviceaccounts/token"):
        record = event(
            "update",
            resource,
            "t",
            "ci",
            body=body,
            requestURI=f"/api/v1/x?command={secret}",
            responseObject={"status": {"token": secret}, "data": {"a": secret}},
            responseStatus={"code": 200, "message": secret, "reason": secret},
            annotations={"authorization.k8s.io/reason": secret},
        )
        sighting = msgspec.json.encode(only(normalise(encoded(record))))
        assert secret.encode() not in sighting
        assert b64encode(secret.encode()) not in sighting


SAMPLES = [
    event("create", "clusterrolebindings", "b", body=bound("cluster-admin", ONCALL)),
    event("patch", "rolebindings", "b", "x", body=[{"op": "add", "path": "/subjects/-", "value": ONCALL}]),
    event(
        "create",
        "certificatesigningrequests",
        "c",
        body={"spec": {"request": request_for("a", "b"), "expirationSeconds": 600}},
    ),
    event("create", "certificaterequests", "c", "x", body={"spec": {"duration": "1h", "dnsNames": ["a"]}}),
    event(
        "create", "pods", "p", "x", body={"spec": {"containers": [{"securityContext": {"privileged": True}}]}}
    ),
    event(
        "patch", "deployments", "d", "x", body={"spec": {"template": {"spec": {"serviceAccountName": "a"}}}}
    ),
    event("update", "configmaps", "aws-auth", "kube-system", body={"data": {"mapRoles": "x"}}),
    {"items": [event("get", "secrets", "s", "x", impersonatedUser={"username": "u", "groups": ["g"]})]},
]


@pytest.mark.corpus
@MUTATIONS
@given(record=mutated(SAMPLES))
def test_no_record_breaks_it(record: bytes) -> None:
    """Sightings or an error with its reason, whatever the bytes."""
    holds(normalise, record)


@pytest.mark.corpus
def test_the_corpora_are_read_right() -> None:
    """Actor, operation, outcome, time and target against the raw fields, by another path."""
    found = [(record, read(record)) for record in scenario_records("kubernetes.audit")]
    mostly_right(found, _right)
    mostly_known(found)


def test_samples_of_other_rule_makers_are_read_right() -> None:
    """They were written by hand: whoever left the time out is given one. Four have no verb at all."""
    given_time = {"requestReceivedTimestamp": "2026-09-21T14:13:20Z"}
    records = [given_time | each for each in panther_records("Amazon.EKS.Audit") if each.get("verb")]
    found = [(record, read(record)) for record in records]
    mostly_right(found, _right)
    known = [each for record, each in found if record.get("objectRef")]
    assert sum(each.op_class is OpClass.UNCLASSIFIED for each in known) <= 0.02 * len(known)


def _right(record: dict[str, Any], found: Operation) -> bool:
    at_ms = datetime.fromisoformat(record["requestReceivedTimestamp"].replace("Z", "").replace(" ", "T"))
    reference = record.get("objectRef") or {}
    code = record.get("responseStatus", {}).get("code") or 0
    whole = [reference.get("namespace"), reference.get("name")]
    expected = "/".join(part for part in whole if part)
    kind = "/".join(part for part in (reference.get("resource"), reference.get("subresource")) if part)
    return (
        found.principal == record.get("user", {}).get("username", "system:anonymous")
        and found.operation.startswith(f"{record['verb']} {kind}")
        and (found.outcome is Outcome.OK) == (code < 400)
        and (found.outcome is Outcome.DENIED) == (code in {401, 403})
        and abs(found.at_ms - at_ms.replace(tzinfo=UTC).timestamp() * 1000) < 1
        and (found.target == expected if reference.get("name") else found.target.startswith(expected))
    )
