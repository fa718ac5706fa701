"""CloudTrail: what the parameters say, of policies, trust, credentials and whom they are for."""

from typing import Any
from urllib.parse import quote

import pytest

from models.attested import Effect, Fact
from models.event import OpClass, Operation
from tests.ingest.cloudtrail import (
    FRESH_KEY,
    OURS,
    PARTNER,
    STRANGERS,
    allow,
    credentials,
    deny,
    policy,
    role,
    seen,
    trust,
    user,
)

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
OIDC = f"arn:aws:iam::{OURS}:oidc-provider"


def put(document: Any) -> Operation:
    """An inline policy with this document."""
    return seen("iam:PutRolePolicy", {"roleName": "app", "policyName": "p", "policyDocument": document})


ADMINISTRATIVE = {
    "everything": [allow("*")],
    "everything, the other way to say it": [allow("*:*")],
    "everything in a list": [allow(["s3:GetObject", "*"])],
    "all of IAM": [allow("iam:*")],
    "IAM in odd case": [allow("IAM:Attach*")],
    "one escalation on every role": [allow("iam:PutRolePolicy", "arn:aws:iam::*:role/*")],
    "everything but one thing": [{"Effect": "Allow", "NotAction": "s3:DeleteBucket", "Resource": "*"}],
    "everything on everything but one thing": [
        {"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::a"}
    ],
    "behind an ordinary statement": [allow("logs:*"), allow("iam:CreatePolicyVersion")],
    "everything, save one denied action": [allow("*"), deny("s3:DeleteBucket")],
    "everything, under a condition": [allow("*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})],
    "in another partition": [allow("iam:*", "arn:aws-cn:iam::*:*")],
}
ORDINARY = {
    "one service": [allow("logs:*")],
    "one bucket": [allow("*", "arn:aws:s3:::app/*")],
    "reads of IAM": [allow(["iam:Get*", "iam:List*"])],
    "an escalation on one role": [allow("iam:PutRolePolicy", f"arn:aws:iam::{OURS}:role/app")],
    "one's own key": [allow("iam:CreateAccessKey", "arn:aws:iam::*:user/${aws:username}")],
    "everything but IAM": [{"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"}],
    "an escalation within a boundary": [
        allow("iam:PutRolePolicy", Condition={"StringEquals": {"iam:PermissionsBoundary": "arn:b"}})
    ],
    "everything, and everything denied": [allow("*"), deny("*")],
    "nothing": [],
}


@pytest.mark.parametrize("statements", ADMINISTRATIVE.values(), ids=ADMINISTRATIVE)
def test_a_policy_that_can_grant_itself_anything_is_administrative(statements: list[dict[str, Any]]) -> None:
    """By what it says, whatever it is called."""
    assert Effect.ADMIN in put(policy(*statements)).effects


@pytest.mark.parametrize("statements", ORDINARY.values(), ids=ORDINARY)
def test_any_other_policy_is_not(statements: list[dict[str, Any]]) -> None:
    """Wide rights on one service are no administration."""
    assert Effect.ADMIN not in put(policy(*statements)).effects


def test_a_policy_is_read_in_every_form() -> None:
    """As text, URL-encoded, as an object, with one statement instead of a list."""
    single = {"Version": "2012-10-17", "Statement": allow("*")}
    for document in (policy(allow("*")), quote(policy(allow("*"))), single):
        assert {Effect.ADMIN, Effect.WIDE, Effect.EXPANDS} <= set(put(document).effects)


@pytest.mark.parametrize(
    "document", ["", "{", "[]", "7", {"Statement": 7}, {"Statement": [None]}, None, 7, "%7B"]
)
def test_a_policy_that_cannot_be_read_is_still_a_change(document: Any) -> None:
    """It expands, for all we know."""
    assert put(document).effects == (Effect.EXPANDS,)


@pytest.mark.parametrize(
    ("put_on", "taken_off", "parameters"),
    [
        ("AttachRolePolicy", "DetachRolePolicy", {"policyArn": "arn:aws:iam::aws:policy/AWSDenyAll"}),
        (
            "AttachUserPolicy",
            "DetachUserPolicy",
            {"policyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"},
        ),
        (
            "PutRolePolicy",
            "DeleteRolePolicy",
            {"policyName": "AWSRevokeOlderSessions", "policyDocument": policy(deny("*"))},
        ),
    ],
)
def test_what_shuts_out_takes_away_and_gives_back_when_it_is_taken_off(
    put_on: str, taken_off: str, parameters: dict[str, Any]
) -> None:
    """A responder may quarantine unasked; undoing that is undoing a revocation."""
    whose = {"userName": "app"} if "User" in put_on else {"roleName": "app"}
    on, off = (seen(f"iam:{each}", whose | parameters) for each in (put_on, taken_off))
    assert (Effect.REMOVES in on.effects, Effect.EXPANDS in on.effects) == (True, False)
    assert set(off.effects) == {Effect.EXPANDS, Effect.WEAKENS}
    assert off.facts[Fact.BENEFICIARY] == "app"
    ordinary = seen(
        "iam:DetachRolePolicy", {"roleName": "app", "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    )
    assert set(ordinary.effects) == {Effect.REMOVES}


def test_a_policy_is_not_what_it_is_called() -> None:
    """Anybody may call theirs as AWS calls its own, or write over the one that revoked the sessions."""
    role, name = {"roleName": "app"}, "AWSRevokeOlderSessions"
    alike = seen("iam:AttachRolePolicy", role | {"policyArn": "arn:aws:iam::111122223333:policy/AWSDenyAll"})
    assert set(alike.effects) == {Effect.EXPANDS}
    for little in (deny("s3:GetObject"), allow("s3:GetObject")):
        over = seen("iam:PutRolePolicy", role | {"policyName": name, "policyDocument": policy(little)})
        assert set(over.effects) == {Effect.EXPANDS, Effect.WEAKENS}
        assert over.facts[Fact.BENEFICIARY] == "app"


def test_a_policy_that_only_denies_takes_away() -> None:
    """This is how sessions of a role are revoked."""
    older = {"DateLessThan": {"aws:TokenIssueTime": "2026-09-01T10:00:00Z"}}
    revoked = put(policy(deny("*", Condition=older)))
    assert set(revoked.effects) == {Effect.REMOVES}
    assert revoked.op_class is OpClass.PRIVILEGE_CHANGE


@pytest.mark.parametrize(
    ("arn", "admin"),
    [
        (ADMINISTRATOR, True),
        ("arn:aws-cn:iam::aws:policy/AdministratorAccess", True),
        ("arn:aws:iam::aws:policy/IAMFullAccess", True),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", False),
        ("arn:aws:iam::aws:policy/PowerUserAccess", False),
        (f"arn:aws:iam::{OURS}:policy/AdministratorAccess", False),
    ],
)
def test_of_policies_that_are_only_named_those_of_aws_are_known(arn: str, admin: bool) -> None:  # noqa: FBT001
    """What one of our own gives was seen when it was made."""
    event = seen("iam:AttachUserPolicy", {"userName": "ann", "policyArn": arn})
    assert (Effect.ADMIN in event.effects) is admin
    assert (event.target, event.facts[Fact.BENEFICIARY]) == ("ann", "ann")
    assert event.facts[Fact.GRANTED] == arn.rpartition("/")[2]


def test_a_policy_version_expands_where_it_becomes_the_default() -> None:
    """Else nobody has it yet."""
    version = {"policyArn": f"arn:aws:iam::{OURS}:policy/team/app", "policyDocument": policy(allow("*"))}
    assert set(seen("iam:CreatePolicyVersion", version).effects) == {Effect.ADMIN, Effect.WIDE}
    default = seen("iam:CreatePolicyVersion", version | {"setAsDefault": True})
    assert Effect.EXPANDS in default.effects
    assert default.target == "app"


def trusted(*statements: dict[str, Any]) -> Operation:
    """A role whose trust is these statements from now on."""
    return seen("iam:UpdateAssumeRolePolicy", {"roleName": "app", "policyDocument": policy(*statements)})


def test_a_trust_policy_says_whom_it_lets_in() -> None:
    """Accounts, issuers, services."""
    foreign = trusted(trust(AWS=[f"arn:aws:iam::{STRANGERS}:root", PARTNER, f"arn:aws:iam::{OURS}:role/ci"]))
    assert foreign.facts[Fact.FOREIGN_ACCOUNT] == f"{STRANGERS},{PARTNER}"
    assert foreign.effects == (Effect.TRUST_PATH,)
    issuers = trusted(
        trust(Federated=f"{OIDC}/id.example.org/tenant"), trust(Federated=f"{OIDC}/new.example.net")
    )
    assert issuers.facts[Fact.ISSUER] == "id.example.org,new.example.net"
    everybody = trusted(trust(AWS="*"))
    assert everybody.facts[Fact.FOREIGN_ACCOUNT] == "*"
    assert set(everybody.effects) == {Effect.TRUST_PATH, Effect.WIDE}
    service = trusted(trust(Service="ecs-tasks.amazonaws.com"))
    assert service.effects == ()
    assert not {Fact.FOREIGN_ACCOUNT, Fact.ISSUER} & set(service.facts)


@pytest.mark.parametrize(
    ("operator", "subject", "admits"),
    [
        ("StringEquals", "repo:Example-Org/infra:ref:refs/heads/main", "example-org"),
        ("StringLike", ["repo:example-org/*:*", "repo:stranger/app:*"], "example-org,stranger"),
        ("ForAnyValue:StringLike", "repo:*:*", "*"),
        ("StringLike", "project_path:group/app:ref_type:branch:ref:main", "group"),
        ("StringNotLike", "repo:stranger/app:*", ""),
        ("StringEquals", "system:serviceaccount:ops:app", ""),
    ],
)
def test_a_trust_policy_says_whose_pipelines_it_lets_in(operator: str, subject: Any, admits: str) -> None:
    """One issuer signs for all the world: the subject tells them apart."""
    issuer = "token.actions.githubusercontent.com"
    statement = trust(Federated=f"{OIDC}/{issuer}") | {"Condition": {operator: {f"{issuer}:sub": subject}}}
    assert trusted(statement).facts.get(Fact.ADMITS, "") == admits


@pytest.mark.parametrize(
    ("issuer", "subject", "admits"),
    [
        ("gitlab.com", "project_path:stranger/app:ref_type:branch:ref:main", "stranger"),
        ("app.terraform.io", "organization:stranger:project:p:workspace:w:run_phase:*", "stranger"),
        ("token.actions.githubusercontent.com/acme", "repo:stranger/app:*", "stranger"),
        ("gitlab.example.org", "project_path:any-group/app:ref_type:branch:ref:main", ""),
        ("ghes.example.org/_services/token", "repo:any-team/app:ref:refs/heads/main", ""),
        ("gitlab.com.example.org", "project_path:any-group/app:*", ""),
    ],
)
def test_a_server_of_ones_own_lets_nobody_elses_pipelines_in(issuer: str, subject: str, admits: str) -> None:
    """Its owners are all of one house; whether that house is known, the issuer tells."""
    statement = trust(Federated=f"{OIDC}/{issuer}") | {
        "Condition": {"StringLike": {f"{issuer}:sub": subject}}
    }
    facts = trusted(statement).facts
    assert (facts.get(Fact.ADMITS, ""), facts[Fact.ISSUER]) == (admits, issuer.partition("/")[0])


def test_everybody_of_the_own_organisation_is_not_everybody() -> None:
    """Conditions on the caller leave little of it."""
    statement = trust(AWS="*") | {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}
    assert Fact.FOREIGN_ACCOUNT not in trusted(statement).facts
    denied = trust(AWS=STRANGERS) | {"Effect": "Deny"}
    assert Fact.FOREIGN_ACCOUNT not in trusted(denied).facts
    outside = {"Effect": "Allow", "NotPrincipal": {"AWS": OURS}, "Action": "sts:AssumeRole"}
    assert trusted(outside).facts[Fact.FOREIGN_ACCOUNT] == "*"


def test_a_new_role_for_a_service_opens_no_way_in() -> None:
    """One for strangers does."""
    made = {"roleName": "app", "assumeRolePolicyDocument": policy(trust(Service="lambda.amazonaws.com"))}
    assert seen("iam:CreateRole", made).effects == (Effect.EXPANDS, Effect.CREATES)
    opened = made | {"assumeRolePolicyDocument": policy(trust(AWS=STRANGERS))}
    assert Effect.TRUST_PATH in seen("iam:CreateRole", opened).effects


def test_an_issuer_is_named_by_its_host_and_its_provider_compares_equal_by_every_name() -> None:
    """Made by URL, deleted by ARN."""
    made = seen(
        "iam:CreateOpenIDConnectProvider", {"url": "https://id.example.net/x", "clientIDList": ["sts"]}
    )
    gone = seen("iam:DeleteOpenIDConnectProvider", {"openIDConnectProviderArn": f"{OIDC}/id.example.net/x"})
    assert made.target == gone.target == "id.example.net/x"
    assert made.facts[Fact.ISSUER] == "id.example.net"
    assert (made.effects, gone.effects) == ((Effect.TRUST_PATH,), (Effect.REMOVES,))


def test_a_boundary_that_is_gone_or_allows_everything_weakens() -> None:
    """A real one does not."""
    gone = seen("iam:DeleteRolePermissionsBoundary", {"roleName": "app"})
    assert set(gone.effects) == {Effect.WEAKENS, Effect.EXPANDS}
    assert gone.facts[Fact.BENEFICIARY] == "app"
    empty = seen("iam:PutRolePermissionsBoundary", {"roleName": "app", "permissionsBoundary": ADMINISTRATOR})
    assert Effect.WEAKENS in empty.effects
    real = {"roleName": "app", "permissionsBoundary": f"arn:aws:iam::{OURS}:policy/limits"}
    assert seen("iam:PutRolePermissionsBoundary", real).effects == ()


def test_a_key_is_made_for_whom_it_names_or_for_the_caller() -> None:
    """And its id is a fact, its secret never."""
    answer = {"accessKey": {"accessKeyId": FRESH_KEY, "secretAccessKey": "never", "userName": "bo"}}
    other = seen("iam:CreateAccessKey", {"userName": "bo"}, answer, userIdentity=user("ann"))
    assert (other.target, other.facts[Fact.BENEFICIARY], other.facts[Fact.MINTED]) == ("bo", "bo", FRESH_KEY)
    own = seen("iam:CreateAccessKey", None, answer, userIdentity=user("ann"))
    assert (own.target, own.facts[Fact.BENEFICIARY]) == ("ann", "ann")


def test_a_key_is_retired_or_brought_back_by_its_status() -> None:
    """The other one of a user is named either way."""
    asked = {"userName": "bo", "accessKeyId": "AKIAMADEUPOLDKEY0001"}
    off = seen("iam:UpdateAccessKey", asked | {"status": "Inactive"})
    assert (off.effects, off.facts["retired"]) == ((Effect.REMOVES,), "AKIAMADEUPOLDKEY0001")
    on = seen("iam:UpdateAccessKey", asked | {"status": "Active"})
    assert set(on.effects) == {Effect.MINTS, Effect.LONG_LIVED}
    assert on.facts[Fact.MINTED] == "AKIAMADEUPOLDKEY0001"
    assert seen("iam:DeleteAccessKey", asked).effects == (Effect.REMOVES,)


@pytest.mark.parametrize("operation", ["sts:GetFederationToken", "sts:GetSessionToken"])
def test_a_token_of_a_key_says_how_long_it_lives_and_what_it_may(operation: str) -> None:
    """It outlives the key it came from."""
    asked = {"name": "ops", "durationSeconds": 129_600, "policy": policy(allow("*"))}
    long = seen(operation, asked, credentials(), userIdentity=user())
    assert long.op_class is OpClass.CREDENTIAL_MINT
    assert set(long.effects) == {Effect.MINTS, Effect.LONG_LIVED, Effect.ADMIN, Effect.WIDE}
    assert (long.facts[Fact.LIFETIME_S], long.facts[Fact.MINTED]) == ("129600", FRESH_KEY)
    named = seen(operation, {"durationSeconds": "900", "policyArns": [{"arn": ADMINISTRATOR}]}, credentials())
    assert set(named.effects) == {Effect.MINTS, Effect.ADMIN}
    assert (named.facts[Fact.GRANTED], named.facts[Fact.LIFETIME_S]) == ("AdministratorAccess", "900")


def test_session_tags_carry_what_the_work_is_done_for() -> None:
    """Of a role's session, by key; other tags are not kept."""
    asked = {
        "roleArn": f"arn:aws:iam::{PARTNER}:role/app",
        "roleSessionName": "run-17",
        "tags": [{"key": "ChangeId", "value": "CHG-1"}, {"key": "Team", "value": "platform"}],
    }
    event = seen("sts:AssumeRole", asked, credentials())
    assert event.facts[Fact.CHANGE] == "CHG-1"
    assert event.facts[Fact.FOREIGN_ACCOUNT] == PARTNER
    assert "platform" not in event.facts.values()
    web = seen("sts:AssumeRoleWithWebIdentity", {"principalTags": {"case": "CASE-7"}}, credentials())
    assert web.facts[Fact.CHANGE] == "CASE-7"


def test_a_member_gains_what_the_group_has() -> None:
    """The group is changed."""
    event = seen("iam:AddUserToGroup", {"groupName": "admins", "userName": "bo"})
    assert (event.target, event.facts[Fact.BENEFICIARY], event.facts[Fact.GRANTED]) == (
        "admins",
        "bo",
        "admins",
    )
    centre = {"groupId": "g-1", "identityStoreId": "d-1", "memberId": {"userId": "u-1"}}
    assert seen("identitystore:CreateGroupMembership", centre).facts[Fact.BENEFICIARY] == "u-1"


@pytest.mark.parametrize(
    ("group", "administrative"),
    [("Administrators", True), ("platform-admins", True), ("admin-portal-users", False), ("readers", False)],
)
def test_a_group_of_administrators_is_known_by_its_name(group: str, administrative: bool) -> None:  # noqa: FBT001
    """Its policies are in no record of its members; whoever leaves it gains nothing."""
    asked = {"groupName": group, "userName": "bo"}
    assert (Effect.ADMIN in seen("iam:AddUserToGroup", asked).effects) is administrative
    assert Effect.ADMIN not in seen("iam:RemoveUserFromGroup", asked).effects


def test_a_role_that_changes_itself_is_caller_and_beneficiary() -> None:
    """By the same name."""
    event = seen(
        "iam:AttachRolePolicy",
        {"roleName": "deployer", "policyArn": ADMINISTRATOR},
        userIdentity=role("deployer"),
    )
    assert event.principal == event.target == event.facts[Fact.BENEFICIARY] == "deployer"
