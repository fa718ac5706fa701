"""What one second tells: the making of a thing comes before whatever is done with it."""

import gzip
import json
from typing import Any

import pytest

from detectors.policy import Policy
from models.event import AnyEvent
from models.registry import EMPTY
from stream.ingest.ordering import makers_first
from stream.ingest.pipeline import Pipeline
from stream.offline.replay import Replay
from stream.recordings.recorded import arrivals
from tests.ingest.cloudtrail import allow, fields, policy, user

AWS = "aws.cloudtrail"
ROLE = {"roleName": "app-of-this-run"}
GRANTED = ROLE | {"policyName": "inline", "policyDocument": policy(allow("ec2:Describe*"))}


def told(operation: str, second: int, parameters: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """A record of the builder's, dated by the second and named like what it says."""
    own = {
        "eventID": f"{operation}@{second}",
        "requestID": f"r-{operation}@{second}",
        "eventTime": f"2026-09-21T14:13:{second:02}Z",
        "userIdentity": user("builder"),
    }
    return fields(operation, parameters, **(own | changed))


def made(second: int = 20, **changed: Any) -> dict[str, Any]:
    """The role comes into being."""
    return told("iam:CreateRole", second, ROLE, **changed)


def granted(second: int = 20, **changed: Any) -> dict[str, Any]:
    """The role is given something."""
    return told("iam:PutRolePolicy", second, GRANTED, **changed)


def looked(second: int = 20) -> dict[str, Any]:
    """Somebody asks for it."""
    return told("iam:GetRole", second, ROLE)


def found(*records: dict[str, Any]) -> list[str]:
    """Detectors that say something about these records, a line each."""
    replayed = Replay(Policy(), None, AWS)
    rows = replayed.rows([json.dumps(record).encode() for record in records])
    return [row["detector"] for row in rows if row["kind"] == "finding"]


def events(*records: dict[str, Any]) -> list[AnyEvent]:
    """The events of records in the order given, each taken by itself."""
    pipeline = Pipeline(EMPTY)
    return [event for each in records for event in pipeline.take(AWS, json.dumps(each).encode(), None).events]


def ids(given: list[AnyEvent]) -> list[str]:
    """Whose they are, by name."""
    return [event.id for event in given]


REFUSED = {"errorCode": "EntityAlreadyExists", "errorMessage": "there is one"}


def test_a_thing_is_made_before_it_is_changed_where_both_happened_in_one_second() -> None:
    """CloudTrail tells whole seconds, and tells them in any order."""
    assert found(granted(), made()) == []
    assert found(granted(), looked(), made()) == []


@pytest.mark.parametrize(
    "records",
    [(granted(19), made(20)), (granted(20), made(20, **REFUSED)), (granted(20),)],
    ids=["a second earlier", "the making failed", "there was no making"],
)
def test_where_the_order_is_known_it_stays(records: tuple[dict[str, Any], ...]) -> None:
    """What was there before the session made anything is somebody else's."""
    assert "unapproved_change" in found(*records)


def test_what_another_session_made_in_that_second_is_no_excuse() -> None:
    """Only whoever made it has it for itself."""
    other = made(userIdentity=user("somebody", accessKeyId="AKIAMADEUPOTHERKEY01"))
    assert "unapproved_change" in found(granted(), other)


def test_a_file_is_read_in_the_order_of_its_times() -> None:
    """CloudTrail's files keep none."""
    content = json.dumps({"Records": [looked(40), granted(30), made(30), made(10)]}).encode()
    for file in (content, gzip.compress(content)):
        taken = Pipeline(EMPTY).take(AWS, file, None)
        assert [event.id.partition("@")[2] for event in taken.events] == ["10", "30", "30", "40"]
        assert ids(taken.events)[1] == "iam:CreateRole@30"


def test_everything_else_stays_where_it_was() -> None:
    """Other seconds, other sessions and other sources are not moved."""
    given = events(looked(10), granted(20), looked(21), made(20), granted(22))
    assert ids(makers_first(given)) == [
        "iam:GetRole@10",
        "iam:CreateRole@20",
        "iam:GetRole@21",
        "iam:PutRolePolicy@20",
        "iam:PutRolePolicy@22",
    ]
    calm = events(granted(20), looked(20))
    assert makers_first(calm) is calm


def test_a_line_keeps_its_number_whatever_its_turn() -> None:
    """What is found is found in that line."""
    lines = [json.dumps(each).encode() for each in (granted(), made())]
    arrived = list(arrivals(AWS, lines, Pipeline(EMPTY)))
    assert [arrival.index for arrival in arrived] == [1, 0]


def test_what_is_read_as_it_happens_waits_for_nothing() -> None:
    """A record that was given is an event before the next one is there."""

    def lines() -> Any:
        yield json.dumps(granted()).encode()
        raise AssertionError("asked for the next line before telling of the first")

    arrived = arrivals(AWS, lines(), Pipeline(EMPTY), lambda: 1_790_000_000_000)
    assert next(arrived).index == 0
