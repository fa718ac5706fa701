"""Recorded agent runs with the origin of every argument: a folder of two files, NDJSON packed with gzip.

`sessions.ndjson.gz`: `s` (session), `suite`, `user_task`, `pipeline` (which model ran it).
`events.ndjson.gz`: `s`, `i` (place in the session), `op`, `prov` (argument: origin), `op_words`, `err`. Job
= suite and user task, agent = suite. Whatever else stands in them is not read, least of all truth; nor are
events of sessions that are not listed, so that a part of the sessions is a list of its own. There are no
times, so every event has the same.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from models.baselines.origins import NAME, PART, TOKEN, WHOLE, WORDS
from models.errors import InputError
from models.event import ARGUMENTS_MAX, Label, Name, Operation, Origin, Outcome, Provenance
from stream.recordings.files import WIDE_BYTES_MAX, Lines
from stream.runs.recorded_run import RecordedRun
from stream.terminal.progress import SILENT, Bar

SESSIONS, EVENTS = "sessions.ndjson.gz", "events.ndjson.gz"

SHARE_MIN = 0.1
"""Of a free text: less than a tenth of its words in a row is chance."""


class SessionLine(Struct):
    """What is read of a session."""

    s: Name
    suite: Name
    user_task: Label = ""
    pipeline: Label = ""


class EventLine(Struct):
    """What is read of a call."""

    s: Name
    i: int
    op: Name
    prov: dict[str, Any] | None = None
    op_words: tuple[int, int, int] | None = None
    err: bool | None = None


Line = TypeVar("Line", SessionLine, EventLine)


def agent_runs(folder: str, bar: Bar = SILENT) -> Iterator[RecordedRun]:
    """The sessions of a folder. Raises `InputError` for one that is not such a folder."""
    place = Path(folder)
    events: dict[str, list[EventLine]] = defaultdict(list)
    for event in _lines(place / EVENTS, EventLine, bar):
        events[event.s].append(event)
    for session in _lines(place / SESSIONS, SessionLine, bar):
        calls = sorted(events.pop(session.s, []), key=lambda call: call.i)
        try:
            operations = [_operation(session, call) for call in calls]
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{place / EVENTS}: session {session.s}: an origin nobody knows: {error!r}"
            ) from error
        yield RecordedRun(session.s, operations, session.pipeline)


def _lines(path: Path, kind: type[Line], bar: Bar) -> Iterator[Line]:
    decoder = msgspec.json.Decoder(kind)
    for number, line in enumerate(Lines([str(path)], WIDE_BYTES_MAX, bar), 1):
        if not line.strip():
            continue
        try:
            told = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}:{number}: {error}") from error
        yield told


def _operation(session: SessionLine, call: EventLine) -> Operation:
    told = [origin for name, value in (call.prov or {}).items() for origin in _origins(name, value)]
    if call.op_words is not None:
        _, by_user, by_tool = call.op_words
        spoken = Origin.USER if by_user else Origin.TOOL if by_tool else Origin.UNSEEN
        told.insert(0, Provenance(argument=NAME, origin=spoken))
    return Operation(
        id=str(call.i),
        source="agent-runs",
        at_ms=0,
        workflow=session.s,
        session=session.s,
        agent=session.suite,
        agent_role=f"{session.suite}/{session.user_task}"[:256] if session.user_task else "",
        operation=call.op,
        outcome=Outcome.ERROR if call.err else Outcome.OK,
        provenance=tuple(told[:ARGUMENTS_MAX]),
    )


def _origins(name: str, value: Any) -> Iterator[Provenance]:
    """One value, a free text, or a list of either."""
    if isinstance(value, dict):
        yield from _text(name, value)
    elif not value:
        yield Provenance(argument=name, origin=Origin.CONST)
    elif value[0] == "mix":
        yield from _text(name, value[1])
    elif not isinstance(value[0], str):
        for element in value:
            yield from _origins(name, element)
    elif value[0] == Origin.TOOL:
        yield _from_result(name, value)
    else:
        yield Provenance(argument=name, origin=Origin(value[0]))


def _from_result(name: str, value: Sequence[Any]) -> Provenance:
    _, call, field, shape = value
    return Provenance(
        argument=name,
        origin=Origin.TOOL,
        source_event=str(call),
        source_field=field,
        shape=WHOLE if shape == WHOLE else PART,
    )


def _text(name: str, shares: Mapping[str, Any]) -> Iterator[Provenance]:
    """A free text: whose results much of it came from, and its names and addresses."""
    sources = [call for call, share in shares.get("tool", {}).items() if share >= SHARE_MIN]
    yield from (_part(name, WORDS, Origin.TOOL, call) for call in sources)
    if not sources:
        by_user = shares.get("user", 0.0) >= shares.get("unseen", 0.0)
        yield _part(name, WORDS, Origin.USER if by_user else Origin.UNSEEN)
    tokens = shares.get("tok", {})
    yield from (_part(name, TOKEN, Origin.TOOL, call) for call in tokens.get("tool", {}))
    if tokens.get("unseen"):
        yield _part(name, TOKEN, Origin.UNSEEN)


def _part(name: str, kind: str, origin: Origin, call: str = "") -> Provenance:
    return Provenance(argument=name, origin=origin, source_event=call, shape=kind)
