"""What leaves: commands and findings as records of their topics, and as they are kept while they are owed."""

import msgspec

from detectors.catalog import LEARNED
from models import cloudevent
from models.acknowledgement import Acknowledgement
from models.caep import to_caep
from models.command import Action, Command
from models.event import AnyEvent
from models.finding import Finding
from models.ocsf import to_ocsf
from models.remediation import to_remediation, uid_of
from stream.kafka.topics import Topics

JSON = msgspec.json.Encoder()

Message = Command | Finding
"""What is owed until the broker has it."""


class Record(msgspec.Struct, frozen=True):
    """A record as the producer takes it."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class KeptCommand(msgspec.Struct, frozen=True, tag="command"):
    """A command while it is owed or pending."""

    command: Command


class KeptFinding(msgspec.Struct, frozen=True, tag="finding"):
    """A finding while it is owed."""

    finding: Finding


_kept = msgspec.msgpack.Encoder()
_keep = msgspec.msgpack.Decoder(KeptCommand | KeptFinding)


def kept(message: Message) -> bytes:
    """As it lies in the store."""
    return _kept.encode(KeptCommand(message) if isinstance(message, Command) else KeptFinding(message))


def unkept(content: bytes) -> Message:
    """What lies in the store."""
    held = _keep.decode(content)
    return held.command if isinstance(held, KeptCommand) else held.finding


def record_of(message: Message, topics: Topics, issuer: str) -> Record:
    """The record of a command or a finding."""
    if isinstance(message, Command):
        return _command_record(message, topics, issuer)
    named = cloudevent.attributes(
        "finding",
        message.id,
        issuer,
        message.at_ms,
        message.session,
        [("correlationid", message.workflow), ("causationid", message.event_id)],
    )
    value = JSON.encode(to_ocsf(message, learned=message.detector in LEARNED))
    return Record(topics.findings, message.session.encode(), value, cloudevent.binary_headers(named))


def _command_record(command: Command, topics: Topics, issuer: str) -> Record:
    named = cloudevent.attributes(
        f"command.{command.action}",
        command.id,
        issuer,
        command.at_ms,
        command.session,
        [
            ("correlationid", command.workflow),
            ("causationid", command.event_id),
            ("expirytime", cloudevent.rfc3339(command.expires_ms)),
        ],
    )
    value = JSON.encode(to_caep(command, issuer))
    return Record(topics.commands, command.session.encode(), value, cloudevent.binary_headers(named))


def event_record(event: AnyEvent, topics: Topics) -> Record:
    """The record of an event on the actions topic."""
    value, headers = cloudevent.encode_event(event)
    return Record(topics.actions, event.workflow.encode(), value, headers)


def acknowledgement_record(ack: Acknowledgement, topics: Topics, issuer: str) -> Record:
    """The record of a hook's answer."""
    named = cloudevent.attributes(
        "enforcement.result",
        uid_of(ack),
        issuer,
        ack.at_ms,
        ack.session,
        [("causationid", ack.command)],
    )
    value = JSON.encode(to_remediation(ack))
    return Record(topics.acks, ack.session.encode(), value, cloudevent.binary_headers(named))


def verdict_of(command: Command) -> bytes:
    """What a gateway reads with one GET: the standing of a session, until when, and which command says so."""
    standing = Action.OBSERVE if command.action is Action.RELEASE_SESSION else command.action
    return JSON.encode(
        {
            "verdict": standing,
            "until_ms": command.expires_ms,
            "command": command.id,
            "workflow": command.workflow,
            "lifts": command.lifts,
        }
    )


def lifted(verdict: bytes | None, command: Command) -> bool:
    """Whether a session's standing is a release that has lifted this command, or what it escalates."""
    if verdict is None:
        return False
    return not {command.id, command.escalates}.isdisjoint(msgspec.json.decode(verdict).get("lifts", ()))
