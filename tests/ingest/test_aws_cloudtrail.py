"""CloudTrail: what is a record, who called, and how it ended."""

import gzip
import json
from typing import Any

import msgspec
import pytest

from models.attested import Effect
from models.errors import Unreadable, UnreadableEventError
from models.event import EVENT_BYTES_MAX, CredentialKind, Grade, OpClass, Operation, Outcome
from stream.sources.aws.cloudtrail import normalise, unwrapped
from tests.ingest.cloudtrail import (
    FRESH_KEY,
    OURS,
    ROLE_KEY,
    STRANGERS,
    USER_KEY,
    fields,
    padded,
    record,
    role,
    seen,
    sighting,
    user,
)

AT_MS = 1_788_256_800_000


def test_a_record_is_an_operation_as_the_platform_attests_it() -> None:
    """Every field from the record's own."""
    event = seen(
        "iam:AttachRolePolicy", {"roleName": "app", "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    )
    assert event == Operation(
        id="99999999-8888-7777-6666-555555555555",
        source="aws.cloudtrail",
        at_ms=AT_MS,
        workflow="aws:AROADEPLOYER:run-17",
        session="aws:AROADEPLOYER:run-17",
        agent="deployer",
        principal="deployer",
        grade=Grade.ATTESTED,
        operation="iam:AttachRolePolicy",
        op_class=OpClass.PRIVILEGE_CHANGE,
        outcome=Outcome.OK,
        system="aws",
        system_kind=event.system_kind,
        target="app",
        target_kind="role",
        credential=ROLE_KEY,
        credential_kind=CredentialKind.EPHEMERAL,
        act="11111111-2222-3333-4444-555555555555",
        effects=(Effect.EXPANDS,),
        facts={
            "session_name": "run-17",
            "account": OURS,
            "address": "198.51.100.7",
            "user_agent": "aws-cli/2.31",
            "region": "eu-west-1",
            "beneficiary": "app",
            "granted": "ReadOnlyAccess",
        },
    )
    assert event.system_kind == "iam"


def wrapped(form: str, content: bytes) -> bytes:
    """A record as it comes from a bucket, an event bus or a stream."""
    match form:
        case "file":
            return b'{"Records": [' + content + b"]}"
        case "event bus":
            return (
                b'{"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": ' + content + b"}"
            )
        case _:
            return content


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("form", ["alone", "file", "event bus"])
def test_every_wrapper_holds_the_same_record(form: str, packed: bool) -> None:  # noqa: FBT001 - pytest's own
    """However it comes, it is the same."""
    plain = record("iam:ListRoles", {"maxItems": 5})
    content = wrapped(form, plain)
    assert normalise(gzip.compress(content) if packed else content) == normalise(plain)


def test_a_file_holds_many_records() -> None:
    """In their order; taken apart beforehand, each is a record of its own."""
    names = ("iam:ListRoles", "iam:ListUsers", "s3:ListBuckets")
    file = b'{"Records": [' + b",".join(record(name) for name in names) + b"]}"
    assert [found.event.operation for found in normalise(file)] == list(names)  # type: ignore[union-attr]
    assert [normalise(each)[0] for each in unwrapped(gzip.compress(file))] == list(normalise(file))
    assert unwrapped(record("iam:ListRoles")) == (record("iam:ListRoles"),)
    assert normalise(b'{"Records": []}') == ()


def test_a_lookup_is_read_from_its_oldest_event_on() -> None:
    """`aws cloudtrail lookup-events` prints the newest first, each record as a text."""
    texts = [record(name, eventID=name).decode() for name in ("iam:ListRoles", "iam:ListUsers")]
    looked_up = json.dumps({"Events": [{"EventId": "x", "CloudTrailEvent": text} for text in texts]}).encode()
    assert [each.event.id for each in normalise(looked_up)] == ["iam:ListUsers", "iam:ListRoles"]
    assert [json.loads(each)["eventName"] for each in unwrapped(looked_up)] == ["ListUsers", "ListRoles"]


def test_one_bad_record_of_a_file_is_not_dropped_in_silence() -> None:
    """The file is refused; taken apart, only the bad one is."""
    file = b'{"Records": [' + record("iam:ListRoles") + b', {"eventName": 7}]}'
    with pytest.raises(UnreadableEventError):
        normalise(file)
    good, bad = unwrapped(file)
    assert len(normalise(good)) == 1
    with pytest.raises(UnreadableEventError):
        normalise(bad)


BAD: dict[str, tuple[bytes, Unreadable]] = {
    "nothing": (b"", Unreadable.TOMBSTONE),
    "no JSON": (b"eventName=ListRoles", Unreadable.NOT_JSON),
    "no UTF-8": (record("iam:ListRoles").replace(b"deployer", b"\xff\xfe"), Unreadable.NOT_UTF8),
    "no record": (b'{"message": "hello"}', Unreadable.INVALID),
    "a list": (b"[]", Unreadable.INVALID),
    "no time": (record("iam:ListRoles", eventTime=None), Unreadable.INVALID),
    "no such time": (record("iam:ListRoles", eventTime="2026-13-01T00:00:00Z"), Unreadable.INVALID),
    "an identity that is a text": (record("iam:ListRoles", userIdentity="root"), Unreadable.INVALID),
    "a name that is a number": (record("iam:ListRoles", eventName=5), Unreadable.INVALID),
    "deep": (b'{"requestParameters": ' + b"[" * 50_000, Unreadable.INVALID),
    "too large": (padded(EVENT_BYTES_MAX + 1_000), Unreadable.TOO_LARGE),
    "gzip that is none": (b"\x1f\x8bnone", Unreadable.NOT_JSON),
    "gzip cut off": (gzip.compress(record("iam:ListRoles"))[:-20], Unreadable.NOT_JSON),
    "gzip that unpacks without end": (gzip.compress(b" " * 70_000_000), Unreadable.TOO_LARGE),
}


@pytest.mark.parametrize(("content", "reason"), BAD.values(), ids=BAD)
def test_what_is_no_record_has_its_reason(content: bytes, reason: Unreadable) -> None:
    """It goes to the dead letters, and nothing else happens."""
    with pytest.raises(UnreadableEventError) as raised:
        normalise(content)
    assert raised.value.reason is reason


def test_rows_of_a_table_and_shipped_records_are_records() -> None:
    """Athena writes names in lower case and parameters as text; shippers move the event's time."""
    whole = fields("iam:GetRole", {"roleName": "app"})
    row = {key.lower(): value for key, value in whole.items()}
    row["requestparameters"] = json.dumps(whole["requestParameters"])
    row["useridentity"] = {key.lower(): value for key, value in user().items()}
    (found,) = normalise(json.dumps(row).encode())
    assert found == sighting("iam:GetRole", {"roleName": "app"}, userIdentity=user())
    shipped = fields("iam:GetRole", {"roleName": "app"}) | {"@timestamp": whole["eventTime"]}
    del shipped["eventTime"]
    assert normalise(json.dumps(shipped).encode()) == (sighting("iam:GetRole", {"roleName": "app"}),)


@pytest.mark.parametrize(
    ("event", "operation"),
    [
        ("lambda:UpdateFunctionCode20150331v2", "lambda:UpdateFunctionCode"),
        ("lambda:CreateFunction20150331", "lambda:CreateFunction"),
        ("cloudfront:CreateDistribution2020_05_31", "cloudfront:CreateDistribution"),
        ("s3:ListObjectsV2", "s3:ListObjectsV2"),
        ("odd:20150331", "odd:20150331"),
    ],
)
def test_the_version_of_an_api_is_no_part_of_its_name(event: str, operation: str) -> None:
    """Lambda and CloudFront append it."""
    assert seen(event).operation == operation


FEDERATED = f"arn:aws:sts::{OURS}:federated-user/ops"
CALLERS: dict[str, tuple[dict[str, Any] | None, str, str, str]] = {
    "Root": ({"type": "Root", "principalId": OURS, "accountId": OURS}, "root", "root", f"aws:{OURS}"),
    "IAMUser": (user(), "svc-shared", "svc-shared", f"aws:{USER_KEY}"),
    "AssumedRole": (role(), "deployer", "deployer", "aws:AROADEPLOYER:run-17"),
    "AssumedRole of people": (
        role("AWSReservedSSO_Admin_0a1b", "ann@example.org"),
        "AWSReservedSSO_Admin_0a1b",
        "ann@example.org",
        "aws:AROAAWSRESERVEDSSO_ADMIN_0A1B:ann@example.org",
    ),
    "Role": (
        {"type": "Role", "principalId": "AROAX", "arn": f"arn:aws:iam::{OURS}:role/app"},
        "app",
        "app",
        "aws:AROAX",
    ),
    "FederatedUser": (
        {
            "type": "FederatedUser",
            "principalId": f"{OURS}:ops",
            "arn": FEDERATED,
            "accessKeyId": FRESH_KEY,
            "sessionContext": {"sessionIssuer": {"type": "IAMUser", "userName": "svc-shared"}},
        },
        "svc-shared",
        "svc-shared",
        f"aws:{FRESH_KEY}",
    ),
    "Directory": ({"type": "Directory", "principalId": "d-1", "userName": "ann"}, "ann", "ann", "aws:d-1"),
    "AWSAccount": (
        {"type": "AWSAccount", "principalId": "AIDAX", "accountId": STRANGERS},
        STRANGERS,
        STRANGERS,
        f"aws:acct:{STRANGERS}",
    ),
    "AWSService": (
        {"type": "AWSService", "invokedBy": "lambda.amazonaws.com"},
        "lambda.amazonaws.com",
        "lambda.amazonaws.com",
        "aws:lambda.amazonaws.com",
    ),
    "IdentityCenterUser": (
        {
            "type": "IdentityCenterUser",
            "onBehalfOf": {"userId": "u-1"},
            "credentialId": "c-1",
            "accountId": OURS,
        },
        "u-1",
        "u-1",
        "aws:u-1",
    ),
    "WebIdentityUser": (
        {"type": "WebIdentityUser", "principalId": "p", "userName": "spiffe://example.org/app"},
        "spiffe://example.org/app",
        "spiffe://example.org/app",
        "aws:p",
    ),
    "SAMLUser": ({"type": "SAMLUser", "principalId": "s", "userName": "ann"}, "ann", "ann", "aws:s"),
    "Unknown": ({"type": "Unknown", "principalId": "x"}, "x", "x", "aws:x"),
    "no identity": (None, "iam.amazonaws.com", "iam.amazonaws.com", "aws:iam.amazonaws.com"),
    "an empty one": ({}, "iam.amazonaws.com", "iam.amazonaws.com", "aws:iam.amazonaws.com"),
}


@pytest.mark.parametrize(("identity", "principal", "agent", "session"), CALLERS.values(), ids=CALLERS)
def test_every_kind_of_caller_has_a_name_and_a_session(
    identity: dict[str, Any] | None, principal: str, agent: str, session: str
) -> None:
    """Short, and never empty."""
    event = seen("iam:ListRoles", userIdentity=identity)
    assert (event.principal, event.agent, event.session) == (principal, agent, session)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (None, Outcome.OK),
        ("AccessDenied", Outcome.DENIED),
        ("AccessDeniedException", Outcome.DENIED),
        ("Client.UnauthorizedOperation", Outcome.DENIED),
        ("AuthorizationErrorException", Outcome.DENIED),
        ("ExpiredToken", Outcome.DENIED),
        ("InvalidClientTokenId", Outcome.DENIED),
        ("KMSAccessDeniedException", Outcome.DENIED),
        ("NoSuchEntityException", Outcome.ERROR),
        ("ThrottlingException", Outcome.ERROR),
        ("MalformedPolicyDocument", Outcome.ERROR),
    ],
)
def test_an_error_code_is_a_refusal_or_an_error(code: str | None, outcome: Outcome) -> None:
    """A retry of a refused call is something else than a retry of a throttled one."""
    assert seen("iam:GetRole", {"roleName": "app"}, errorCode=code).outcome is outcome


