"""What the parameters of IAM and STS calls say: who gains, what is granted, who is let in, what is minted.

One function per kind of call; each adds to a `Reading`. Shapes: IAM and STS API references.
"""

from collections.abc import Callable

from models.attested import Effect, Fact
from stream.sources.aws.names import account_of, issuer_of, short
from stream.sources.aws.parameters import Reading, attached, document, let_in
from stream.sources.aws.policies import administrative, denies_all, lets_in, shuts_out
from stream.sources.grants import admin_name
from stream.sources.reading import NAME_MAX, many, nested, texts

DAY_S = 86_400
DIGITS_MAX = 9
CREDENTIAL_IDS = ("accessKeyId", "serviceSpecificCredentialId", "sSHPublicKeyId", "certificateId")


def _inline(reading: Reading) -> None:
    """PutRolePolicy and its like: the policy is in the call."""
    reading.fact(Fact.BENEFICIARY, reading.target)
    reading.fact(Fact.GRANTED, reading.text("policyName"))
    document(reading, "policyDocument", "inlinePolicy")
    if not denies_all(reading.parameters.get("policyDocument")):
        _given_back(reading, reading.text("policyName"))  # what revoked the sessions is written over


def _detached_inline(reading: Reading) -> None:
    reading.fact(Fact.GRANTED, reading.text("policyName"))
    _given_back(reading, reading.text("policyName"))


def _given_back(reading: Reading, policy: str) -> None:
    """What shut an identity out is taken off: it can do again whatever it could, revoked or not."""
    if shuts_out(policy):
        reading.take(Effect.REMOVES)
        reading.add(Effect.EXPANDS, Effect.WEAKENS)
        reading.fact(Fact.BENEFICIARY, reading.target)


def _attached_to(reading: Reading) -> None:
    reading.fact(Fact.BENEFICIARY, reading.target)
    attached(reading)


def _unbounded(reading: Reading) -> None:
    """A permissions boundary taken off: whoever had it gains."""
    reading.fact(Fact.BENEFICIARY, reading.target)


def _detached(reading: Reading) -> None:
    reading.fact(Fact.GRANTED, short(reading.text("policyArn")))
    _given_back(reading, reading.text("policyArn"))


def _policy(reading: Reading) -> None:
    """CreatePolicy: what it would give whoever gets it."""
    reading.fact(Fact.GRANTED, short(reading.text("policyName") or reading.text("policyArn")))
    document(reading, "policyDocument")


def _policy_version(reading: Reading) -> None:
    """CreatePolicyVersion: what everybody who has it can do from now on, if it becomes the default."""
    _policy(reading)
    if reading.parameters.get("setAsDefault") is True and Effect.REMOVES not in reading.effects:
        reading.add(Effect.EXPANDS)


def _boundary(reading: Reading) -> None:
    """A boundary that allows everything limits nothing."""
    boundary = reading.text("permissionsBoundary")
    reading.fact("boundary", short(boundary))
    if administrative(boundary):
        reading.add(Effect.WEAKENS, Effect.EXPANDS)


def _trust(reading: Reading) -> None:
    """Whom a role's trust policy lets in."""
    for name in ("policyDocument", "assumeRolePolicyDocument"):
        policy = nested(reading.parameters.get(name))
        if policy is not None:
            let = lets_in(policy)
            let_in(reading, let)
            if let.accounts or let.issuers:
                reading.add(Effect.TRUST_PATH)


def _role(reading: Reading) -> None:
    """CreateRole: a new identity, and whose it is; a role for a service of AWS opens no way in."""
    let = lets_in(reading.parameters.get("assumeRolePolicyDocument"))
    let_in(reading, let)
    reading.fact("boundary", short(reading.text("permissionsBoundary")))


def _key(reading: Reading) -> None:
    """A credential made for somebody: whose it is, and its id."""
    reading.target = reading.target or reading.caller
    reading.fact(Fact.BENEFICIARY, reading.target)
    for made in reading.response.values():
        if isinstance(made, dict):
            reading.fact(Fact.MINTED, *texts([made.get(each) for each in CREDENTIAL_IDS]))


def _retired(reading: Reading) -> None:
    """Which credential is taken away, or comes back."""
    reading.target = reading.target or reading.caller
    reading.fact(Fact.BENEFICIARY, reading.target)
    reading.fact("retired", *(reading.text(each) for each in CREDENTIAL_IDS))
    match reading.text("status"):
        case "Inactive":
            reading.add(Effect.REMOVES)
        case "Active":
            reading.fact(Fact.MINTED, reading.facts.pop("retired", ""))
            reading.add(Effect.MINTS, Effect.LONG_LIVED)
        case _:
            pass


def member(reading: Reading) -> None:
    """Somebody joins or leaves a group."""
    given = reading.parameters.get("memberId")
    named = given.get("userId") if isinstance(given, dict) else given
    who = reading.text("userName") or reading.text("username") or named
    reading.fact(Fact.BENEFICIARY, who if isinstance(who, str) else "")
    reading.fact(Fact.GRANTED, reading.target)


def _group_member(reading: Reading) -> None:
    """What a group may is in no record of its members: its name has to do, as on other platforms."""
    member(reading)
    if Effect.EXPANDS in reading.effects and admin_name(reading.target):
        reading.add(Effect.ADMIN)


def _instance_profile(reading: Reading) -> None:
    reading.fact(Fact.GRANTED, short(reading.text("roleName")))


def _issuer(reading: Reading) -> None:
    reading.fact(Fact.ISSUER, issuer_of(reading.text("url") or reading.text("openIDConnectProviderArn")))


