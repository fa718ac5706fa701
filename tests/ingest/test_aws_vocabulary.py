"""What AWS operations mean, one by one: above all where access levels, or the name, lead astray."""

import pytest

from models.event import SystemKind
from models.vocabulary.vocabulary import Entry
from stream.sources.vocabularies import load_vocabulary
from tools.aws_vocabulary import CLASSES, reviewed

AWS = load_vocabulary("aws")

MEANS = """
secretsmanager:BatchGetSecretValue S secret_value
secretsmanager:GetSecretValue S secret_value
secretsmanager:DescribeSecret D
secretsmanager:ListSecrets D
secretsmanager:GetResourcePolicy P
secretsmanager:PutSecretValue -
secretsmanager:CreateSecret - creates
secretsmanager:GetRandomPassword -
secretsmanager:PutResourcePolicy T
kms:Decrypt S secret_value
kms:Encrypt -
kms:GenerateDataKey -
kms:ReEncrypt -
kms:CreateGrant V expands
kms:PutKeyPolicy V
kms:ListKeys D
kms:GetKeyPolicy P
kms:DisableKeyRotation L weakens
ssm:GetParameter S secret_value
ssm:GetParameters S secret_value
ssm:GetParametersByPath S secret_value
ssm:DescribeParameters D
ssm:PutParameter -
ssm:SendCommand V runs_as
ssm:CreateActivation C long_lived mints
sts:AssumeRole - mints
sts:AssumeRoleWithWebIdentity - mints
sts:AssumeRoleWithSAML - mints
sts:AssumeRoot C admin expands mints
sts:GetFederationToken C mints
sts:GetSessionToken C mints
sts:GetCallerIdentity D
iam:ListRoles D
iam:ListUsers D
iam:ListOpenIDConnectProviders D
iam:ListAccessKeys D
iam:ListAttachedRolePolicies P
iam:ListRolePolicies P
iam:GetRole P
iam:GetRolePolicy P
iam:GetPolicyVersion P
iam:GetAccountAuthorizationDetails P wide
iam:SimulatePrincipalPolicy P
iam:GetAccountSummary D
iam:AttachRolePolicy V expands
iam:AttachUserPolicy V expands
iam:PutRolePolicy V expands
iam:DetachRolePolicy V removes
iam:CreateRole V creates expands
iam:CreateUser V creates expands
iam:CreateGroup - creates
iam:AddUserToGroup R expands
iam:CreatePolicyVersion V
iam:SetDefaultPolicyVersion V expands
iam:DeleteRolePermissionsBoundary V expands weakens
iam:PutRolePermissionsBoundary V
iam:UpdateAssumeRolePolicy T
iam:CreateOpenIDConnectProvider T trust_path
iam:CreateSAMLProvider T trust_path
iam:CreateAccessKey C long_lived mints
iam:CreateLoginProfile C long_lived mints
iam:UpdateLoginProfile C long_lived mints
iam:UpdateAccessKey C
iam:DeleteAccessKey C removes
iam:DeleteLoginProfile C removes
iam:EnableMFADevice C long_lived mints
iam:DeactivateMFADevice V weakens
iam:CreateServiceLinkedRole -
organizations:AttachPolicy L
organizations:DetachPolicy L weakens
organizations:LeaveOrganization L weakens wide
organizations:RegisterDelegatedAdministrator V expands
organizations:CreateAccount V admin expands
organizations:ListAccounts D
sso:CreateAccountAssignment R expands
sso:CreateTrustedTokenIssuer T trust_path
sso:AttachManagedPolicyToPermissionSet V expands
sso:GetRoleCredentials - mints
sso-directory:CreateBearerToken C long_lived mints
identitystore:CreateGroupMembership R expands
rolesanywhere:CreateTrustAnchor T trust_path
rolesanywhere:CreateProfile R expands
rolesanywhere:DisableCrl V weakens
eks:CreateAccessEntry V expands
eks:AssociateAccessPolicy V expands
eks:DeleteAccessEntry V removes
eks:AssociateIdentityProviderConfig T trust_path
eks:CreateCluster -
lambda:UpdateFunctionCode V runs_as
lambda:UpdateFunctionConfiguration -
lambda:GetFunction -
lambda:AddPermission T
cloudtrail:StopLogging L weakens
cloudtrail:DeleteTrail L weakens
cloudtrail:UpdateTrail L
cloudtrail:StartLogging -
cloudtrail:DescribeTrails D
config:StopConfigurationRecorder L weakens
guardduty:DeleteDetector L weakens
guardduty:UpdateDetector L
ec2:GetPasswordData S secret_value
ec2:CreateKeyPair C long_lived mints
ec2:AssociateIamInstanceProfile R expands
ec2:DescribeInstances -
ec2:RunInstances -
ec2:DeleteFlowLogs L weakens
ec2-instance-connect:SendSSHPublicKey C mints runs_as
acm:ExportCertificate S secret_value
acm-pca:IssueCertificate C mints
cognito-idp:AdminSetUserPassword C long_lived mints
cognito-idp:DescribeUserPoolClient S secret_value
redshift:GetClusterCredentials C mints
s3:ListBuckets D
s3:GetBucketPolicy P
s3:GetObject -
s3:PutBucketPolicy T
bedrock-agentcore:InvokeGateway -
signin:ConsoleLogin - mints
tagging:TagResources -
monitoring:GetMetricData -
cloudformation:ExecuteChangeSet -
ecs:UpdateService -
dynamodb:GetItem -
"""
ROWS = [(name, letter, effects) for name, letter, *effects in map(str.split, MEANS.strip().splitlines())]