def test_a_failed_login_says_so_in_its_message_only() -> None:
    """The console writes no error code."""
    failed = seen(
        "signin:ConsoleLogin", None, {"ConsoleLogin": "Failure"}, errorMessage="Failed authentication"
    )
    assert failed.outcome is Outcome.DENIED


def test_parameters_that_were_left_out_hide_what_an_identity_change_did() -> None:
    """Elsewhere large parameters are ordinary."""
    omitted = {"reason": "requestParameters too large", "omitted": True, "originalSize": 135_274}
    hidden = seen("iam:CreatePolicyVersion", omitted)
    assert hidden.op_class is OpClass.GUARDRAIL_CHANGE
    assert Effect.WEAKENS in hidden.effects
    assert hidden.facts["omitted_bytes"] == "135274"
    board = seen("monitoring:PutDashboard", omitted)
    assert (board.op_class, board.effects) == (OpClass.OTHER, ())


def test_a_record_without_an_id_has_a_stable_one() -> None:
    """Delivered again, it is known again."""
    first, again = (seen("iam:ListRoles", eventID=None) for _ in range(2))
    assert first.id == again.id
    assert first.id != seen("iam:ListUsers", eventID=None).id


def test_an_operation_that_nobody_reviewed_is_unclassified() -> None:
    """It is counted, and the file is completed."""
    assert seen("iam:GrantEverythingToEverybody").op_class is OpClass.UNCLASSIFIED
    assert seen("brandnew:DoSomething").op_class is OpClass.UNCLASSIFIED


def test_every_text_is_bounded() -> None:
    """Whatever a caller writes."""
    long = "x" * 5_000
    identity = role(long, long)
    event = seen(
        f"iam:{long}",
        {"roleName": long, "policyArn": long},
        userIdentity=identity,
        userAgent=long,
        eventID=long,
        requestID=long,
        awsRegion=long,
        recipientAccountId=long,
        errorCode=long,
    )
    msgspec.json.decode(msgspec.json.encode(event), type=Operation)
