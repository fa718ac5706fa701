"""What the parameters of other AWS calls say: clusters, secrets, keys, shares, logging, code on a role.

One function per kind of call; each adds to a `Reading`. Shapes: the API references of the services.
"""

from collections.abc import Callable
from typing import Any

from models.attested import Effect, Fact
from models.event import OpClass
from stream.sources.aws.iam import member
from stream.sources.aws.names import account_of, short
from stream.sources.aws.parameters import Reading, attached, document, let_in
from stream.sources.aws.policies import LetsIn, lets_in
from stream.sources.reading import many, texts

SECRETS = "/aws/reference/secretsmanager/"
WEB_PORTS = (80, 443)
RULES_DEPTH_MAX = 8
"""Parameters below it are secrets of Secrets Manager (Systems Manager User Guide)."""


def _resource_policy(reading: Reading) -> None:
    """A policy on a secret, key, bucket, repository and so on: whom it lets in."""
    for name in ("resourcePolicy", "policy", "bucketPolicy", "policyText", "accessPolicy", "policyDocument"):
        let_in(reading, lets_in(reading.parameters.get(name)))


def _permission(reading: Reading) -> None:
    """AddPermission of lambda, SNS and SQS: principals by name."""
    named = [reading.text("principal"), *texts(reading.parameters.get("aWSAccountId"))]
    named += texts(reading.parameters.get("aWSAccountIds"))
    accounts = tuple("*" if name == "*" else account_of(name) for name in named if name)
    services = tuple(name for name in named if name and "." in name)
    limited = bool(
        reading.text("sourceArn") or reading.text("sourceAccount") or reading.text("principalOrgID")
    )
    kept = tuple(account for account in accounts if account and not (account == "*" and limited))
    let_in(reading, LetsIn(kept, (), services))
    if reading.text("functionUrlAuthType") == "NONE" or reading.text("authType") == "NONE":
        reading.add(Effect.TRUST_PATH, Effect.WIDE)


def _access_entry(reading: Reading) -> None:
    """EKS: who is let into which cluster, as what."""
    reading.fact(Fact.BENEFICIARY, short(reading.text("principalArn")))
    reading.fact(Fact.SCOPE, short(reading.text("name") or reading.text("clusterName")))
    groups = texts(reading.parameters.get("kubernetesGroups"))
    reading.fact(Fact.GROUPS, *groups)
    if "system:masters" in groups:
        reading.add(Effect.ADMIN, Effect.WIDE)


def _access_policy(reading: Reading) -> None:
    """EKS: an access policy on an entry, for the cluster or for name spaces."""
    _access_entry(reading)
    attached(reading)
    scope = reading.parameters.get("accessScope")
    if isinstance(scope, dict) and scope.get("type") == "namespace":
        reading.fact("namespaces", *texts(scope.get("namespaces")))
    else:
        reading.add(Effect.WIDE)


def _pod_role(reading: Reading) -> None:
    account = f"{reading.text('namespace')}/{reading.text('serviceAccount')}"
    reading.fact(Fact.BENEFICIARY, account.strip("/"))
    reading.fact(Fact.GRANTED, short(reading.text("roleArn")))


def _secrets(reading: Reading) -> None:
    """BatchGetSecretValue: by names, or by filters and then nobody knows how many."""
    names = [short(name) for name in texts(reading.parameters.get("secretIdList"))]
    if names:
        reading.facts[Fact.COUNT] = str(len(names))
        reading.fact("targets", *names)
    else:
        reading.add(Effect.WIDE)


def _parameters(reading: Reading) -> None:
    """GetParameter and its like: values of secrets only where decryption was asked for."""
    names = [short(name) for name in texts(reading.parameters.get("names"))]
    if len(names) > 1:
        reading.facts[Fact.COUNT] = str(len(names))
        reading.fact("targets", *names)
    if reading.target.startswith(SECRETS):
        reading.target = reading.target.removeprefix(SECRETS)
    elif reading.parameters.get("withDecryption") is not True:
        reading.op_class = OpClass.OTHER
        reading.take(Effect.SECRET_VALUE)
    if reading.parameters.get("recursive") is True:
        reading.add(Effect.WIDE)


