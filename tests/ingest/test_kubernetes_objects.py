"""Bodies of Kubernetes requests: who gets what, and how far."""

from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.attested import Effect, Fact
from models.event import OpClass
from stream.sources.certificates import asked_for
from stream.sources.kubernetes.audit import normalise
from tests.ingest.changing import encoded
from tests.ingest.kubernetes import AGENT, ONCALL, RBAC, bound, event, read, request_for
from tests.ingest.saas import holds
from tests.recordings import MUTATIONS

PATHS = [
    "",
    "/",
    "/0",
    "/-",
    "/subjects",
    "/subjects/-",
    "/rules/0/verbs/-",
    "/spec/template/spec",
    "/a" * 5000,
]
PATHS += ["/metadata/labels/a~1b", "/spec/template/spec/serviceAccountName", "/roleRef", "/metadata"]
VALUE = st.sampled_from([None, 1, "x", [], {}, [ONCALL], ONCALL, {"spec": {"hostPID": True}}, [[1]]])
STEP = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "test"]),
        "path": st.sampled_from(PATHS),
        "value": VALUE,
    }
)


@pytest.mark.parametrize(
    ("resource", "role", "kind", "namespace", "effects"),
    [
        ("clusterrolebindings", "cluster-admin", "ClusterRole", "", "expands wide admin"),
        ("clusterrolebindings", "view", "ClusterRole", "", "expands wide"),
        ("rolebindings", "cluster-admin", "ClusterRole", "billing", "expands admin"),
        ("rolebindings", "pod-reader", "Role", "billing", "expands"),
        ("rolebindings", "badminton", "Role", "billing", "expands"),
    ],
)
def test_a_binding_tells_who_gets_what_and_how_far(
    resource: str, role: str, kind: str, namespace: str, effects: str
) -> None:
    """L06, L10 and L11 differ from their twins by no more than this."""
    found = read(event("create", resource, "b", namespace, body=bound(role, ONCALL, kind=kind)))
    assert set(found.effects) == {Effect(effect) for effect in effects.split()}
    assert (found.facts[Fact.GRANTED], found.facts[Fact.BENEFICIARY]) == (role, AGENT)
    assert found.facts[Fact.SCOPE] == (namespace or "*")
    assert found.op_class is (OpClass.ROLE_MAPPING if namespace else OpClass.PRIVILEGE_CHANGE)


def test_a_binding_for_everybody_is_wide() -> None:
    """A group that every account is in makes any role a role of all."""
    everybody = {"kind": "Group", "name": "system:authenticated"}
    found = read(event("create", "rolebindings", "b", "billing", body=bound("r", everybody, kind="Role")))
    assert Effect.WIDE in found.effects


def test_bindings_taken_away_or_emptied_are_removals() -> None:
    """They expand nothing, whatever role they were of."""
    deleted = read(event("delete", "clusterrolebindings", "b"))
    emptied = read(event("update", "rolebindings", "b", "billing", body=bound("r")))
    assert deleted.effects == emptied.effects == (Effect.REMOVES,)


def test_a_json_patch_is_read_like_the_object() -> None:
    """One more subject is a grant, in whatever form it was sent."""
    steps = [{"op": "add", "path": "/subjects/-", "value": ONCALL}]
    steps += [{"op": "add", "path": "/metadata/annotations/example.org~1commit", "value": "c0ffee"}]
    found = read(event("patch", "clusterrolebindings", "b", body=steps))
    assert (found.facts[Fact.BENEFICIARY], found.facts[Fact.CHANGE]) == (AGENT, "c0ffee")
    assert Effect.EXPANDS in found.effects


def test_a_json_patch_hides_nothing() -> None:
    """However deep a value is put, and whatever is taken away beside it."""
    account = {"op": "replace", "path": "/spec/template/spec/serviceAccountName", "value": "tooling"}
    moved = read(event("patch", "deployments", "a", "billing", body=[account]))
    assert moved.facts[Fact.BENEFICIARY] == "system:serviceaccount:billing:tooling"
    root = {"op": "add", "path": "/spec/template/spec/containers/0/securityContext/privileged", "value": True}
    assert Effect.WIDE in read(event("patch", "daemonsets", "a", "billing", body=[account, root])).effects
    count = {"op": "replace", "path": "/spec/replicas", "value": 3}
    assert read(event("patch", "deployments", "a", "billing", body=[count])).op_class is OpClass.OTHER
    gone = {"op": "remove", "path": "/subjects/0"}
    assert Effect.EXPANDS not in read(event("patch", "clusterrolebindings", "b", body=[gone])).effects
    assert Effect.REMOVES in read(event("patch", "clusterrolebindings", "b", body=[gone])).effects
    swapped = [gone, {"op": "add", "path": "/subjects/-", "value": ONCALL}]
    assert Effect.EXPANDS in read(event("patch", "clusterrolebindings", "b", body=swapped)).effects


@MUTATIONS
@given(steps=st.lists(STEP, max_size=6))
def test_no_json_patch_breaks_it(steps: list[dict[str, Any]]) -> None:
    """Steps that contradict one another, or that lead nowhere."""
    for resource in ("deployments", "clusterrolebindings", "clusterroles"):
        holds(normalise, encoded(event("patch", resource, "a", body=steps)))


