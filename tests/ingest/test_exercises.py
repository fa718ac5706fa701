"""An announced exercise is followed into other roles by its name and address, and nobody else is."""

from itertools import permutations
from typing import Any

import pytest

from models.event import AnyEvent
from models.registry import EMPTY
from stream.ingest.pipeline import Pipeline
from tests.ingest.changing import encoded
from tests.ingest.cloudtrail import FRESH_KEY, PARTNER, ROLE_KEY, credentials, record, role
from tests.ingest.sightings import final
from tests.ingest.test_control_plane import fact

NAME = "drill-7f3a"
OWN = f"aws:AROARUNNER:{NAME}"
ELSEWHERE = f"aws:AROALEDGER:{NAME}"
ACCOUNT = {"accounts": [PARTNER], "exercise": "E-1", "signature": "ed25519:00"}


def announced(name: str = NAME, **changed: Any) -> tuple[str, bytes]:
    """The exercise, registered for its session."""
    subject = f"aws:AROARUNNER:{name}"
    return "chainbrake.event", encoded(fact("exercise.registered", ACCOUNT | changed, subject))


def own(name: str = NAME, **changed: Any) -> tuple[str, bytes]:
    """What the exercise does in its own account."""
    identity = role("runner", name)
    return "aws.cloudtrail", record("iam:ListRoles", userIdentity=identity, eventID="own", **changed)


def elsewhere(name: str = NAME, **changed: Any) -> tuple[str, bytes]:
    """A read in another account, by a key that no record has explained yet."""
    identity = role("ledger", name, accessKeyId=FRESH_KEY)
    asked = {"secretId": "ledger/app"}
    operation = "secretsmanager:GetSecretValue"
    return "aws.cloudtrail", record(operation, asked, userIdentity=identity, eventID="elsewhere", **changed)


def step(by: str = "runner", name: str = NAME, **changed: Any) -> tuple[str, bytes]:
    """The record of taking on the other role."""
    asked = {"roleArn": "arn:aws:iam::222200001111:role/ledger", "roleSessionName": name}
    answer = credentials(assumedRoleUser={"assumedRoleId": f"AROALEDGER:{name}"})
    identity = role(by, f"{name}-{by}" if by != "runner" else name, **changed)
    return "aws.cloudtrail", record("sts:AssumeRole", asked, answer, userIdentity=identity, eventID="step")


def heard(*records: tuple[str, bytes]) -> list[AnyEvent]:
    """All events, in this order of arrival."""
    pipeline = Pipeline(EMPTY)
    events = []
    for source, content in records:
        taken = pipeline.take(source, content, None)
        assert not taken.bad
        events += taken.events
    return events


def test_what_it_does_elsewhere_is_its_own_before_the_step_is_on_record() -> None:
    """At the very first act, and in its workflow, where its accounts are known."""
    events = heard(announced(), own(), elsewhere())
    read = events[-1]
    assert (read.id, read.session, read.workflow) == ("elsewhere", OWN, OWN)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_every_order_of_arrival_ends_the_same(order: tuple[int, ...]) -> None:
    """Once it is announced: with the step on record, and without."""
    parts = (own(), elsewhere(), step())
    arrived = [parts[number] for number in order]
    assert final(heard(announced(), *arrived))["elsewhere"] == OWN
    arrived.remove(parts[2])
    assert final(heard(announced(), *arrived))["elsewhere"] == OWN


@pytest.mark.parametrize(
    "records",
    [
        (own(), elsewhere()),
        (announced(signature=None), own(), elsewhere()),
        (announced(), own(), elsewhere("drill-7f3b")),
        (announced(), own(), elsewhere(sourceIPAddress="203.0.113.9")),
        (announced(), own(), elsewhere(sourceIPAddress="athena.amazonaws.com")),
        (announced("drill"), own("drill"), elsewhere("drill")),
    ],
    ids=["none announced", "unsigned", "another name", "another address", "a service", "a name of many"],
)
def test_nobody_else_is_taken_for_it(records: tuple[tuple[str, bytes], ...]) -> None:
    """Without an announcement, or with another name or address, a likeness is nothing."""
    assert final(heard(*records))["elsewhere"].startswith("aws:AROALEDGER:")


def test_whose_key_it_is_outweighs_what_it_is_called() -> None:
    """The record of another session's step takes the acts there."""
    other = step("payroll", accessKeyId=ROLE_KEY.replace("ROLE", "PAYR"))
    assert final(heard(announced(), own(), elsewhere(), other))["elsewhere"] != OWN