def _decrypt(reading: Reading) -> None:
    """A service that decrypts for its own call: that call says what was read."""
    if reading.via:
        reading.op_class = OpClass.OTHER
        reading.take(Effect.SECRET_VALUE)


def _grant(reading: Reading) -> None:
    """Who may use a key; services make such grants for disks and databases all day long."""
    if reading.via:
        reading.take(Effect.EXPANDS)
    grantee = reading.text("granteePrincipal")
    reading.fact(Fact.BENEFICIARY, short(grantee))
    reading.fact(Fact.GRANTED, *texts(reading.parameters.get("operations")))
    foreign = account_of(grantee)
    if foreign and foreign != reading.account:
        reading.fact(Fact.FOREIGN_ACCOUNT, foreign)
        reading.add(Effect.TRUST_PATH)


def _assignment(reading: Reading) -> None:
    """Identity Center: who may take which permission set in which account."""
    reading.fact(Fact.BENEFICIARY, reading.text("principalId"))
    reading.fact(Fact.GRANTED, short(reading.text("permissionSetArn")))
    reading.fact(Fact.SCOPE, reading.text("targetId"))


def _permission_set(reading: Reading) -> None:
    attached(reading)
    document(reading, "inlinePolicy")


def _token_issuer(reading: Reading) -> None:
    configuration = reading.parameters.get("trustedTokenIssuerConfiguration")
    oidc = configuration.get("oidcJwtConfiguration") if isinstance(configuration, dict) else None
    url = oidc.get("issuerUrl") if isinstance(oidc, dict) else None
    reading.fact(Fact.ISSUER, short(url).partition("/")[0] if isinstance(url, str) else "")


def _identity_provider_config(reading: Reading) -> None:
    """EKS: a login source of a cluster."""
    oidc = reading.parameters.get("oidc")
    url = oidc.get("issuerUrl") if isinstance(oidc, dict) else None
    reading.fact(Fact.ISSUER, short(url).partition("/")[0] if isinstance(url, str) else "")


def _shared(reading: Reading) -> None:
    """Snapshots, images and documents: to whom they are given; nothing leaves where some are taken off."""
    added = [*texts(reading.parameters.get("valuesToAdd")), *texts(reading.parameters.get("accountIdsToAdd"))]
    for name in ("createVolumePermission", "launchPermission"):
        permission = reading.parameters.get(name)
        add = permission.get("add") if isinstance(permission, dict) else None
        items = add.get("items") if isinstance(add, dict) else None
        for item in many(items)[:64]:
            if isinstance(item, dict):
                added += [*texts(item.get("userId")), *texts(item.get("group"))]
    foreign = [
        "*" if value.lower() == "all" else value
        for value in added
        if value.lower() not in {reading.account, "none"}
    ]
    reading.fact(Fact.FOREIGN_ACCOUNT, *foreign)
    if foreign:
        reading.add(Effect.OUTBOUND, Effect.EXPOSES)
    else:
        reading.op_class = OpClass.OTHER


def _share(reading: Reading) -> None:
    """Resource Access Manager: principals are accounts, organisations, roles and users."""
    principals = texts(reading.parameters.get("principals"))
    accounts = tuple(account for account in map(account_of, principals) if account)
    let_in(reading, LetsIn(accounts, (), ()))
    reading.fact("targets", *map(short, texts(reading.parameters.get("resourceArns"))))


def _event_selectors(reading: Reading) -> None:
    """Management events left out, or only writes or reads kept: less is logged."""
    for selector in many(reading.parameters.get("eventSelectors"))[:16]:
        if isinstance(selector, dict):
            fewer = selector.get("includeManagementEvents") is False
            if fewer or selector.get("readWriteType") not in {None, "All"}:
                reading.add(Effect.WEAKENS)


def _trail(reading: Reading) -> None:
    """UpdateTrail: fewer regions, no global services, no validation, no organisation, another bucket."""
    switches = (
        "isMultiRegionTrail",
        "includeGlobalServiceEvents",
        "enableLogFileValidation",
        "isOrganizationTrail",
    )
    if any(reading.parameters.get(switch) is False for switch in switches):
        reading.add(Effect.WEAKENS)
    reading.fact("bucket", reading.text("s3BucketName"))