@pytest.mark.parametrize(
    ("rule", "admin"),
    [
        ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, True),
        ({"apiGroups": [RBAC], "resources": ["clusterroles"], "verbs": ["escalate"]}, True),
        ({"apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"]}, True),
        ({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}, False),
        ({"apiGroups": [RBAC], "resources": ["roles"], "verbs": ["get", "list"]}, False),
    ],
)
def test_a_role_is_administrative_by_what_it_allows(rule: dict[str, Any], *, admin: bool) -> None:
    """By its rules, whatever its name."""
    found = read(event("create", "clusterroles", "viewer", body={"metadata": {}, "rules": [rule]}))
    assert (Effect.ADMIN in found.effects) is admin
    assert found.facts[Fact.GRANTED] == ",".join(rule["resources"])


def test_marks_of_a_deployment_tool_name_the_change() -> None:
    """L10 and L11: tracking id, commit and release say which change an object belongs to."""
    argo = {
        "argocd.argoproj.io/tracking-id": "app:rbac/RoleBinding:billing/b",
        "example.org/commit": "c0ffee",
    }
    helm = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "billing"}
    last = {"kubectl.kubernetes.io/last-applied-configuration": '{"password": "x"}'}
    body = bound("r", ONCALL, kind="Role", annotations={**argo, **last}, labels=helm)
    found = read(event("patch", "rolebindings", "b", "billing", body=body))
    assert found.facts[Fact.CHANGE] == "app:rbac/RoleBinding:billing/b,c0ffee,billing"
    account = read(event("create", "serviceaccounts", "w", "billing", body={"metadata": {"labels": helm}}))
    assert account.facts[Fact.CHANGE] == "billing"
    kept = read(event("create", "secrets", "sh.helm.release.v1.billing.v14", "billing"))
    assert (kept.facts[Fact.CHANGE], kept.op_class) == ("billing", OpClass.OTHER)
    assert Fact.CHANGE not in read(event("create", "rolebindings", "b", "x", body=bound("r"))).facts


def test_a_certificate_request_says_for_whom() -> None:
    """L07 and its twins: names within the profile, a wildcard, or a client in a group of administrators."""
    ordinary = {"issuerRef": {"name": "internal"}, "duration": "2160h0m0s", "dnsNames": ["a.example.org"]}
    renewal = read(event("create", "certificaterequests", "tls-1", "billing", body={"spec": ordinary}))
    assert (renewal.facts[Fact.ISSUER], renewal.facts[Fact.NAMES]) == ("internal", "a.example.org")
    assert renewal.facts[Fact.LIFETIME_S] == str(90 * 86_400)
    assert Effect.ADMIN not in renewal.effects
    spec: dict[str, Any] = {"signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}
    spec |= {"request": request_for("oncall", "system:masters", "*.example.org"), "expirationSeconds": 3600}
    client = read(event("create", "certificatesigningrequests", "ops", body={"spec": spec}))
    assert client.op_class is OpClass.CREDENTIAL_MINT
    assert Effect.ADMIN in client.effects
    assert Effect.LONG_LIVED not in client.effects
    assert client.facts[Fact.NAMES] == "oncall,*.example.org"
    assert client.facts[Fact.GROUPS] == "system:masters"
    assert client.facts[Fact.ISSUER] == "kubernetes.io/kube-apiserver-client"


CUT = st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=3))


@pytest.mark.corpus
@MUTATIONS
@given(cuts=st.lists(CUT, min_size=1, max_size=4))
def test_a_broken_request_says_nothing(cuts: list[tuple[int, int, bytes]]) -> None:
    """Versions and kinds of names that nobody knows, lengths that lie: no exception escapes."""
    armour = b64decode(request_for("oncall", "system:masters", "*.example.org")).splitlines()
    der = b64decode(b"".join(armour[1:-1]))
    for at, length, bytes_ in cuts:
        der = der[:at] + bytes_ + der[at + length :]
    pem = b"\n".join((armour[0], b64encode(der), armour[-1]))
    for request in (pem.decode(), b64encode(pem).decode()):
        asked = asked_for(request)
        assert asked is None or all(isinstance(text, str) for text in (*asked.names, *asked.groups))


def test_a_version_that_nobody_knows_is_none_of_ours() -> None:
    """The library has an error of its own for it."""
    pem = b64decode(request_for("oncall", "apps"))
    armour = pem.splitlines()
    der = b64decode(b"".join(armour[1:-1])).replace(b"\x02\x01\x00", b"\x02\x01\x08", 1)
    assert asked_for(pem.decode()) is not None
    assert asked_for(b"\n".join((armour[0], b64encode(der), armour[-1])).decode()) is None


def test_who_asks_is_not_whom_a_certificate_is_for() -> None:
    """`spec.groups` is the server's note of who asked: an administrator may ask for anybody."""
    spec = {"request": request_for("app", "apps", "a.example.org"), "groups": ["system:masters"]}
    found = read(event("create", "certificatesigningrequests", "app", body={"spec": spec}))
    assert Effect.ADMIN not in found.effects
    without = read(
        event("create", "certificatesigningrequests", "app", body={"spec": {**spec, "request": "x"}})
    )
    assert Effect.ADMIN in without.effects


