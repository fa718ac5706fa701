"""OCSF events: class and activity say what it means, and an AI agent is known by its profile."""

from typing import Any

import pytest
from hypothesis import given

from models.errors import UnreadableEventError
from models.event import CredentialKind, Grade, OpClass, Outcome
from stream.sources.ocsf.events import normalise
from stream.sources.ocsf.objects import ACTIVITIES, CLASSES
from stream.sources.sighting import Handle
from stream.sources.vocabularies import load_vocabulary
from tests.ingest.changing import encoded
from tests.ingest.clouds import mutated, never_tells, ocsf, read, reads_or_refuses
from tests.recordings import MUTATIONS

AGENT = {"uid": "agent:loader", "instance_uid": "conv-5", "name": "Loader"}
CALL = ocsf(
    6003,
    2,
    cloud={"provider": "GCP", "account": {"uid": "shop-1"}},
    api={"operation": "google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion"},
    resources=[{"name": "db", "type": "secret"}],
    src_endpoint={"ip": "192.0.2.4"},
)
SAMPLES = [
    ocsf(3007, 16, ai_agent=AGENT, user={"name": "bo"}, iam_roles=[{"name": "Global Administrator"}]),
    ocsf(3007, 18, user={"name": "bo"}, programmatic_credentials=[{"uid": "key-1"}]),
    ocsf(3006, 3, group={"name": "wiki"}, user={"name": "bo"}),
    ocsf(3004, 3, entity={"name": "Corp SSO", "type": "Identity Provider"}),
    ocsf(3002, 1, user={"uid": "u-1"}, service={"name": "console"}, status_id=2, status_detail="x"),
    ocsf(6005, 1, databucket={"name": "prod", "type": "Vault"}, message_context={"uid": "conv-6"}),
    CALL,
]


@pytest.mark.parametrize(
    ("record", "operation", "op_class", "target", "effects", "facts"),
    [
        (
            SAMPLES[0],
            "User Management: Assign Roles",
            "role_mapping",
            "bo",
            {"expands", "admin"},
            {"granted": "Global Administrator", "beneficiary": "bo"},
        ),
        (
            SAMPLES[1],
            "User Management: Add Programmatic Credentials",
            "credential_mint",
            "bo",
            {"mints", "long_lived"},
            {"minted": "key-1", "beneficiary": "bo"},
        ),
        (
            SAMPLES[2],
            "Group Management: Add User",
            "role_mapping",
            "wiki",
            {"expands"},
            {"beneficiary": "bo"},
        ),
        (SAMPLES[3], "Entity Management: Update", "trust_change", "Corp SSO", {"trust_path"}, {}),
        (SAMPLES[5], "Datastore Activity: Read", "secret_read", "prod", {"secret_value"}, {}),
        (
            ocsf(3005, 1, user={"name": "bo"}, privileges=["iam.admin"]),
            "User Access Management: Assign Privileges",
            "privilege_change",
            "bo",
            {"expands", "admin"},
            {"granted": "iam.admin"},
        ),
        (
            ocsf(3001, 8, user={"name": "bo"}, policy={"name": "AdministratorAccess"}),
            "Account Change: Detach Policy",
            "privilege_change",
            "bo",
            {"removes"},
            {"granted": "AdministratorAccess"},
        ),
        (
            ocsf(3008, 8, iam_role={"name": "deployer"}, policies=[{"name": "ReadOnly"}]),
            "Role Management: Attach Policies",
            "privilege_change",
            "deployer",
            {"expands"},
            {"granted": "ReadOnly"},
        ),
    ],
)
def test_class_and_activity_say_what_it_means(
    record: dict[str, Any],
    operation: str,
    op_class: str,
    target: str,
    effects: set[str],
    facts: dict[str, str],
) -> None:
    """By numbers; captions are not needed."""
    _, event = read(normalise, record)
    assert (event.operation, event.op_class, event.target) == (operation, op_class, target)
    assert set(event.effects) == effects
    assert facts.items() <= event.facts.items()


