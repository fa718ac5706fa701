"""Made-up records of CloudTrail, a line each. Account 222200001111 is ours, 999900001111 a stranger's."""

import json
from typing import Any

from models.event import Operation
from stream.sources.aws.cloudtrail import normalise
from stream.sources.sighting import Sighting

OURS = "222200001111"
PARTNER = "333300001111"
STRANGERS = "999900001111"
ROLE_KEY = "ASIAMADEUPROLEKEY001"
USER_KEY = "AKIAMADEUPUSERKEY001"
FRESH_KEY = "ASIAMADEUPFRESHKEY01"


def role(name: str = "deployer", session: str = "run-17", **changed: Any) -> dict[str, Any]:
    """The identity of a session of a role."""
    issuer = {
        "type": "Role",
        "principalId": f"AROA{name.upper()}",
        "arn": f"arn:aws:iam::{OURS}:role/{name}",
        "accountId": OURS,
        "userName": name,
    }
    return {
        "type": "AssumedRole",
        "principalId": f"AROA{name.upper()}:{session}",
        "arn": f"arn:aws:sts::{OURS}:assumed-role/{name}/{session}",
        "accountId": OURS,
        "accessKeyId": ROLE_KEY,
        "sessionContext": {"sessionIssuer": issuer, "attributes": {"mfaAuthenticated": "false"}},
    } | changed


def user(name: str = "svc-shared", **changed: Any) -> dict[str, Any]:
    """The identity of a user with a key."""
    return {
        "type": "IAMUser",
        "principalId": f"AIDA{name.upper()}",
        "arn": f"arn:aws:iam::{OURS}:user/{name}",
        "accountId": OURS,
        "accessKeyId": USER_KEY,
        "userName": name,
    } | changed


def fields(operation: str, parameters: Any = None, response: Any = None, **changed: Any) -> dict[str, Any]:
    """A record as an object; `changed` are fields that matter to the test."""
    service, _, event = operation.partition(":")
    return {
        "eventVersion": "1.11",
        "userIdentity": role(),
        "eventTime": "2026-09-01T10:00:00Z",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": event,
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.31",
        "requestParameters": parameters,
        "responseElements": response,
        "requestID": "11111111-2222-3333-4444-555555555555",
        "eventID": "99999999-8888-7777-6666-555555555555",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": OURS,
        "eventCategory": "Management",
    } | changed


def record(operation: str, parameters: Any = None, response: Any = None, **changed: Any) -> bytes:
    """A record as bytes."""
    return json.dumps(fields(operation, parameters, response, **changed)).encode()


def sighting(*args: Any, **changed: Any) -> Sighting:
    """The one sighting of a record."""
    (found,) = normalise(record(*args, **changed))
    return found


def seen(*args: Any, **changed: Any) -> Operation:
    """The operation of a record."""
    event = sighting(*args, **changed).event
    assert isinstance(event, Operation)
    return event


def policy(*statements: dict[str, Any]) -> str:
    """A policy document of these statements, as callers send it."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    """A statement that allows."""
    return {"Effect": "Allow", "Action": actions, "Resource": resources} | more


def deny(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    """A statement that denies."""
    return {"Effect": "Deny", "Action": actions, "Resource": resources} | more


def trust(**principal: Any) -> dict[str, Any]:
    """A statement of a trust policy."""
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}


def credentials(key: str = FRESH_KEY, **more: Any) -> dict[str, Any]:
    """What STS answers."""
    hidden = {"accessKeyId": key, "sessionToken": "HIDDEN", "expiration": "Sep 1, 2026, 11:00:00 AM"}
    return {"credentials": hidden} | more


def padded(size: int) -> bytes:
    """A record of about that many bytes, with everything that is common in one."""
    answer = credentials(assumedRoleUser={"assumedRoleId": "AROADEPLOYER:run-17"})
    made = fields(
        "sts:AssumeRole", {"roleArn": "arn:aws:iam::1:role/app", "roleSessionName": "run-17"}, answer
    )
    made["additionalEventData"] = {"padding": "x" * (size - len(json.dumps(made)) - 43)}
    return json.dumps(made).encode()
