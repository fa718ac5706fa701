"""Whatever becomes of a record on its way: sightings, or an error with a reason; and never a secret."""

import json
import os
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import UnreadableEventError
from stream.sources.aws.cloudtrail import normalise
from tests.ingest.clouds import reads_or_refuses
from tests.ingest.cloudtrail import (
    FRESH_KEY,
    OURS,
    allow,
    credentials,
    fields,
    policy,
    record,
    role,
    trust,
    user,
)

EXAMPLES = int(os.environ.get("TEST_MUTATIONS", "300"))

WEB = {
    "roleArn": f"arn:aws:iam::{OURS}:role/app",
    "roleSessionName": "gha-7123456789-x",
    "durationSeconds": 900,
}
SAMPLES: list[dict[str, Any]] = [
    fields("iam:PutRolePolicy", {"roleName": "app", "policyName": "p", "policyDocument": policy(allow("*"))}),
    fields("iam:CreateRole", {"roleName": "app", "assumeRolePolicyDocument": policy(trust(AWS="*"))}),
    fields(
        "sts:AssumeRoleWithWebIdentity", WEB, credentials(), resources=[{"ARN": "arn:aws:iam::1:role/app"}]
    ),
    fields("iam:CreateAccessKey", {"userName": "bo"}, {"accessKey": {"accessKeyId": FRESH_KEY}}),
    fields("sts:GetFederationToken", {"policyArns": [{"arn": "a"}]}, credentials(), userIdentity=user()),
    fields("eks:AssociateAccessPolicy", {"accessScope": {"type": "namespace", "namespaces": ["a"]}}),
    fields("ssm:GetParameters", {"names": ["/a", "/b"], "withDecryption": True}),
    fields("ec2:ModifySnapshotAttribute", {"createVolumePermission": {"add": {"items": [{"userId": "1"}]}}}),
    fields("cloudtrail:PutEventSelectors", {"eventSelectors": [{"includeManagementEvents": False}]}),
    fields("identitystore:CreateGroupMembership", {"memberId": {"userId": "u"}}),
    {"Records": [fields("iam:ListRoles")]},
    {"detail": fields("iam:ListRoles")},
]

odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False),
    st.text(max_size=30),
    st.sampled_from(
        ["arn:", "arn:aws:iam::1:role", "arn:aws:::::", "*", "%7B", "[" * 5_000, "2026-99-99", "x" * 2_000]
    ),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=5), st.just({})), max_size=3),
    st.dictionaries(
        st.text(max_size=8), st.one_of(st.none(), st.integers(), st.text(max_size=5)), max_size=3
    ),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a record, at any depth."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """A copy with something else in one place."""
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


@pytest.mark.corpus
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_a_record_with_something_else_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    """Wrong types, odd names, huge numbers, at any depth, in up to three places."""
    sample = data.draw(st.sampled_from(SAMPLES))
    for _ in range(data.draw(st.integers(1, 3))):
        sample = replaced(sample, data.draw(st.sampled_from(places(sample))), data.draw(odd))
    reads_or_refuses(normalise, json.dumps(sample).encode())


@pytest.mark.corpus
@settings(max_examples=EXAMPLES)
@given(st.sampled_from(SAMPLES), st.data())
def test_bytes_cut_swapped_or_put_in_are_read_or_refused(sample: dict[str, Any], data: st.DataObject) -> None:
    """As a broken disk or a hostile sender would."""
    content = bytearray(json.dumps(sample).encode())
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 20)))
    content[start:end] = data.draw(st.binary(max_size=20))
    reads_or_refuses(normalise, bytes(content))


SECRET = "hunter2-planted-secret"  # noqa: S105 - planted so that it is looked for
NAMES = {"name", "roleName", "userName", "policyName", "secretId", "functionName", "keyId", "parameterName"}
"""Parameters that are names: they are what an operation is about, and they are kept."""
PLANTED = {
    "secretsmanager:CreateSecret": {"name": "orders/db", "secretString": SECRET, "description": SECRET},
    "secretsmanager:PutSecretValue": {
        "secretId": "orders/db",
        "secretString": SECRET,
        "secretBinary": SECRET,
    },
    "ssm:PutParameter": {"name": "/orders/db", "value": SECRET, "description": SECRET},
    "iam:CreateLoginProfile": {"userName": "bo", "password": SECRET},
    "iam:UpdateLoginProfile": {"userName": "bo", "password": SECRET},
    "iam:ChangePassword": {"oldPassword": SECRET, "newPassword": SECRET},
    "lambda:UpdateFunctionConfiguration20150331v2": {
        "functionName": "f",
        "environment": {"variables": {"TOKEN": SECRET}},
    },
    "cognito-idp:AdminSetUserPassword": {"username": "bo", "password": SECRET},
    "rds:CreateDBInstance": {"dBInstanceIdentifier": "d", "masterUserPassword": SECRET},
    "rds:ModifyDBInstance": {"masterUserPassword": SECRET},
    "sso-oauth:CreateToken": {
        "clientSecret": SECRET,
        "refreshToken": SECRET,
        "code": SECRET,
        "clientId": "c",
    },
    "iam:PutRolePolicy": {"roleName": "app", "policyName": "p", "policyDocument": policy(allow(SECRET))},
    "sts:AssumeRole": {
        **WEB,
        "externalId": SECRET,
        "tokenCode": SECRET,
        "tags": [{"key": "k", "value": SECRET}],
    },
    "sts:AssumeRoleWithWebIdentity": {**WEB, "webIdentityToken": SECRET},
    "sts:AssumeRoleWithSAML": {**WEB, "sAMLAssertion": SECRET},
    "kms:Encrypt": {"keyId": "k", "plaintext": SECRET},
    "ec2:ModifyInstanceAttribute": {"instanceId": "i", "userData": {"value": SECRET}},
    "ec2:RunInstances": {"userData": SECRET, "instancesSet": {"items": [{"imageId": "ami-1"}]}},
    "codebuild:ImportSourceCredentials": {"token": SECRET, "username": "bo", "serverType": "GITHUB"},
    "ec2-instance-connect:SendSSHPublicKey": {"instanceId": "i", "sSHPublicKey": SECRET},
    "brandnew:DoSomething": {"secret": SECRET, "text": SECRET, "comment": {"body": SECRET}},
}


@pytest.mark.parametrize("operation", PLANTED)
def test_no_secret_leaves_the_normaliser(operation: str) -> None:
    """In parameters, in answers, in messages: only names and ids are kept."""
    answer = {"credentials": {"accessKeyId": FRESH_KEY, "secretAccessKey": SECRET, "sessionToken": SECRET}}
    answer["accessKey"] = {"accessKeyId": FRESH_KEY, "secretAccessKey": SECRET}
    answer["secretString"] = SECRET  # type: ignore[assignment]
    content = record(
        operation,
        PLANTED[operation],
        answer,
        errorMessage=f"could not use {SECRET}",
        additionalEventData={"text": SECRET},
        serviceEventDetails={"text": SECRET},
        userIdentity=role(password=SECRET),
    )
    assert SECRET.encode() in content
    for found in normalise(content):
        assert SECRET.encode() not in msgspec.json.encode(found)


def test_nor_does_one_in_a_text_of_a_record_that_is_no_name() -> None:
    """Every text of every sample in turn, save those that name something."""
    named = NAMES | {"eventName", "eventSource", "awsRegion", "userAgent", "sourceIPAddress", "errorCode"}
    named |= {"eventID", "requestID", "recipientAccountId", "principalId", "arn", "ARN", "accountId", "type"}
    named |= {
        "accessKeyId",
        "invokedBy",
        "roleArn",
        "roleSessionName",
        "assumedRoleId",
        "names",
        "namespaces",
    }
    named |= {"userId", "memberId", "policyArns", "eventTime"}
    for sample in SAMPLES:
        for place in places(sample):
            keys = {step for step in place if isinstance(step, str)}
            if not place or keys & named:
                continue
            try:
                found = normalise(json.dumps(replaced(sample, place, SECRET)).encode())
            except UnreadableEventError:
                continue
            assert SECRET.encode() not in msgspec.json.encode(found), place
