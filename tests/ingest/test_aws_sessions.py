"""CloudTrail: by which handles the session of a record is found, and what it hands on."""

import pytest

from models.attested import Fact
from models.event import OpClass, Operation
from stream.sources.sighting import Handle
from tests.ingest.cloudtrail import FRESH_KEY, OURS, ROLE_KEY, credentials, role, seen, sighting

GITHUB = f"arn:aws:iam::{OURS}:oidc-provider/token.actions.githubusercontent.com"


def test_who_did_it_is_looked_for_in_the_order_of_the_rules() -> None:
    """Request id, key, source identity, name of the session, pod; its name and address, for exercises."""
    identity = role(session="reporter-5d9f")
    identity["sessionContext"]["sourceIdentity"] = "talk-81"
    found = sighting("iam:ListRoles", userIdentity=identity)
    assert found.follows == (
        Handle("aws.request", "11111111-2222-3333-4444-555555555555"),
        Handle("aws.access_key", ROLE_KEY),
        Handle("conversation", "talk-81"),
        Handle("conversation", "reporter-5d9f"),
        Handle("pod", "reporter-5d9f"),
        Handle("aws.role_session", "reporter-5d9f 198.51.100.7"),
    )
    assert (found.brings, found.maker_of, found.settled) == (found.follows[-1:], (), False)


def test_a_session_of_a_role_belongs_to_whom_it_is_called_after_else_to_the_key_it_came_from() -> None:
    """And what was minted belongs to the same session from then on."""
    asked = {
        "roleArn": f"arn:aws:iam::{OURS}:role/app",
        "roleSessionName": "talk-82",
        "sourceIdentity": "talk-81",
    }
    answer = credentials(assumedRoleUser={"assumedRoleId": "AROAAPP:talk-82"})
    found = sighting("sts:AssumeRole", asked, answer)
    assert [handle.value for handle in found.follows[:5]] == [
        "11111111-2222-3333-4444-555555555555",
        "talk-81",
        "talk-82",
        "talk-82",
        ROLE_KEY,
    ]
    assert found.brings == (Handle("aws.access_key", FRESH_KEY),)
    assert found.event.session == "aws:AROAAPP:talk-82"
    assert isinstance(found.event, Operation)
    assert found.event.facts[Fact.MINTED] == FRESH_KEY
    assert found.event.op_class is OpClass.OTHER


def test_the_subject_of_a_token_may_name_its_conversation() -> None:
    """An issuer mints it for one run: `spiffe://example.org/agent/planner/talk-81`."""
    who = {"type": "WebIdentityUser", "userName": "spiffe://example.org/agent/planner/talk-81"}
    found = sighting(
        "sts:AssumeRoleWithWebIdentity", {"roleSessionName": "x"}, credentials(), userIdentity=who
    )
    assert Handle("conversation", "talk-81") in found.follows
    assert found.brings == (Handle("aws.access_key", FRESH_KEY),)
    nobody = sighting("sts:AssumeRoleWithWebIdentity", userIdentity={"type": "WebIdentityUser"})
    assert all(handle.value for handle in nobody.follows)


def test_a_refused_login_mints_nothing() -> None:
    """Whatever its answer holds."""
    asked = {"roleArn": f"arn:aws:iam::{OURS}:role/app", "roleSessionName": "talk-82"}
    assert sighting("sts:AssumeRole", asked, credentials(), errorCode="AccessDenied").brings == ()


def test_a_pipeline_is_known_by_its_run() -> None:
    """The login and everything after it, with the claims of its token."""
    subject = "repo:acme/infra:ref:refs/heads/main"
    web = {"type": "WebIdentityUser", "principalId": "p", "userName": subject, "identityProvider": GITHUB}
    asked = {"roleArn": f"arn:aws:iam::{OURS}:role/gha", "roleSessionName": "gha-7123456789-apply"}
    login = sighting("sts:AssumeRoleWithWebIdentity", asked, credentials(), userIdentity=web)
    assert login.event.session == "github:run:7123456789"
    assert Handle("github.run", "7123456789") in login.follows
    assert isinstance(login.event, Operation)
    facts = login.event.facts
    assert (facts[Fact.REPOSITORY], facts[Fact.REF]) == ("acme/infra", "refs/heads/main")
    assert facts[Fact.ISSUER] == "token.actions.githubusercontent.com"
    assert login.event.workload_proven
    later = role("gha", "gha-7123456789-apply")
    later["sessionContext"]["webIdFederationData"] = {"federatedProvider": GITHUB, "attributes": {}}
    followed = sighting("iam:GetRole", {"roleName": "app"}, userIdentity=later).event
    assert followed.session == "github:run:7123456789"
    assert isinstance(followed, Operation)
    assert followed.workload_proven
    assert Fact.ISSUER not in followed.facts, "an issuer is what a call trusts, not who calls"


def test_a_session_of_people_proves_no_workload() -> None:
    """Social logins are federated by name."""
    identity = role()
    identity["sessionContext"]["webIdFederationData"] = {"federatedProvider": "accounts.google.com"}
    assert not seen("iam:ListRoles", userIdentity=identity).workload_proven


def test_a_key_starts_a_session_of_its_own_and_its_maker_is_remembered() -> None:
    """It does not inherit."""
    answer = {"accessKey": {"accessKeyId": "AKIAMADEUPNEWKEY0001", "status": "Active", "userName": "bo"}}
    found = sighting("iam:CreateAccessKey", {"userName": "bo"}, answer)
    assert found.maker_of == (Handle("aws.access_key", "AKIAMADEUPNEWKEY0001"),)
    assert found.brings == (Handle("aws.role_session", "run-17 198.51.100.7"),)


@pytest.mark.parametrize(
    ("path", "op_class"),
    [
        ("aws-service-role/sso.amazonaws.com/AWSServiceRoleForSSO", OpClass.OTHER),
        ("team/AWSServiceRoleForSSO", OpClass.TRUST_CHANGE),
        ("aws-service-role-of-ours", OpClass.TRUST_CHANGE),
    ],
)
def test_a_service_in_its_own_role_does_what_somebody_asked_of_it(path: str, op_class: OpClass) -> None:
    """Whose call is on record and judged; nobody else can take that role on, nor make one in its path."""
    service = role("AWSServiceRoleForSSO")
    service["sessionContext"]["sessionIssuer"]["arn"] = f"arn:aws:iam::{OURS}:role/{path}"
    assert seen("iam:CreateSAMLProvider", {"name": "AWSSSO_1"}, userIdentity=service).op_class is op_class


def test_a_service_that_calls_for_somebody_is_named() -> None:
    """By `invokedBy`, or where its name stands for the address."""
    stack = role(invokedBy="cloudformation.amazonaws.com")
    event = seen(
        "iam:CreateRole",
        {"roleName": "app"},
        userIdentity=stack,
        sourceIPAddress="cloudformation.amazonaws.com",
    )
    assert event.facts[Fact.VIA] == "cloudformation.amazonaws.com"
    assert Fact.ADDRESS not in event.facts
    alone = seen("iam:CreateRole", {"roleName": "app"}, sourceIPAddress="cloudformation.amazonaws.com")
    assert alone.facts[Fact.VIA] == "cloudformation.amazonaws.com"