def _switched_off(reading: Reading) -> None:
    """Watching that is switched off by its update."""
    off = reading.parameters.get("enable") is False or reading.text("status") in {"PAUSED", "DISABLED"}
    if off or reading.text("controlStatus") == "DISABLED":
        reading.add(Effect.WEAKENS)


def _bucket_logging(reading: Reading) -> None:
    status = reading.parameters.get("BucketLoggingStatus")
    if not (isinstance(status, dict) and status.get("LoggingEnabled")):
        reading.add(Effect.WEAKENS)


def _public_access(reading: Reading) -> None:
    block = reading.parameters.get("PublicAccessBlockConfiguration")
    if isinstance(block, dict) and any(value in (False, "false") for value in block.values()):
        reading.add(Effect.WEAKENS)


def _metadata_options(reading: Reading) -> None:
    request = reading.parameters.get("ModifyInstanceMetadataOptionsRequest", reading.parameters)
    if isinstance(request, dict) and (request.get("HttpTokens") or request.get("httpTokens")) == "optional":
        reading.add(Effect.WEAKENS)


def _function(reading: Reading) -> None:
    """Which role the code runs as, where the call says so."""
    role = reading.text("role")
    reading.fact(Fact.GRANTED, short(role))
    if role:
        reading.op_class = OpClass.PRIVILEGE_CHANGE
    if reading.parameters.get("layers"):
        reading.op_class = OpClass.PRIVILEGE_CHANGE
        reading.add(Effect.RUNS_AS)
        reading.fact("layers", *map(short, texts(reading.parameters.get("layers"))))


def _start_up(reading: Reading) -> None:
    """What a machine runs at its start, with the rights of its role."""
    if "userData" in reading.parameters:
        reading.op_class = OpClass.PRIVILEGE_CHANGE
        reading.add(Effect.RUNS_AS)


def _start_up_text(reading: Reading) -> None:
    """What a machine runs at its start often holds passwords."""
    if reading.text("attribute") == "userData":
        reading.op_class = OpClass.DISCOVERY


def _parameter_put(reading: Reading) -> None:
    if reading.parameters.get("overwrite") is not True:
        reading.add(Effect.CREATES)


def _ingress(reading: Reading) -> None:
    """A port opened to every address; whatever else is opened is no matter of ours."""
    if _everywhere(reading.parameters, 0):
        reading.add(Effect.EXPOSES)
    else:
        reading.op_class = OpClass.OTHER


def _everywhere(value: Any, depth: int) -> bool:
    """Whether a rule in it names all addresses, at whatever depth; what serves the web is open to all."""
    if isinstance(value, str):
        return value.endswith("/0")
    if depth > RULES_DEPTH_MAX:
        return False
    if isinstance(value, dict):
        serves_web = value.get("fromPort") in WEB_PORTS and value.get("toPort") in WEB_PORTS
        return not serves_web and any(_everywhere(one, depth + 1) for one in value.values())
    return isinstance(value, list) and any(_everywhere(one, depth + 1) for one in value)


def _database(reading: Reading) -> None:
    """A database that can be reached from outside the network afterwards."""
    if reading.parameters.get("publiclyAccessible") is True:
        reading.op_class = OpClass.GUARDRAIL_CHANGE
        reading.add(Effect.EXPOSES)


def _instance_role(reading: Reading) -> None:
    """EC2: the profile whose role the machine gets, wherever the call holds it."""
    for name in ("AssociateIamInstanceProfileRequest", "ReplaceIamInstanceProfileAssociationRequest"):
        request = reading.parameters.get(name)
        profile = request.get("IamInstanceProfile") if isinstance(request, dict) else None
        if isinstance(profile, dict):
            reading.fact(Fact.GRANTED, *map(short, texts([profile.get("Name"), profile.get("Arn")])))


def _profile_roles(reading: Reading) -> None:
    """Roles Anywhere: the roles that certificates may take."""
    reading.fact(Fact.GRANTED, *map(short, texts(reading.parameters.get("roleArns"))))


def _certificate(reading: Reading) -> None:
    names = [reading.text("domainName"), *texts(reading.parameters.get("subjectAlternativeNames"))]
    reading.fact(Fact.NAMES, *names)
    if any(name.startswith("*.") for name in names):
        reading.add(Effect.WIDE)


