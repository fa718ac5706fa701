"""CloudTrail: what the parameters say, of clusters, secrets, shares, logging and code."""

from typing import Any

import pytest

from models.attested import Effect, Fact
from models.event import OpClass
from tests.ingest.cloudtrail import OURS, STRANGERS, allow, policy, role, seen, trust

SECRET = f"arn:aws:secretsmanager:eu-west-1:{OURS}:secret"


@pytest.mark.parametrize("name", ["orders/db", f"{SECRET}:orders/db-a1B2c3"])
def test_a_secret_has_one_name(name: str) -> None:
    """Read by ARN and written by name, it is the same."""
    read = seen("secretsmanager:GetSecretValue", {"secretId": name})
    written = seen("secretsmanager:PutSecretValue", {"secretId": name})
    assert read.target == written.target == "orders/db"
    assert (read.op_class, read.effects) == (OpClass.SECRET_READ, (Effect.SECRET_VALUE,))
    assert (written.op_class, written.effects) == (OpClass.OTHER, ())


def test_a_batch_of_secrets_is_counted() -> None:
    """By names; by filters nobody knows."""
    names = [f"{SECRET}:a-a1B2c3", "b"]
    named = seen("secretsmanager:BatchGetSecretValue", {"secretIdList": names})
    assert (named.target, named.facts[Fact.COUNT], named.facts["targets"]) == ("a", "2", "a,b")
    filtered = seen("secretsmanager:BatchGetSecretValue", {"filters": [{"key": "all", "values": ["p"]}]})
    assert Effect.WIDE in filtered.effects
    assert Fact.COUNT not in filtered.facts


def test_a_parameter_is_a_secret_where_decryption_was_asked_for() -> None:
    """Else it is text; several are counted."""
    secret = seen("ssm:GetParameter", {"name": "/orders/db/password", "withDecryption": True})
    assert (secret.op_class, secret.target) == (OpClass.SECRET_READ, "/orders/db/password")
    arn = f"arn:aws:ssm:eu-west-1:{OURS}:parameter/orders/db/password"
    assert seen("ssm:GetParameter", {"name": arn, "withDecryption": True}).target == secret.target
    text = seen("ssm:GetParameter", {"name": "/orders/image", "withDecryption": False})
    assert (text.op_class, text.effects) == (OpClass.OTHER, ())
    several = seen("ssm:GetParameters", {"names": ["/a", "/b", "/c"], "withDecryption": True})
    assert (several.facts[Fact.COUNT], several.facts["targets"]) == ("3", "/a,/b,/c")
    path = seen("ssm:GetParametersByPath", {"path": "/", "recursive": True, "withDecryption": True})
    assert Effect.WIDE in path.effects
    reference = seen(
        "ssm:GetParameter", {"name": "/aws/reference/secretsmanager/orders/db", "withDecryption": True}
    )
    assert reference.target == "orders/db", "a secret by another door is the same secret"


def test_grants_that_services_make_for_disks_expand_nobody() -> None:
    """Those of people and agents do."""
    asked = {"keyId": "k", "granteePrincipal": f"arn:aws:iam::{OURS}:role/app", "operations": ["Decrypt"]}
    assert seen("kms:CreateGrant", asked).effects == (Effect.EXPANDS,)
    assert seen("kms:CreateGrant", asked, userIdentity=role(invokedBy="ec2.amazonaws.com")).effects == ()


def test_what_a_service_decrypts_for_its_own_call_is_no_second_read() -> None:
    """Asked for directly, the plain text is in the answer."""
    key = [{"ARN": f"arn:aws:kms:eu-west-1:{OURS}:key/k-1", "type": "AWS::KMS::Key"}]
    direct = seen("kms:Decrypt", {"encryptionContext": {}}, resources=key)
    assert (direct.op_class, direct.target) == (OpClass.SECRET_READ, "k-1")
    stands_in = seen("kms:Decrypt", {}, resources=key, sourceIPAddress="secretsmanager.amazonaws.com")
    assert stands_in.op_class is OpClass.OTHER
    served = seen(
        "kms:Decrypt", {}, resources=key, userIdentity=role(invokedBy="secretsmanager.amazonaws.com")
    )
    assert (served.op_class, served.effects) == (OpClass.OTHER, ())