@pytest.mark.parametrize(("operation", "letter", "effects"), ROWS, ids=[row[0] for row in ROWS])
def test_an_operation_means_this(operation: str, letter: str, effects: list[str]) -> None:
    """Class and effects, before any parameter is read."""
    entry = AWS.look_up(operation)
    assert (entry.op_class, sorted(entry.effects)) == (CLASSES[letter], effects)


def test_what_was_reviewed_is_in_the_file() -> None:
    """The file is made of the table: renew it with python -m tools.aws_vocabulary."""
    for operation, made in reviewed().items():
        entry = AWS.content.operations[operation]
        assert (entry.op_class, list(entry.effects)) == (made["op_class"], made["effects"]), operation
        assert (entry.target_kind, list(entry.target)) == (made["target_kind"], made["target"]), operation
        assert entry.why == made["why"] or not made["why"], operation
        assert (entry.system_kind or SystemKind.OTHER) == made["system_kind"], operation


def test_whatever_differs_from_its_access_level_is_reviewed_and_says_why() -> None:
    """At least sixty do: levels are about authorisation, not about what an operation leaves behind."""
    differ = {name: entry for name, entry in AWS.content.operations.items() if entry.source_level}
    assert all(entry.why for entry in differ.values())
    assert len(set(differ) & set(reviewed())) >= 60


@pytest.mark.parametrize(
    "operation", ["iam:GrantEverything", "sts:Invent", "newservice:GetThing", "iam:", ""]
)
def test_what_nobody_has_looked_at_stays_unclassified(operation: str) -> None:
    """Patterns are of families that were looked at."""
    assert AWS.look_up(operation) == Entry(op_class=AWS.look_up("x:y").op_class)
    assert AWS.look_up(operation).op_class == "unclassified"


def test_every_service_that_knows_identities_has_its_operations_by_name() -> None:
    """A write of theirs is never met by a pattern."""
    for service in ("iam", "sts", "sso", "organizations", "secretsmanager", "kms", "eks", "rolesanywhere"):
        writes = [
            match
            for pattern in AWS.content.patterns
            for match in pattern.matches
            if match.startswith(f"{service}:")
        ]
        assert {match.partition(":")[2] for match in writes} <= {"Describe*", "Get*", "List*"}, service
