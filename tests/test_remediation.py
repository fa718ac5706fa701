"""Acknowledgements on the wire: an OCSF Remediation Activity; what hooks of before wrote is read, too."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from models.acknowledgement import Acknowledgement, Certainty, Hit
from models.cloudevent import attributes
from models.command import Action
from models.errors import InputError
from models.remediation import read_acknowledgement, to_remediation
from stream.configuration.settings import Settings
from stream.kafka.messages import acknowledgement_record
from stream.kafka.topics import topics_of
from tests.builders import START_MS, structured_value

MANUAL = Path(__file__).parents[1] / "docs" / "hooks.md"

FULL = Acknowledgement(
    command="c1",
    hook="gateway",
    outcome=Hit.PARTIAL,
    at_ms=START_MS,
    certainty=Certainty.VERIFIED,
    action=Action.REVOKE_TOKEN,
    session="s1",
    scope="the credential at this gateway",
    residual="elsewhere",
    residual_until_ms=START_MS + 1,
    detail="a detail",
    seen_ms=START_MS - 1,
)


def encoded(ack: Acknowledgement, **changed: Any) -> bytes:
    """As it goes out, some fields changed."""
    return json.dumps({**to_remediation(ack), **changed}).encode()


@pytest.mark.parametrize("outcome", Hit)
@pytest.mark.parametrize("action", Action)
def test_what_goes_out_is_what_is_read(outcome: Hit, action: Action) -> None:
    """Nothing of an answer is lost in OCSF."""
    ack = replace(FULL, outcome=outcome, action=action)
    assert read_acknowledgement(encoded(ack)) == ack
    least = Acknowledgement(command="c", hook="h", outcome=outcome, at_ms=1)
    assert read_acknowledgement(encoded(least)) == least


def test_the_body_is_a_remediation_activity() -> None:
    """The numbers of OCSF 1.8: class 7001, Evict, Partial, and the command that is answered."""
    event = to_remediation(FULL)
    assert (event["class_uid"], event["category_uid"], event["type_uid"]) == (7001, 7, 700102)
    assert (event["command_uid"], event["status_id"], event["status"]) == ("c1", 4, "Partial")
    assert event["metadata"]["product"]["name"] == "gateway"
    statuses = {hit: to_remediation(replace(FULL, outcome=hit))["status_id"] for hit in Hit}
    assert statuses == {"done": 1, "failed": 2, "not_found": 3, "partial": 4, "unsupported": 5}


def test_the_record_is_a_cloudevent_caused_by_its_command() -> None:
    """Accepted and verified are two events: a reader that drops duplicates must not drop the proof."""
    topics = topics_of(Settings())
    record = acknowledgement_record(FULL, topics, "issuer")
    headers = {name: value.decode() for name, value in record.headers}
    assert headers["ce_type"] == "dev.chainbrake.enforcement.result.v1"
    assert headers["ce_causationid"] == "c1"
    accepted = acknowledgement_record(replace(FULL, certainty=Certainty.ACCEPTED), topics, "issuer")
    assert dict(accepted.headers)["ce_id"] != dict(record.headers)["ce_id"]
    assert read_acknowledgement(record.value) == FULL


def test_the_plain_form_of_before_is_read() -> None:
    """Hooks that were written already go on working."""
    assert read_acknowledgement(msgspec.json.encode(FULL)) == FULL
    least = read_acknowledgement(b'{"command": "c", "hook": "h", "outcome": "not_found", "at_ms": 1}')
    assert (least.outcome, least.certainty) == (Hit.NOT_FOUND, Certainty.ACCEPTED)


@pytest.mark.parametrize("plain", [False, True])
def test_a_structured_cloudevent_is_read(*, plain: bool) -> None:
    """The other mode of the same specification."""
    data = msgspec.json.encode(FULL) if plain else encoded(FULL)
    named = attributes("enforcement.result", "i", "s", START_MS, "s1")
    assert read_acknowledgement(structured_value(named, data)) == FULL


@pytest.mark.parametrize("status_id", [0, 6, 99])
def test_a_status_that_does_not_say_that_anything_stopped_is_a_failure(status_id: int) -> None:
    """So the ledger goes on asking."""
    ack = read_acknowledgement(encoded(FULL, status_id=status_id))
    assert ack.outcome is Hit.FAILED
    assert not ack.stopped


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
        b"{}",
        encoded(FULL, class_uid=2004),
        encoded(FULL, command_uid=""),
        encoded(FULL, status_id="done"),
        encoded(FULL, metadata={}),
        encoded(FULL, status_detail="x" * 1025),
        b'{"specversion": "1.0", "data": "c1"}',
    ],
    ids=repr,
)
def test_anything_else_is_refused(value: bytes | None) -> None:
    """With a message; never with another error."""
    with pytest.raises(InputError, match="not an acknowledgement"):
        read_acknowledgement(value)


def test_the_example_of_the_manual_is_an_answer() -> None:
    """What it shows is what is meant."""
    (example,) = re.findall(r"```json\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    ack = read_acknowledgement(example.encode())
    shown, written = json.loads(example), to_remediation(ack)
    assert ack.outcome is Hit.PARTIAL
    assert shown == written