def test_a_machine_gets_the_role_of_a_profile() -> None:
    """Whoever runs on it has the role."""
    asked = {
        "InstanceId": "i-1",
        "IamInstanceProfile": {"Arn": f"arn:aws:iam::{OURS}:instance-profile/admin"},
    }
    event = seen("ec2:AssociateIamInstanceProfile", {"AssociateIamInstanceProfileRequest": asked})
    assert (event.op_class, event.target, event.facts[Fact.GRANTED]) == (OpClass.ROLE_MAPPING, "i-1", "admin")


def test_an_access_entry_says_who_is_let_into_which_cluster_as_what() -> None:
    """A policy for the cluster is wide, one for name spaces is not."""
    who = {"name": "prod", "principalArn": f"arn:aws:iam::{OURS}:role/deployer"}
    entry = seen("eks:CreateAccessEntry", who | {"kubernetesGroups": ["system:masters"]})
    assert (entry.target, entry.facts[Fact.BENEFICIARY], entry.facts[Fact.SCOPE]) == (
        "deployer",
        "deployer",
        "prod",
    )
    assert {Effect.EXPANDS, Effect.ADMIN, Effect.WIDE} <= set(entry.effects)
    quoted = seen("eks:DeleteAccessEntry", {"principalArn": f"arn%3Aaws%3Aiam%3A%3A{OURS}%3Arole%2Fdeployer"})
    assert quoted.target == "deployer", "as it stands in the path of the request"
    plain = "arn:aws:eks::aws:cluster-access-policy"
    admin = who | {"policyArn": f"{plain}/AmazonEKSClusterAdminPolicy", "accessScope": {"type": "cluster"}}
    assert {Effect.ADMIN, Effect.WIDE} <= set(seen("eks:AssociateAccessPolicy", admin).effects)
    scoped = {"type": "namespace", "namespaces": ["orders"]}
    edit = seen(
        "eks:AssociateAccessPolicy",
        who | {"policyArn": f"{plain}/AmazonEKSEditPolicy", "accessScope": scoped},
    )
    assert edit.effects == (Effect.EXPANDS,)
    assert (edit.facts["namespaces"], edit.facts[Fact.GRANTED]) == ("orders", "AmazonEKSEditPolicy")


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("s3:PutBucketPolicy", {"bucketName": "b", "bucketPolicy": {"Statement": [trust(AWS=STRANGERS)]}}),
        (
            "secretsmanager:PutResourcePolicy",
            {"secretId": "s", "resourcePolicy": policy(trust(AWS=STRANGERS))},
        ),
        ("kms:PutKeyPolicy", {"keyId": "k", "policy": policy(trust(AWS=f"arn:aws:iam::{STRANGERS}:root"))}),
        ("ecr:SetRepositoryPolicy", {"repositoryName": "r", "policyText": policy(trust(AWS=STRANGERS))}),
        ("lambda:AddPermission20150331v2", {"functionName": "f", "principal": STRANGERS}),
        ("kms:CreateGrant", {"keyId": "k", "granteePrincipal": f"arn:aws:iam::{STRANGERS}:role/x"}),
        ("ram:CreateResourceShare", {"name": "n", "principals": [STRANGERS]}),
    ],
)
def test_whatever_lets_a_stranger_in_names_the_stranger(operation: str, parameters: dict[str, Any]) -> None:
    """On a bucket, secret, key, repository, function, share."""
    event = seen(operation, parameters)
    assert event.facts[Fact.FOREIGN_ACCOUNT] == STRANGERS
    assert Effect.TRUST_PATH in event.effects
    assert event.target == next(value for value in parameters.values() if isinstance(value, str))


def test_a_permission_for_a_service_or_the_own_account_lets_nobody_in() -> None:
    """Nor one for everybody from one source; a function without a login does."""
    for principal in ("s3.amazonaws.com", OURS):
        event = seen("lambda:AddPermission", {"functionName": "f", "principal": principal})
        assert Effect.TRUST_PATH not in event.effects
    limited = {"functionName": "f", "principal": "*", "sourceArn": "arn:aws:sns:eu-west-1:1:t"}
    assert Effect.TRUST_PATH not in seen("lambda:AddPermission", limited).effects
    url = seen("lambda:CreateFunctionUrlConfig", {"functionName": "f", "authType": "NONE"})
    assert {Effect.TRUST_PATH, Effect.WIDE} <= set(url.effects)


