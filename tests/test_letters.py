"""Dead letters as a person or a program reads them back."""

import json
from base64 import b64decode
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

import stream.commands.letters as told
from models.errors import Unreadable
from stream.configuration.settings import Settings
from stream.kafka.dead_letters import dead_letter, read_letter, refused_line, unfetched
from stream.kafka.messages import Record
from stream.kafka.topics import topics_of
from tests.printed import printed

AT_MS = 1_790_000_000_000
TOPICS = topics_of(Settings())


def lying(letter: Record) -> Any:
    """A letter as it lies on its topic."""
    return SimpleNamespace(
        value=letter.value, key=letter.key, headers=letter.headers, timestamp=AT_MS + 1, offset=0, partition=0
    )


def put_away(
    value: bytes | None, reason: Unreadable = Unreadable.NOT_JSON, detail: str = "no JSON", **more: Any
) -> Any:
    """A record of the actions topic that could not be judged."""
    record = {
        "topic": TOPICS.actions,
        "partition": 3,
        "offset": 17,
        "timestamp": AT_MS,
        "key": b"wf",
        "headers": (("ce_id", b"e1"), ("empty", None)),
        "value": value,
    }
    return lying(dead_letter(TOPICS.dead_letters, SimpleNamespace(**record | more), reason, detail))


def shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], records: list[Any], *arguments: str
) -> str:
    """What `chainbrake dead-letters …` prints where these lie there."""
    return printed(monkeypatch, capsys, told, {TOPICS.dead_letters: records}, "dead-letters", *arguments)


def test_what_was_put_away_is_read_back() -> None:
    """Its reason, its place, its own key and headers, and its bytes."""
    letter = read_letter(put_away(b"{"))
    assert (letter.reason, letter.detail) == ("not_json", "no JSON")
    assert (letter.topic, letter.partition, letter.offset) == (TOPICS.actions, 3, 17)
    assert (letter.at_ms, letter.letter_ms) == (AT_MS, AT_MS + 1)
    assert (letter.key, letter.headers, letter.value) == ("wf", {"ce_id": "e1", "empty": ""}, b"{")
    assert letter.cut_from_bytes is None


def test_a_line_of_a_file_and_what_was_never_fetched_are_letters_too() -> None:
    """The one has no place, the other no bytes; what is cut says from how much."""
    line = read_letter(
        lying(refused_line(TOPICS.dead_letters, b"x" * 4_000_000, Unreadable.TOO_LARGE, "long"))
    )
    assert (line.topic, line.partition, line.cut_from_bytes) == ("", None, 4_000_000)
    lost = read_letter(lying(unfetched(TOPICS, TopicPartition("t", 2), 5, "a name")))
    assert (lost.topic, lost.partition, lost.offset, lost.value) == ("t", 2, 5, b"")


@pytest.mark.parametrize("number", [b"", b"x", b"-1", b"9" * 40, "٣".encode(), None])
def test_whatever_else_lies_there_is_shown(number: bytes | None) -> None:
    """Somebody else may write to the topic."""
    letter = read_letter(
        SimpleNamespace(
            value=None, key=None, headers=[("offset", number), ("reason", b"\xff")], timestamp=AT_MS
        )
    )
    assert (letter.offset, letter.reason, letter.value) == (None, "\\xff", b"")


def test_kinds_are_counted_and_the_most_frequent_is_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the newest of each."""
    late = Unreadable.TIME_IN_PAST, "a week ago"
    records = [put_away(b"{old", *late), put_away(b"{", offset=1), put_away(b"{new", *late, offset=99)]
    said = shown(monkeypatch, capsys, records)
    first, second, end = said.split("\n\n")
    assert first.startswith(f"1 x not_json  {TOPICS.actions}\n  no JSON\n")
    assert second.startswith(f"2 x time_in_past  {TOPICS.actions}\n  a week ago\n")
    assert "partition 3 at 99, key wf, 4 bytes" in second
    assert "{new" in second
    assert end.startswith("3 since ")
    assert "not_json" not in shown(monkeypatch, capsys, records, "--reason", "time_in_past")


def test_bytes_move_no_terminal_and_a_long_one_is_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever sent garbage may have meant it."""
    said = shown(monkeypatch, capsys, [put_away(b"\x1b[2J\xff[red]" + b"a" * 9_000)])
    assert "\x1b" not in said
    assert "\\xff[red]aaa" in said
    assert len(said) < 800


def test_a_program_reads_each_letter_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As text where it is text; else as base64."""
    records = [put_away("ä".encode() * 5_000), put_away(b"\xff\x00"), put_away(None)]
    text, binary, tombstone = map(json.loads, shown(monkeypatch, capsys, records, "--json").splitlines())
    assert (text["kind"], text["value"]) == ("dead_letter", "ä" * 5_000)
    assert (text["topic"], text["partition"], text["offset"]) == (TOPICS.actions, 3, 17)
    assert (binary["value"], b64decode(binary["value_base64"])) == (None, b"\xff\x00")
    assert tombstone["value"] == ""
