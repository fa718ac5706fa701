"""What agents and approvers send to the gateway, as events: checked, and dated and named by the gateway."""

from typing import Any
from uuid import uuid4

import msgspec

from models.errors import InputError
from models.event import Approval, Delegation, Operation, SessionEnd

OURS = frozenset({"id", "source", "at_ms", "seen_ms", "grade"})
"""What the gateway says of a call. An agent that could would repeat an id, backdate, or grade itself down."""

Fact = Delegation | Approval | SessionEnd


def read_call(body: bytes, source: str, now_ms: int) -> Operation:
    """What an agent is about to do. Raises `InputError` with what is wrong."""
    fields = _object(body)
    named = OURS.intersection(fields)
    if named:
        raise InputError(f"`{min(named)}` is for the gateway to say; leave out: {', '.join(sorted(OURS))}")
    return _converted({"kind": "operation", **fields, **_ours(source, now_ms)}, Operation)  # type: ignore[no-any-return]


def read_fact(body: bytes, source: str, now_ms: int) -> Fact:
    """A fact. Its sender may date and name it: an approval was given when it was, not when we hear of it.

    Raises `InputError` with what is wrong.
    """
    return _converted({**_ours(source, now_ms), **_object(body)}, Fact)  # type: ignore[no-any-return]


def _ours(source: str, now_ms: int) -> dict[str, Any]:
    return {"id": uuid4().hex, "source": source, "at_ms": now_ms, "seen_ms": now_ms}


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not a JSON object: {error}") from error
    except RecursionError as error:
        raise InputError("not a JSON object: nested too deeply") from error


def _converted(fields: dict[str, Any], kind: Any) -> Any:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise InputError(str(error)) from error
