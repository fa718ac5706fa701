"""What a human says of a stop: one event on the log, that everything else follows from."""

import time
from typing import Any
from uuid import uuid4

import msgspec
from kafka.errors import KafkaError
from msgspec import Struct

from models.errors import InputError, StateError
from models.event import AnyEvent, Disposition, Release
from stream.configuration.settings import Settings
from stream.enforcement.publisher import DELIVER_MS_MAX, Publisher
from stream.kafka.messages import event_record
from stream.kafka.topics import topics_of

SOURCE = "//chainbrake/release"
SOURCE_DISPOSITION = "//chainbrake/disposition"


class Subject(Struct, frozen=True):
    """Whose stop it is, and who speaks."""

    workflow: str
    session: str
    by: str
    reason: str


def send_release(settings: Settings, workflow: str, session: str, by: str, reason: str) -> str:
    """Publish it and wait until the broker has it; returns the event's id.

    Raises `InputError` for a name that no event may have, `StateError` if the broker does not take it.
    """
    fields = _fields(SOURCE, Subject(workflow, session, by, reason))
    try:
        release = msgspec.convert(fields, Release)
    except msgspec.ValidationError as error:
        raise InputError(f"cannot release {session}: {error}") from error
    _publish(settings, release, f"the release of {session}", "The stop still stands")
    return release.id


def send_disposition(
    settings: Settings, subject: Subject, about: str, detectors: list[str], *, right: bool
) -> str:
    """Publish what an analyst says of a command or finding; as `send_release`, and it lifts nothing."""
    said = {"about": about, "true_positive": right, "detectors": detectors}
    fields = _fields(SOURCE_DISPOSITION, subject) | said
    try:
        disposition = msgspec.convert(fields, Disposition)
    except msgspec.ValidationError as error:
        raise InputError(f"cannot dispose of {about}: {error}") from error
    _publish(settings, disposition, f"the disposition of {about}", "Nothing is on record")
    return disposition.id


def _fields(source: str, subject: Subject) -> dict[str, Any]:
    now_ms = int(time.time() * 1000)
    return {
        "kind": source.rpartition("/")[2],
        "id": uuid4().hex,
        "source": source,
        "at_ms": now_ms,
        "seen_ms": now_ms,
        "workflow": subject.workflow,
        "session": subject.session,
        "decided_by": subject.by,
        "reason": subject.reason,
    }


def _publish(settings: Settings, event: AnyEvent, what: str, otherwise: str) -> None:
    topics = topics_of(settings)
    with Publisher(settings, what.split()[1]) as publisher:
        publisher.know(topics.actions)
        try:
            publisher.send(event_record(event, topics)).get(timeout=DELIVER_MS_MAX / 1000)
        except KafkaError as error:
            raise StateError(
                f"{what} did not reach {topics.actions} on {settings.kafka}: {error}. {otherwise}; try again"
            ) from error