@pytest.mark.parametrize(
    ("operation", "parameters", "foreign"),
    [
        (
            "rds:ModifyDBSnapshotAttribute",
            {"dBSnapshotIdentifier": "s", "valuesToAdd": [STRANGERS]},
            STRANGERS,
        ),
        ("rds:ModifyDBSnapshotAttribute", {"dBSnapshotIdentifier": "s", "valuesToAdd": ["all"]}, "*"),
        ("rds:ModifyDBSnapshotAttribute", {"dBSnapshotIdentifier": "s", "valuesToRemove": [STRANGERS]}, ""),
        (
            "ec2:ModifySnapshotAttribute",
            {"snapshotId": "s", "createVolumePermission": {"add": {"items": [{"userId": STRANGERS}]}}},
            STRANGERS,
        ),
        (
            "ec2:ModifyImageAttribute",
            {"imageId": "s", "launchPermission": {"add": {"items": [{"group": "all"}]}}},
            "*",
        ),
        (
            "ec2:ModifySnapshotAttribute",
            {"snapshotId": "s", "createVolumePermission": {"add": {"items": [{"group": "none"}]}}},
            "",
        ),
    ],
)
def test_a_snapshot_that_is_given_away_leaves(
    operation: str, parameters: dict[str, Any], foreign: str
) -> None:
    """Taken back, it does not."""
    event = seen(operation, parameters)
    assert event.facts.get(Fact.FOREIGN_ACCOUNT, "") == foreign
    assert (Effect.OUTBOUND in event.effects) is bool(foreign)
    assert event.op_class is (OpClass.EXCHANGE if foreign else OpClass.OTHER)


def test_a_factor_is_nobodys_before_it_is_enabled() -> None:
    """Its seed alone logs nobody in."""
    assert seen("iam:CreateVirtualMFADevice", {"virtualMFADeviceName": "ann"}).op_class is OpClass.OTHER
    assert Effect.MINTS in seen("iam:EnableMFADevice", {"userName": "ann"}).effects


@pytest.mark.parametrize(
    ("operation", "parameters", "weakens"),
    [
        ("cloudtrail:StopLogging", {"name": f"arn:aws:cloudtrail:eu-west-1:{OURS}:trail/main"}, True),
        ("cloudtrail:DeleteTrail", {"name": "main"}, True),
        ("cloudtrail:PutEventSelectors", {"eventSelectors": [{"includeManagementEvents": False}]}, True),
        ("cloudtrail:PutEventSelectors", {"eventSelectors": [{"readWriteType": "ReadOnly"}]}, True),
        ("cloudtrail:PutEventSelectors", {"eventSelectors": [{"readWriteType": "All"}]}, False),
        ("cloudtrail:UpdateTrail", {"name": "main", "isMultiRegionTrail": False}, True),
        ("cloudtrail:UpdateTrail", {"name": "main", "isMultiRegionTrail": True}, False),
        ("guardduty:UpdateDetector", {"detectorId": "d", "enable": False}, True),
        ("guardduty:UpdateDetector", {"detectorId": "d", "enable": True}, False),
        ("s3:PutBucketLogging", {"bucketName": "b", "BucketLoggingStatus": {}}, True),
        ("s3:PutBucketLogging", {"BucketLoggingStatus": {"LoggingEnabled": {"TargetBucket": "t"}}}, False),
        ("ec2:ModifyInstanceMetadataOptions", {"instanceId": "i", "httpTokens": "optional"}, True),
        ("organizations:DetachPolicy", {"policyId": "p-1", "targetId": OURS}, True),
        ("config:StopConfigurationRecorder", {"configurationRecorderName": "default"}, True),
    ],
)
def test_a_guard_rail_is_weaker_or_it_is_not(
    operation: str,
    parameters: dict[str, Any],
    weakens: bool,  # noqa: FBT001 - pytest's own
) -> None:
    """By what the call says."""
    event = seen(operation, parameters)
    assert event.op_class is OpClass.GUARDRAIL_CHANGE
    assert (Effect.WEAKENS in event.effects) is weakens


