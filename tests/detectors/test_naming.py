"""When two names mean one thing, and when they only look alike."""

import pytest

from detectors.naming import names_target, same_operation, same_thing, stands_whole_in, subject
from models.event import SystemKind
from tests.builders import op


@pytest.mark.parametrize(
    ("written", "target", "same"),
    [
        ("iam:role/app", "app", True),
        ("iam:role/app", "role/APP", True),
        ("ops/RoleBinding/team", "ops/team", True),
        ("arn:aws:iam::111122223333:role/app", "iam:role/app", True),
        ("kv/app", "kv/data/app", True),
        ("ops/team", "kube-system/team", False),
        ("arn:aws:iam::111122223333:role/app", "arn:aws:iam::444455556666:role/app", False),
        ("app", "app2", False),
        ("", "", False),
        ("/", "/", False),
        ("app", "", False),
    ],
)
def test_what_both_say_of_where_it_is_has_to_agree(written: str, target: str, *, same: bool) -> None:
    """One of the two may say less, and neither may contradict the other."""
    assert same_thing(written, target) is same
    assert same_thing(target, written) is same


@pytest.mark.parametrize(
    ("written", "kind", "named"),
    [
        ("iam:role/app", "role", True),
        ("iam:role/app", "user", False),
        ("ops/RoleBinding/app", "binding", True),
        ("ops/Role/app", "binding", False),
        ("iam:oidc-provider/app", "oidc_provider", True),
        ("teams/app", "role", True),
    ],
)
def test_a_kind_that_is_known_has_to_be_the_same(written: str, kind: str, *, named: bool) -> None:
    """A word before the name that is no kind says nothing of it."""
    assert names_target(written, op("V", 0, target="app", target_kind=kind)) is named


@pytest.mark.parametrize(
    ("name", "text", "stands"),
    [
        ("svc-backup", "svc-backup->admins", True),
        ("svc-backup", "user SVC-BACKUP, admins", True),
        ("svc-backup", "svc-backup-reader:policy", False),
        ("svc-backup", "old-svc-backup", False),
        ("svc-backup", "svc-backup.example.org", False),
        ("kv/app", "see kv/app.", True),
    ],
)
def test_a_name_inside_a_longer_one_does_not_stand_there(name: str, text: str, *, stands: bool) -> None:
    """What an approval names is whole."""
    assert stands_whole_in(name, text) is stands


@pytest.mark.parametrize(
    ("written", "operation", "same"),
    [
        ("google.iam.admin.v1.CreateRole", "CreateRole", True),
        ("google.cloud.orgpolicy.v2.OrgPolicy.UpdatePolicy", "OrgPolicy.UpdatePolicy", True),
        ("iam.serviceAccountKeys.create", "CreateServiceAccountKey", True),
        ("cloudresourcemanager.googleapis.com/SetIamPolicy", "SetIamPolicy", True),
        ("AttachRolePolicy", "iam:AttachRolePolicy", True),
        ("aws iam attach-role-policy", "iam:AttachRolePolicy", True),
        ("iam.amazonaws.com:AttachRolePolicy", "iam:AttachRolePolicy", True),
        ("lambda:AddPermission20150331v2", "lambda:AddPermission", True),
        ("clusterrolebindings.create", "create clusterrolebindings", True),
        ("create ClusterRoleBinding", "create clusterrolebindings", True),
        ("create rbac.authorization.k8s.io/clusterrolebindings", "create clusterrolebindings", True),
        ("create networkpolicies.networking.k8s.io", "create networkpolicies", True),
        ("kubectl create clusterrolebinding", "create clusterrolebindings", True),
        ("create serviceaccounts token", "create serviceaccounts/token", True),
        ("sso:AttachRolePolicy", "iam:AttachRolePolicy", False),
        ("google.iam.admin.v1.CreateRole", "iam:CreateRole", False),
        ("DetachRolePolicy", "iam:AttachRolePolicy", False),
        ("create serviceaccounts", "create serviceaccounts/token", False),
        ("create serviceaccounts/token", "create serviceaccounts", False),
        ("create roles", "create clusterroles", False),
        ("repo.access.read", "repo.access", False),
        ("", "repo.access", False),
        ("SetIamPolicy", "", False),
    ],
)
def test_an_operation_is_one_however_it_is_spelt(written: str, operation: str, *, same: bool) -> None:
    """By the log, the method with its package, the permission or the command line."""
    assert same_operation(written, operation) is same


@pytest.mark.parametrize(
    ("written", "kind", "scope", "named"),
    [
        ("k8s:ClusterRole/app", "role", "*", True),
        ("k8s:ClusterRoleBinding/app", "binding", "*", True),
        ("ops/Role/app", "role", "*", False),
        ("ops/RoleBinding/app", "binding", "*", False),
        ("k8s:ClusterRole/app", "role", "ops", False),
    ],
)
def test_a_role_of_the_whole_cluster_is_another_than_one_of_a_name_space(
    written: str, kind: str, scope: str, *, named: bool
) -> None:
    """Both are called `role` by the platform, and a plan says which."""
    event = op("V", 0, target="app", target_kind=kind, system_kind=SystemKind.CLUSTER, facts={"scope": scope})
    assert names_target(written, event) is named


def test_what_says_something_of_another_thing_is_known_by_its_own_id_too() -> None:
    """A plan names the assignment, the record's target is its scope: another one there is not planned."""
    scope = "/subscriptions/s/resourceGroups/rg-app"
    assigned = f"{scope}/providers/Microsoft.Authorization/roleAssignments/7a1c"
    event = op("V", 0, target="rg-app", facts={"thing": assigned.upper()})
    assert names_target(assigned, event)
    assert not names_target(assigned.replace("7a1c", "9f9f"), event)
    assert subject(assigned) == scope
    assert subject(f"{scope}/providers/Microsoft.Insights/diagnosticSettings/siem") == scope
    assert subject(scope) == ""