def _saml(reading: Reading) -> None:
    reading.fact(Fact.ISSUER, short(reading.text("name") or reading.text("sAMLProviderArn")))


def _assumed(reading: Reading) -> None:
    """A session of a role: what is minted, for how long, and what rides on it."""
    _minted(reading)
    _session_tags(reading)
    subject = reading.response.get("subjectFromWebIdentityToken")
    if isinstance(subject, str):
        reading.fact("subject", subject[:NAME_MAX])
    foreign = account_of(reading.text("roleArn"))
    if foreign and foreign != reading.account:
        reading.fact(Fact.FOREIGN_ACCOUNT, foreign)


def _federated(reading: Reading) -> None:
    """GetFederationToken and GetSessionToken: a session that outlives the key it came from."""
    _minted(reading)
    document(reading, "policy")
    for policy in many(reading.parameters.get("policyArns"))[:10]:
        arn = policy.get("arn") if isinstance(policy, dict) else policy
        if isinstance(arn, str):
            reading.fact(Fact.GRANTED, short(arn))
            if administrative(arn):
                reading.add(Effect.ADMIN)


def _minted(reading: Reading) -> None:
    credentials = reading.response.get("credentials")
    minted = credentials.get("accessKeyId") if isinstance(credentials, dict) else None
    if isinstance(minted, str):
        reading.fact(Fact.MINTED, minted[:NAME_MAX])
    lifetime = str(reading.parameters.get("durationSeconds", ""))[:DIGITS_MAX]
    if lifetime.isdecimal() and lifetime.isascii():
        reading.facts[Fact.LIFETIME_S] = lifetime
        if int(lifetime) > DAY_S:
            reading.add(Effect.LONG_LIVED)


CHANGES = ("change", "commit", "release", "stack", "case", "incident", "command", "ticket", "exercise")


def _session_tags(reading: Reading) -> None:
    """Session tags that name what the work is done for."""
    tags = reading.parameters.get("principalTags")
    pairs = list(tags.items()) if isinstance(tags, dict) else []
    for tag in many(reading.parameters.get("tags"))[:50]:
        if isinstance(tag, dict):
            pairs.append((tag.get("key"), tag.get("value")))
    for key, value in pairs[:50]:
        if isinstance(key, str) and isinstance(value, str) and any(word in key.lower() for word in CHANGES):
            reading.fact(Fact.CHANGE, value[:NAME_MAX])


READERS: dict[str, Callable[[Reading], None]] = {
    **dict.fromkeys(("iam:PutRolePolicy", "iam:PutUserPolicy", "iam:PutGroupPolicy"), _inline),
    **dict.fromkeys(
        ("iam:DeleteRolePolicy", "iam:DeleteUserPolicy", "iam:DeleteGroupPolicy"), _detached_inline
    ),
    **dict.fromkeys(("iam:AttachRolePolicy", "iam:AttachUserPolicy", "iam:AttachGroupPolicy"), _attached_to),
    **dict.fromkeys(("iam:DetachRolePolicy", "iam:DetachUserPolicy", "iam:DetachGroupPolicy"), _detached),
    **dict.fromkeys(("iam:PutRolePermissionsBoundary", "iam:PutUserPermissionsBoundary"), _boundary),
    **dict.fromkeys(("iam:AddUserToGroup", "iam:RemoveUserFromGroup"), _group_member),
    **dict.fromkeys(("iam:AddRoleToInstanceProfile", "iam:RemoveRoleFromInstanceProfile"), _instance_profile),
    **dict.fromkeys(("iam:DeleteRolePermissionsBoundary", "iam:DeleteUserPermissionsBoundary"), _unbounded),
    "iam:CreatePolicy": _policy,
    "iam:CreatePolicyVersion": _policy_version,
    "iam:CreateRole": _role,
    "iam:UpdateAssumeRolePolicy": _trust,
    "iam:CreateOpenIDConnectProvider": _issuer,
    "iam:DeleteOpenIDConnectProvider": _issuer,
    "iam:AddClientIDToOpenIDConnectProvider": _issuer,
    "iam:UpdateOpenIDConnectProviderThumbprint": _issuer,
    "iam:CreateSAMLProvider": _saml,
    "iam:UpdateSAMLProvider": _saml,
    "iam:DeleteSAMLProvider": _saml,
    "iam:CreateAccessKey": _key,
    "iam:CreateServiceSpecificCredential": _key,
    "iam:ResetServiceSpecificCredential": _key,
    "iam:UploadSSHPublicKey": _key,
    "iam:UploadSigningCertificate": _key,
    "iam:CreateLoginProfile": _key,
    "iam:UpdateLoginProfile": _key,
    "iam:EnableMFADevice": _key,
    "iam:DeleteAccessKey": _retired,
    "iam:UpdateAccessKey": _retired,
    "iam:DeleteServiceSpecificCredential": _retired,
    "iam:UpdateServiceSpecificCredential": _retired,
    "iam:DeleteSSHPublicKey": _retired,
    "iam:UpdateSSHPublicKey": _retired,
    "iam:DeleteSigningCertificate": _retired,
    "iam:UpdateSigningCertificate": _retired,
    "sts:AssumeRole": _assumed,
    "sts:AssumeRoleWithSAML": _assumed,
    "sts:AssumeRoleWithWebIdentity": _assumed,
    "sts:AssumeRoot": _assumed,
    "sts:GetFederationToken": _federated,
    "sts:GetSessionToken": _federated,
}
