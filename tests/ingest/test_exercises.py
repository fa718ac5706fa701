"""An announced exercise is followed into other roles by its name and address, and nobody else is."""

from itertools import permutations
from typing import Any

import pytest

from models.event import AnyEvent
from models.registry import EMPTY
from stream.ingest.pipeline import Pipeline
from tests.ingest.changing import encoded
from tests.ingest.cloudtrail import FRESH_KEY, OURS, PARTNER, ROLE_KEY, credentials, record, role
from tests.ingest.sightings import final
from tests.ingest.test_control_plane import fact

NAME = "drill-7f3a"
OWN = f"aws:AROARUNNER:{NAME}"
ELSEWHERE = f"aws:AROALEDGER:{NAME}"
NOON = "2026-09-01T09:59:00Z"
BEFORE, AFTER = "2026-08-31T10:00:00Z", "2026-09-02T10:00:00Z"
ACCOUNT = {"accounts": [PARTNER], "exercise": "E-1", "signature": "ed25519:00"}


def announced(name: str = NAME, session: str = "", time: str = NOON, **changed: Any) -> tuple[str, bytes]:
    """The exercise, registered for its session."""
    told = fact("exercise.registered", ACCOUNT | changed, session or f"aws:AROARUNNER:{name}")
    return "chainbrake.event", encoded(told | {"id": f"f-{session}", "time": time})


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
        (announced("k8s-drill"), own("k8s-drill"), elsewhere("k8s-drill")),
        (announced(accounts=[PARTNER, OURS]), own(), elsewhere()),
        (announced(window=[BEFORE, BEFORE]), own(), elsewhere()),
        (announced(window=[AFTER, AFTER]), own(), elsewhere()),
        (announced(), announced(session=ELSEWHERE, accounts=[OURS]), own(), elsewhere()),
    ],
    ids=[
        "none announced",
        "unsigned",
        "another name",
        "another address",
        "a service",
        "a name of many",
        "a digit of a word",
        "in its own accounts, where it would be vouched for",
        "over",
        "not begun",
        "itself an exercise",
    ],
)
def test_nobody_else_is_taken_for_it(records: tuple[tuple[str, bytes], ...]) -> None:
    """Without an announcement, or with another name or address, a likeness is nothing."""
    assert final(heard(*records))["elsewhere"].startswith("aws:AROALEDGER:")


def test_an_exercise_announced_long_before_is_followed_in_its_window() -> None:
    """From when it begins, not from when it was told."""
    early = announced(window=["2026-09-01T09:00:00Z", "2026-09-01T11:00:00Z"], time="2026-08-20T10:00:00Z")
    assert final(heard(early, own(), elsewhere()))["elsewhere"] == OWN


@pytest.mark.parametrize("name", ["drill-7", "drill12", "7f3a", "ex_46baee_x"])
def test_a_number_tells_sessions_apart(name: str) -> None:
    """One of its own, or two digits of a word."""
    assert final(heard(announced(name), own(name), elsewhere(name)))["elsewhere"] == f"aws:AROARUNNER:{name}"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_an_exercise_announced_again_has_the_longest_window(order: tuple[int, ...]) -> None:
    """Whichever of the announcements came last: one that takes some of it back is none."""
    hours = (("09:00", "09:30"), ("09:50", "10:30"), ("09:20", "09:55"))
    windows = [[f"2026-09-01T{begin}:00Z", f"2026-09-01T{end}:00Z"] for begin, end in hours]
    again = [announced(window=windows[number]) for number in order]
    told = [
        (source, content.replace(b'"f-', f'"f{k}-'.encode())) for k, (source, content) in enumerate(again)
    ]
    assert final(heard(*told, own(), elsewhere()))["elsewhere"] == OWN


@pytest.mark.parametrize("session", [OWN, "conv-9"])
@pytest.mark.parametrize("known_first", [True, False])
def test_whose_key_it_is_outweighs_what_it_is_called(session: str, *, known_first: bool) -> None:
    """The record of another session's step takes the acts there, before and after."""
    records = [elsewhere(), step("payroll", accessKeyId=ROLE_KEY.replace("ROLE", "PAYR"))]
    if known_first:
        records.reverse()
    mine = role("runner", NAME)
    mine["sessionContext"]["sourceIdentity"] = session
    its_own = "aws.cloudtrail", record("iam:ListRoles", userIdentity=mine, eventID="own")
    assert final(heard(announced(session=session), its_own, *records))["elsewhere"] == ELSEWHERE