def test_code_on_a_role_is_a_change_of_privilege() -> None:
    """Memory and time-outs are none."""
    code = seen("lambda:UpdateFunctionCode20150331v2", {"functionName": "f", "zipFile": "x"})
    assert (code.op_class, code.target) == (OpClass.PRIVILEGE_CHANGE, "f")
    size = seen("lambda:UpdateFunctionConfiguration20150331v2", {"functionName": "f", "memorySize": 512})
    assert size.op_class is OpClass.OTHER
    asked = {
        "functionName": f"arn:aws:lambda:eu-west-1:{OURS}:function:f:1",
        "role": f"arn:aws:iam::{OURS}:role/app",
    }
    moved = seen("lambda:UpdateFunctionConfiguration20150331v2", asked)
    assert (moved.op_class, moved.target, moved.facts[Fact.GRANTED]) == (OpClass.PRIVILEGE_CHANGE, "f", "app")
    script = seen("ec2:ModifyInstanceAttribute", {"instanceId": "i-1", "userData": {"value": "x"}})
    assert script.op_class is OpClass.PRIVILEGE_CHANGE


def test_identity_centre_says_who_may_take_what_where() -> None:
    """Assignments, permission sets, issuers."""
    sets = "arn:aws:sso:::permissionSet/ssoins-1/ps-1"
    asked = {"permissionSetArn": sets, "principalId": "u-1", "targetId": OURS, "principalType": "USER"}
    given = seen("sso:CreateAccountAssignment", asked)
    assert (given.op_class, given.facts[Fact.BENEFICIARY], given.facts[Fact.SCOPE]) == (
        "role_mapping",
        "u-1",
        OURS,
    )
    inline = seen(
        "sso:PutInlinePolicyToPermissionSet", {"permissionSetArn": sets, "inlinePolicy": policy(allow("*"))}
    )
    assert Effect.ADMIN in inline.effects
    oidc = {"oidcJwtConfiguration": {"issuerUrl": "https://id.example.net/t"}}
    issuer = seen("sso:CreateTrustedTokenIssuer", {"name": "n", "trustedTokenIssuerConfiguration": oidc})
    assert issuer.facts[Fact.ISSUER] == "id.example.net"


def test_roles_for_certificates_are_named() -> None:
    """Roles Anywhere."""
    asked = {"name": "p", "roleArns": [f"arn:aws:iam::{OURS}:role/a", f"arn:aws:iam::{OURS}:role/team/b"]}
    event = seen("rolesanywhere:CreateProfile", asked)
    assert (event.op_class, event.facts[Fact.GRANTED]) == (OpClass.ROLE_MAPPING, "a,b")
    assert seen("rolesanywhere:CreateTrustAnchor", {"name": "t"}).effects == (Effect.TRUST_PATH,)


def test_names_of_a_certificate_are_facts() -> None:
    """A wildcard is wide."""
    asked = {"domainName": "app.example.org", "subjectAlternativeNames": ["*.example.org"]}
    event = seen("acm:RequestCertificate", asked)
    assert event.facts[Fact.NAMES] == "app.example.org,*.example.org"
    assert Effect.WIDE in event.effects


@pytest.mark.parametrize(
    ("operation", "parameters", "resources", "target"),
    [
        ("s3:GetBucketPolicy", {"bucketName": "logs"}, None, "logs"),
        (
            "ecs:UpdateService",
            {"cluster": "prod", "service": "app", "taskArn": "arn:aws:ecs:r:1:task/t"},
            None,
            "t",
        ),
        ("ec2:StopInstances", {"instancesSet": {"items": [{"instanceId": "i-1"}]}}, None, "i-1"),
        ("dynamodb:GetItem", {"tableName": "t", "key": {"id": "secret"}}, None, "t"),
        ("s3:GetObject", {"bucketName": "b"}, [{"ARN": "arn:aws:s3:::b/key"}], "b/key"),
        ("iam:GetUser", None, None, ""),
        ("ec2:DescribeRegions", {"clientToken": "t", "nextToken": "n"}, None, ""),
        (
            "cloudformation:DeleteStack",
            {"stackName": "arn:aws:cloudformation:r:1:stack/base/0a1b"},
            None,
            "base",
        ),
    ],
)
def test_a_target_is_found_where_the_record_has_one(
    operation: str, parameters: Any, resources: Any, target: str
) -> None:
    """And is empty where it has none."""
    assert seen(operation, parameters, resources=resources).target == target
