"""Recorded sessions of other formats: read as they are written, and truth is never looked at."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from models.errors import InputError
from models.event import Operation, Origin, Outcome, Provenance
from stream.runs.agent_runs import EVENTS, SESSIONS, agent_runs
from stream.runs.hdfs import hdfs
from stream.runs.recorded_run import RecordedRun


def packed(path: Path, rows: list[dict[str, Any]]) -> None:
    """NDJSON, gzip."""
    path.write_bytes(gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows)))


def folder(path: Path, calls: list[dict[str, Any]], **session: Any) -> str:
    """A folder with one session of these calls."""
    path.mkdir()
    packed(path / SESSIONS, [{"s": "r/1", "suite": "bank", "user_task": "t1", "pipeline": "m-x"} | session])
    packed(path / EVENTS, [{"s": "r/1", "i": place, "op": "pay"} | call for place, call in enumerate(calls)])
    return str(path)


def told_of(path: Path, prov: dict[str, Any], **call: Any) -> tuple[Provenance, ...]:
    """The origins of a call with this `prov`."""
    (told,) = told_of_all(path, {"prov": prov} | call)
    return told


def told_of_all(path: Path, *calls: dict[str, Any]) -> list[tuple[Provenance, ...]]:
    """The origins of each call of a session."""
    (run,) = agent_runs(folder(path, list(calls)))
    return [operation.provenance for operation in run.operations]


def test_a_run_is_a_session_of_its_suite_and_task(tmp_path: Path) -> None:
    """Job = suite and user task, agent = suite; a call that failed has an outcome that says so."""
    (run,) = agent_runs(folder(tmp_path / "r", [{"op": "look"}, {"op": "pay", "err": True}]))
    assert (run.session, run.variant) == ("r/1", "m-x")
    look, pay = run.operations
    assert (look.agent, look.agent_role, look.session, look.id) == ("bank", "bank/t1", "r/1", "0")
    assert (look.outcome, pay.outcome) == (Outcome.OK, Outcome.ERROR)


def test_truth_changes_nothing(tmp_path: Path) -> None:
    """Nor does what is only known afterwards."""
    call = {"op": "pay", "prov": {"to": ["tool", 0, "body", 64]}}
    truth = {"label": "injected_success", "after_exposure": True, "res_len": 999}
    plain = list(agent_runs(folder(tmp_path / "a", [call])))
    labelled = list(agent_runs(folder(tmp_path / "b", [call | truth], kind="injected_success", exposed_at=0)))
    assert plain == labelled


def test_without_a_task_there_is_an_agent_and_no_job(tmp_path: Path) -> None:
    """Job ids are a bonus, not a requirement."""
    path = tmp_path / "r"
    folder(path, [{}])
    packed(path / SESSIONS, [{"s": "r/1", "suite": "bank"}])
    (run,) = agent_runs(str(path))
    assert (run.operations[0].agent, run.operations[0].agent_role) == ("bank", "")


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        (["user"], [Provenance(argument="to", origin=Origin.USER)]),
        (["unseen"], [Provenance(argument="to", origin=Origin.UNSEEN)]),
        ([], [Provenance(argument="to", origin=Origin.CONST)]),
        (
            ["tool", 3, "iban", "="],
            [Provenance(argument="to", origin=Origin.TOOL, source_event="3", source_field="iban", shape="=")],
        ),
        (
            ["tool", 0, "", 512],
            [Provenance(argument="to", origin=Origin.TOOL, source_event="0", shape="in")],
        ),
        (
            [["user"], ["self"]],
            [
                Provenance(argument="to", origin=Origin.USER),
                Provenance(argument="to", origin=Origin.SELF),
            ],
        ),
        (
            {"user": 0.2, "unseen": 0.75, "tool": {"2": 0.05}},
            [Provenance(argument="to", origin=Origin.UNSEEN, shape="text")],
        ),
        (
            [["mix", {"tool": {"2": 0.8}, "unseen": 0.2, "tok": {"tool": {"1": 2}, "unseen": 1}}]],
            [
                Provenance(argument="to", origin=Origin.TOOL, source_event="2", shape="text"),
                Provenance(argument="to", origin=Origin.TOOL, source_event="1", shape="token"),
                Provenance(argument="to", origin=Origin.UNSEEN, shape="token"),
            ],
        ),
    ],
    ids=[
        "user",
        "nowhere",
        "empty",
        "whole field",
        "part of a field",
        "a list",
        "free text of nobody",
        "free text out of results",
    ],
)
def test_an_origin_is_read(tmp_path: Path, origin: Any, told: list[Provenance]) -> None:
    """Of one value, a list, a free text."""
    assert told_of(tmp_path / "r", {"to": origin}) == tuple(told)


@pytest.mark.parametrize(
    ("words", "origin"),
    [
        ([2, 1, 0], Origin.USER),
        ([2, 1, 1], Origin.USER),
        ([2, 0, 1], Origin.TOOL),
        ([2, 0, 0], Origin.UNSEEN),
    ],
)
def test_who_spoke_of_the_operation_is_the_origin_of_its_name(
    tmp_path: Path, words: list[int], origin: Origin
) -> None:
    """The user before any result, as for every other value."""
    assert told_of(tmp_path / "r", {}, op_words=words) == (Provenance(argument="()", origin=origin),)


@pytest.mark.parametrize(
    "prov", [{"to": ["oracle"]}, {"to": ["tool", 3]}, {"to": 7}, {"to": {"tool": 5}}], ids=str
)
def test_an_origin_nobody_knows_is_an_error_that_names_the_session(tmp_path: Path, prov: Any) -> None:
    """A file in another format must not be learned from as if nothing had been told."""
    with pytest.raises(InputError, match="r/1"):
        told_of(tmp_path / "r", prov)


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    """Of a hundred thousand lines nobody finds the one."""
    with pytest.raises(InputError, match=rf"{EVENTS}:2: .*\$\.op"):
        told_of_all(tmp_path / "r", {}, {"op": None})


def test_what_has_nothing_to_say_may_say_so(tmp_path: Path) -> None:
    """No origins, as nothing or as null; and events of a session that is not listed are no part of it."""
    path = tmp_path / "r"
    told = told_of_all(path, {"prov": None, "op_words": None, "err": None}, {"s": "r/2"})
    assert told == [()]


@pytest.mark.parametrize("broken", [SESSIONS, EVENTS])
@pytest.mark.parametrize(
    "content", [None, b"no gzip", gzip.compress(b'{"s":1}\n', mtime=0), gzip.compress(b"{}", mtime=0)[:-4]]
)
def test_a_folder_that_is_none_is_an_error_that_names_the_file(
    tmp_path: Path, broken: str, content: bytes | None
) -> None:
    """Absent, not packed, not the format, cut off."""
    path = tmp_path / "r"
    folder(path, [{}])
    (path / broken).unlink()
    if content is not None:
        (path / broken).write_bytes(content)
    with pytest.raises(InputError, match=broken):
        list(agent_runs(str(path)))


def test_block_sequences_are_sessions_without_times(tmp_path: Path) -> None:
    """Plain or packed; labels are not read."""
    path = tmp_path / "blocks.ndjson"
    path.write_bytes(b'{"s": "b1", "label": "normal", "ops": ["5", "22"]}\n\n{"s": "b2", "ops": []}\n')
    first, second = hdfs(str(path))
    assert [event.operation for event in first.operations] == ["5", "22"]
    assert isinstance(first.operations[0], Operation)
    assert second == RecordedRun("b2", [])
    path.write_bytes(b'{"s": "b1"}\n')
    with pytest.raises(InputError, match="1"):
        list(hdfs(str(path)))
