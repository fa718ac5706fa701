"""Records of a Kubernetes API server's audit log for tests."""

from base64 import b64encode
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from models.event import Operation
from stream.sources.kubernetes.audit import normalise
from tests.ingest.changing import encoded
from tests.ingest.saas import only, operation

AGENT = "system:serviceaccount:agents:oncall"
RBAC = "rbac.authorization.k8s.io"
EXTRA = {
    "authentication.kubernetes.io/pod-name": ["oncall-1"],
    "authentication.kubernetes.io/pod-uid": ["uid-1"],
    "authentication.kubernetes.io/credential-id": ["JTI=token-1"],
}
ONCALL = {"kind": "ServiceAccount", "name": "oncall", "namespace": "agents"}


def event(verb: str, resource: str, name: str = "", namespace: str = "", **changed: Any) -> dict[str, Any]:
    """A call of an agent's pod; `body` is what it sent, `changed` are fields that matter to the test."""
    resource, _, subresource = resource.partition("/")
    reference = {"resource": resource, "subresource": subresource, "name": name, "namespace": namespace}
    body = changed.pop("body", None)
    return {
        "kind": "Event",
        "auditID": "a-1",
        "stage": "ResponseComplete",
        "verb": verb,
        "user": {"username": AGENT, "groups": ["system:serviceaccounts"], "extra": EXTRA},
        "sourceIPs": ["192.0.2.7", "10.0.0.1"],
        "userAgent": "agent/1",
        "objectRef": {key: value for key, value in reference.items() if value},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-09-21T14:13:20.250999Z",
        "stageTimestamp": "2026-09-21T14:13:20.300000Z",
        "annotations": {"authorization.k8s.io/decision": "allow"},
        **({"requestObject": body} if body is not None else {}),
        **changed,
    }


def read(record: dict[str, Any]) -> Operation:
    """The operation that a record is."""
    return operation(only(normalise(encoded(record))))


def bound(role: str, *subjects: dict[str, str], kind: str = "ClusterRole", **meta: Any) -> dict[str, Any]:
    """The body of a binding."""
    return {
        "metadata": {"name": "b", **meta},
        "roleRef": {"kind": kind, "name": role},
        "subjects": list(subjects),
    }


def request_for(common: str, group: str, *hosts: str) -> str:
    """A signing request, as a client sends it."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, group),
        ]
    )
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(names, critical=False)
    signed = made.sign(Ed25519PrivateKey.from_private_bytes(bytes(32)), None)
    return b64encode(signed.public_bytes(Encoding.PEM)).decode()
