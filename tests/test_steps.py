"""What is remembered of an operation: the same few names are kept once, whoever says them."""

import msgspec
import pytest

from detectors import steps
from detectors.steps import shared, step_of
from models.event import Operation
from models.session import Session
from tests.builders import op

NAMES = ("operation", "target_kind", "system", "source")


def again(event: Operation) -> Operation:
    """The same, in texts of its own, as it comes out of a record."""
    return msgspec.json.decode(msgspec.json.encode(event), type=Operation)


def test_steps_share_their_names() -> None:
    """Of each name there is one object, in steps of whatever session."""
    first, second = (step_of(again(op("D", at)), Session(f"s{at}")) for at in (1, 2))
    for name in NAMES:
        assert getattr(first, name) is getattr(second, name)
    assert first.event_id != second.event_id or first.at_ms != second.at_ms


def test_a_step_says_what_its_operation_says() -> None:
    """Whatever is kept already."""
    for letter in ("D", "R", "S"):
        event = again(op(letter, 1))
        step = step_of(event, Session("s1"))
        assert all(getattr(step, name) == getattr(event, name) for name in (*NAMES, "at_ms", "target", "act"))


def test_names_may_be_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come with the events: only so many are kept."""
    monkeypatch.setattr(steps, "NAMES_MAX", 10)
    for number in range(50):
        assert shared(f"name-{number}") == f"name-{number}"
        step_of(again(op("D", 1, operation=f"Operation{number}")), Session("s1"))
    assert len(steps._names) <= 10 + len(NAMES)  # noqa: SLF001 - what is kept is tested
