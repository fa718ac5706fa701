"""A human lifts a stop: one event on the log that everything else follows from."""

import time
from uuid import uuid4

import msgspec
from kafka.errors import KafkaError

from models.errors import InputError, StateError
from models.event import Release
from stream.enforcement.publisher import DELIVER_MS_MAX, Publisher, event_record
from stream.settings import Settings
from stream.topics import topics_of

SOURCE = "//chainbrake/release"


def send_release(settings: Settings, workflow: str, session: str, by: str, reason: str) -> str:
    """Publish it and wait until the broker has it; returns the event's id.

    Raises `InputError` for a name that no event may have, `StateError` if the broker does not take it.
    """
    now_ms = int(time.time() * 1000)
    fields = {
        "kind": "release",
        "id": uuid4().hex,
        "source": SOURCE,
        "at_ms": now_ms,
        "seen_ms": now_ms,
        "workflow": workflow,
        "session": session,
        "decided_by": by,
        "reason": reason,
    }
    try:
        release = msgspec.convert(fields, Release)
    except msgspec.ValidationError as error:
        raise InputError(f"cannot release {session}: {error}") from error
    topics = topics_of(settings)
    with Publisher(settings, "release") as publisher:
        publisher.know(topics.actions)
        try:
            publisher.send(event_record(release, topics)).get(timeout=DELIVER_MS_MAX / 1000)
        except KafkaError as error:
            raise StateError(
                f"the release of {session} did not reach {topics.actions} on {settings.kafka}: {error}. "
                f"The stop still stands; try again"
            ) from error
    return release.id