def test_an_approval_makes_the_certificate_and_a_refusal_does_not() -> None:
    """Both are updates of the same thing."""
    approved = {"status": {"conditions": [{"type": "Approved"}]}}
    denied = {"status": {"conditions": [{"type": "Denied"}]}}
    made = read(event("update", "certificatesigningrequests/approval", "ops", body=approved))
    refused = read(event("update", "certificatesigningrequests/approval", "ops", body=denied))
    assert (made.op_class, made.target) == (OpClass.CREDENTIAL_MINT, "ops")
    assert Effect.MINTS in made.effects
    assert refused.op_class is OpClass.OTHER
    assert Effect.MINTS not in refused.effects


def test_a_secret_of_a_tokens_type_is_a_token_without_end() -> None:
    """Any other secret is only written."""
    meta = {"annotations": {"kubernetes.io/service-account.name": "deployer"}}
    body = {"metadata": meta, "type": "kubernetes.io/service-account-token", "data": {"x": "aGk="}}
    found = read(event("create", "secrets", "t", "ci", body=body))
    assert found.op_class is OpClass.CREDENTIAL_MINT
    assert {Effect.MINTS, Effect.LONG_LIVED} <= set(found.effects)
    assert found.facts[Fact.BENEFICIARY] == "system:serviceaccount:ci:deployer"


def test_a_workload_that_runs_as_another_account_is_told_from_a_restart() -> None:
    """C19: the on-call agent restarts deployments all day."""
    restarted = {"spec": {"template": {"metadata": {"annotations": {"restartedAt": "now"}}}}}
    moved = {"spec": {"template": {"spec": {"serviceAccountName": "tooling"}}}}
    assert read(event("patch", "deployments", "a", "billing", body=restarted)).op_class is OpClass.OTHER
    found = read(event("patch", "deployments", "a", "billing", body=moved))
    assert found.op_class is OpClass.PRIVILEGE_CHANGE
    assert found.facts[Fact.BENEFICIARY] == "system:serviceaccount:billing:tooling"


@pytest.mark.parametrize(
    ("spec", "reaches"),
    [
        ({"hostPID": True}, True),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, True),
        ({"containers": [{"securityContext": {"privileged": True}}]}, True),
        ({"containers": [{"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}]}, True),
        ({"containers": [{"securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"]}}}]}, False),
        ({"hostNetwork": False, "volumes": [{"emptyDir": {}}]}, False),
    ],
)
def test_a_pod_that_reaches_its_node_is_a_change_of_privileges(
    spec: dict[str, Any], *, reaches: bool
) -> None:
    """Controllers make pods all day; whoever is on the node has all that runs there."""
    found = read(event("create", "pods", "p", "billing", body={"spec": spec}))
    assert found.op_class is (OpClass.PRIVILEGE_CHANGE if reaches else OpClass.OTHER)
    assert (Effect.WIDE in found.effects) is reaches


def test_the_account_map_of_eks_is_a_grant() -> None:
    """Whoever is in it under system:masters is an administrator of the cluster."""
    roles = "- rolearn: arn:aws:iam::111122223333:role/x\n  groups: [system:masters]\n"
    record = event("patch", "configmaps", "aws-auth", "kube-system", body={"data": {"mapRoles": roles}})
    assert {Effect.EXPANDS, Effect.ADMIN, Effect.WIDE} <= set(read(record).effects)
    assert read(event("patch", "configmaps", "app", "kube-system", body={})).op_class is OpClass.OTHER


@pytest.mark.parametrize(
    ("verb", "rule", "expands"),
    [
        ("create", {"resources": ["pods", "pods/log"], "verbs": ["get", "list"]}, False),
        ("create", {"resources": ["pods"], "verbs": ["get", "delete"]}, True),
        ("create", {"resources": ["pods/exec"], "verbs": ["create"]}, True),
        ("create", {"resources": ["secrets"], "verbs": ["get"]}, True),
        ("create", {"resources": ["*"], "verbs": ["get"]}, True),
        ("create", {"resources": ["pods"], "verbs": ["*"]}, True),
        ("create", {"resources": ["pods"]}, True),
        ("update", {"resources": ["pods"], "verbs": ["get"]}, True),
    ],
)
def test_a_new_role_that_only_looks_makes_nobody_stronger(
    verb: str, rule: dict[str, Any], *, expands: bool
) -> None:
    """Nobody has it before it is bound; an old one may be bound already."""
    for resource, name_space in (("roles", "billing"), ("clusterroles", "")):
        found = read(
            event(verb, resource, "viewer", name_space, body={"rules": [{"apiGroups": [""], **rule}]})
        )
        assert (Effect.EXPANDS in found.effects) is expands
        assert (Effect.WIDE in found.effects) is (expands and not name_space)
        assert found.op_class is OpClass.PRIVILEGE_CHANGE