READERS: dict[str, Callable[[Reading], None]] = {
    **dict.fromkeys(
        (
            "acm-pca:PutPolicy",
            "ecr:SetRepositoryPolicy",
            "kms:PutKeyPolicy",
            "logs:PutResourcePolicy",
            "s3:PutBucketPolicy",
            "secretsmanager:PutResourcePolicy",
            "ssm:PutResourcePolicy",
            "organizations:PutResourcePolicy",
        ),
        _resource_policy,
    ),
    **dict.fromkeys(
        (
            "lambda:AddLayerVersionPermission",
            "lambda:AddPermission",
            "lambda:CreateFunctionUrlConfig",
            "lambda:UpdateFunctionUrlConfig",
            "events:PutPermission",
            "sns:AddPermission",
            "sqs:AddPermission",
            "acm-pca:CreatePermission",
        ),
        _permission,
    ),
    **dict.fromkeys(
        ("eks:CreateAccessEntry", "eks:UpdateAccessEntry", "eks:DeleteAccessEntry"),
        _access_entry,
    ),
    "eks:AssociateAccessPolicy": _access_policy,
    "eks:DisassociateAccessPolicy": _access_entry,
    "eks:CreatePodIdentityAssociation": _pod_role,
    "eks:UpdatePodIdentityAssociation": _pod_role,
    "eks:AssociateIdentityProviderConfig": _identity_provider_config,
    "secretsmanager:BatchGetSecretValue": _secrets,
    **dict.fromkeys(
        ("ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath", "ssm:GetParameterHistory"),
        _parameters,
    ),
    "kms:Decrypt": _decrypt,
    "kms:CreateGrant": _grant,
    "sso:CreateAccountAssignment": _assignment,
    "sso:DeleteAccountAssignment": _assignment,
    "sso:AttachManagedPolicyToPermissionSet": _permission_set,
    "sso:PutInlinePolicyToPermissionSet": _permission_set,
    "sso:CreateTrustedTokenIssuer": _token_issuer,
    "sso:UpdateTrustedTokenIssuer": _token_issuer,
    **dict.fromkeys(
        (
            "identitystore:CreateGroupMembership",
            "sso-directory:AddMemberToGroup",
            "sso-directory:RemoveMemberFromGroup",
            "cognito-idp:AdminAddUserToGroup",
            "cognito-idp:AdminRemoveUserFromGroup",
        ),
        member,
    ),
    **dict.fromkeys(
        (
            "ec2:ModifyImageAttribute",
            "ec2:ModifySnapshotAttribute",
            "rds:ModifyDBClusterSnapshotAttribute",
            "rds:ModifyDBSnapshotAttribute",
            "ssm:ModifyDocumentPermission",
        ),
        _shared,
    ),
    "ram:CreateResourceShare": _share,
    "ram:AssociateResourceShare": _share,
    "cloudtrail:PutEventSelectors": _event_selectors,
    "cloudtrail:UpdateTrail": _trail,
    "guardduty:UpdateDetector": _switched_off,
    "macie2:UpdateMacieSession": _switched_off,
    "securityhub:UpdateStandardsControl": _switched_off,
    "s3:PutBucketLogging": _bucket_logging,
    "s3:PutBucketPublicAccessBlock": _public_access,
    "s3:PutAccountPublicAccessBlock": _public_access,
    "ec2:ModifyInstanceMetadataOptions": _metadata_options,
    "ec2:ModifyInstanceAttribute": _start_up,
    "ec2:DescribeInstanceAttribute": _start_up_text,
    "ec2:AuthorizeSecurityGroupIngress": _ingress,
    "rds:ModifyDBInstance": _database,
    "ssm:PutParameter": _parameter_put,
    "ec2:AssociateIamInstanceProfile": _instance_role,
    "ec2:ReplaceIamInstanceProfileAssociation": _instance_role,
    "lambda:CreateFunction": _function,
    "lambda:UpdateFunctionConfiguration": _function,
    "rolesanywhere:CreateProfile": _profile_roles,
    "rolesanywhere:UpdateProfile": _profile_roles,
    "acm:RequestCertificate": _certificate,
}
