"""Answers to approval requests, by the words of different services."""

from typing import Any

import pytest

from models.attested import Registered
from models.event import AnyEvent, Approval, Registration
from stream.sources.chainbrake.control_plane import normalise
from tests.ingest.agents import one
from tests.ingest.changing import encoded


def fact(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """A CloudEvent of an approval service."""
    envelope = {"specversion": "1.0", "id": "f-1", "time": "2026-09-21T14:13:20Z", "subject": "conv-1"}
    return {**envelope, "type": f"org.example.chainbrake.{kind}.v1", "data": data}


def told_as(kind: str, **said: Any) -> AnyEvent:
    """What is read of such an answer."""
    answer = {"request_id": "r-1", "action": "iam:AttachRolePolicy", "resource": "app:read"}
    return one(normalise, fact(kind, {**answer, "decided_by": "ann@example.org", **said})).event


@pytest.mark.parametrize("decision", ["denied", "expired", ""])
@pytest.mark.parametrize("kind", ["approval.granted", "approval.decided"])
def test_what_was_not_granted_is_no_approval(kind: str, decision: str) -> None:
    """A refusal, by whatever name, allows nothing, and nobody has to wait for the answer any more."""
    told = told_as(kind, decision=decision)
    assert isinstance(told, Registration)
    denied = told_as("approval.denied")
    assert isinstance(denied, Registration)
    assert (told.what, told.reference) == (Registered.REFUSED, denied.reference)


@pytest.mark.parametrize("decision", ["granted", "Approved", None])
def test_what_was_granted_is_an_approval_by_whatever_word(decision: str | None) -> None:
    """Its type says so where no decision is told."""
    told = told_as("approval.granted", decision=decision)
    assert isinstance(told, Approval)


def test_a_refusal_that_says_nothing_is_read_and_yields_nothing() -> None:
    """Not every service says what it refused, and what was decided is only granted if somebody says so."""
    assert normalise(encoded(fact("approval.denied", {}))) == ()
    assert normalise(encoded(fact("approval.decided", {}))) == ()
