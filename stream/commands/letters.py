"""`chainbrake dead-letters`: what could not be judged, by reason, for whoever has to mend it; or as JSON."""

import os
import sys
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from stream.configuration.settings import read_settings
from stream.recordings.topic_range import since
from stream.terminal.console import escape, out
from stream.terminal.moments import begin_of, moment
from stream.terminal.options import Kafka, Since

if TYPE_CHECKING:
    from stream.kafka.dead_letters import Letter

SHOWN_CHARS_MAX = 300
KINDS_SHOWN_MAX = 40


def dead_letters(
    reason: Annotated[str | None, typer.Option(help="of that reason")] = None,
    begin: Since = None,
    kafka: Kafka = None,
    *,
    json: Annotated[
        bool, typer.Option("--json", help="one JSON object per letter, whole, and nothing else")
    ] = False,
) -> None:
    """What could not be judged: how much of which kind, and the newest of each."""
    from stream.kafka.dead_letters import read_letter  # noqa: PLC0415 - imports the clients
    from stream.kafka.topics import topics_of  # noqa: PLC0415

    settings = read_settings(os.environ, kafka=kafka)
    begin_ms = begin_of(begin or ("30d" if reason else "1d"), int(time.time() * 1000))
    found = map(read_letter, since(settings, topics_of(settings).dead_letters, begin_ms))
    wanted = (letter for letter in found if reason is None or letter.reason == reason)
    if json:
        for letter in wanted:
            sys.stdout.write(msgspec.json.encode(_row(letter)).decode() + "\n")
        return
    for line in _told(wanted, begin_ms):
        out.print(line)


def _row(letter: "Letter") -> dict[str, Any]:
    row = {"kind": "dead_letter", **msgspec.structs.asdict(letter)}
    try:
        row["value"] = letter.value.decode()
    except UnicodeDecodeError:
        row["value"], row["value_base64"] = None, b64encode(letter.value).decode()
    return row


def _told(letters: Iterator["Letter"], begin_ms: int) -> Iterator[str]:
    """The most frequent kinds last, where a person looks first."""
    newest: dict[tuple[str, str, str], Letter] = {}
    times: dict[tuple[str, str, str], int] = defaultdict(int)
    for letter in letters:
        kind = letter.reason, letter.topic, letter.detail
        newest[kind] = letter
        times[kind] += 1
    for kind in sorted(times, key=lambda each: times[each])[-KINDS_SHOWN_MAX:]:
        reason, topic, detail = kind
        yield f"[bold]{times[kind]} x {escape(reason or 'no reason')}[/bold]  {escape(topic)}"
        yield f"  {escape(detail)}"
        yield from _example(newest[kind])
        yield ""
    yield f"{sum(times.values())} since {moment(begin_ms)}, of {len(times)} kinds"


def _example(letter: "Letter") -> Iterator[str]:
    place = f", partition {letter.partition} at {letter.offset}" if letter.partition is not None else ""
    key = f", key {letter.key}" if letter.key else ""
    yield escape(f"  newest {moment(letter.letter_ms)}{place}{key}, {len(letter.value)} bytes")
    shown = letter.value[:SHOWN_CHARS_MAX].decode(errors="backslashreplace")
    if shown:
        yield f"  {escape(shown)}{'…' if len(letter.value) > SHOWN_CHARS_MAX else ''}"