def test_an_agent_is_known_by_its_profile_and_a_sensor_is_none() -> None:
    """`ai_agent` in 1.9, `message_context` in 1.8; the latter is telemetry of the agent's own side."""
    sighting, event = read(normalise, SAMPLES[0] | {"agent": {"uid": "edr-1"}})
    assert sighting.follows == (Handle("conversation", "conv-5"),)
    assert (event.agent, event.principal, event.session) == ("agent:loader", "svc-1", "ocsf:svc-1")
    assert event.grade is Grade.ATTESTED
    sighting, event = read(normalise, SAMPLES[5])
    assert sighting.follows == (Handle("conversation", "conv-6"),)
    assert event.grade is Grade.OBSERVED


def test_a_providers_call_means_what_its_own_vocabulary_says() -> None:
    """API Activity names it; what nobody knows stays unclassified."""
    _, event = read(normalise, CALL)
    assert (event.operation, event.op_class, event.system) == (
        "AccessSecretVersion",
        OpClass.SECRET_READ,
        "gcp",
    )
    assert (event.target, event.facts["account"], event.facts["address"]) == ("db", "shop-1", "192.0.2.4")
    unheard = CALL | {"api": {"operation": "google.x.v1.Unheard.DoIt"}}
    assert read(normalise, unheard)[1].op_class is OpClass.UNCLASSIFIED


def test_a_key_of_aws_and_its_request_are_handles() -> None:
    """So that CloudTrail through a security lake joins like CloudTrail itself."""
    record = ocsf(
        6003,
        3,
        cloud={"provider": "AWS"},
        api={
            "operation": "UpdateFunctionCode20150331v2",
            "service": {"name": "lambda.amazonaws.com"},
            "request": {"uid": "r-1"},
            "response": {"error": "AccessDenied"},
        },
        actor={"user": {"uid": "AROA:x", "credential_uid": "ASIAEXAMPLE0000"}},
        resources=[{"uid": "arn:aws:secretsmanager:eu-1:111122223333:secret:orders/db-AbC123"}],
        status_id=2,
    )
    sighting, event = read(normalise, record)
    assert sighting.follows == (Handle("aws.request", "r-1"), Handle("aws.access_key", "ASIAEXAMPLE0000"))
    assert (event.operation, event.act) == ("lambda:UpdateFunctionCode", "r-1")
    assert (event.outcome, event.target) == (Outcome.DENIED, "orders/db")
    assert event.credential_kind is CredentialKind.EPHEMERAL


def test_how_it_ended_and_when() -> None:
    """A failed login is a refusal; a failed change may be an error; time may be a text."""
    assert read(normalise, SAMPLES[4])[1].outcome is Outcome.DENIED
    assert read(normalise, SAMPLES[1] | {"status_id": 2})[1].outcome is Outcome.ERROR
    assert read(normalise, SAMPLES[1])[1].at_ms == 1_777_863_721_234
    dated = {key: value for key, value in SAMPLES[1].items() if key != "time"}
    assert read(normalise, dated | {"time_dt": "2026-05-04T03:02:01.234Z"})[1].at_ms == 1_777_863_721_234
    with pytest.raises(UnreadableEventError, match="time"):
        normalise(encoded(dated))
    with pytest.raises(UnreadableEventError, match="class"):
        normalise(encoded(ocsf(4001, 1)))


def test_every_activity_of_every_class_is_known() -> None:
    """API Activity alone leaves its meaning to the provider's call."""
    vocabulary = load_vocabulary("ocsf")
    for (class_uid, _), caption in ACTIVITIES.items():
        known = vocabulary.look_up(f"{CLASSES[class_uid]}: {caption}").op_class is not OpClass.UNCLASSIFIED
        assert known is (class_uid != 6003), caption


def test_no_secret_leaves() -> None:
    """Wherever a text stands that is no name."""
    names = frozenset(
        {"uid", "name", "type", "privileges", "instance_uid", "operation", "ip", "provider", "vendor_name"}
    )
    for sample in SAMPLES:
        told = {"status_detail": "d", "message": "m", "comment": "c", "raw_data": "r", "unmapped": {"a": "b"}}
        never_tells(normalise, sample | told | {"authentication_token": {"value": "t"}}, names)


@pytest.mark.corpus
@MUTATIONS
@given(record=mutated(SAMPLES))
def test_whatever_comes_is_read_or_refused(record: bytes) -> None:
    """Nothing else escapes."""
    reads_or_refuses(normalise, record)
