"""A command as a CAEP-shaped event: the claims of a security event token, unsigned.

Format: OpenID CAEP 1.0 and SSF 1.0 (openid/sharedsignals), RFC 8417. An undefined member of a complex subject
is a wildcard, so one without `session` would revoke every session of its user: there is no way to build one
here. What the standard does not carry stands in the `chainbrake` member, which receivers ignore if unknown.
"""

from typing import Any

import msgspec

from models.command import Action, Command
from models.errors import InputError

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
SESSION_REVOKED = CAEP + "session-revoked"
CREDENTIAL_CHANGE = CAEP + "credential-change"
RISK_LEVEL_CHANGE = CAEP + "risk-level-change"

EVENT_TYPES = {
    Action.OBSERVE: RISK_LEVEL_CHANGE,
    Action.STEP_UP: RISK_LEVEL_CHANGE,
    Action.READ_ONLY: RISK_LEVEL_CHANGE,
    Action.REVOKE_TOKEN: CREDENTIAL_CHANGE,
    Action.KILL_SESSION: SESSION_REVOKED,
    Action.QUARANTINE_WORKFLOW: SESSION_REVOKED,
    Action.RELEASE_SESSION: RISK_LEVEL_CHANGE,
}
RISK_LEVELS = {
    Action.OBSERVE: "LOW",
    Action.STEP_UP: "MEDIUM",
    Action.READ_ONLY: "HIGH",
    Action.RELEASE_SESSION: "LOW",
}


def to_caep(command: Command, issuer: str) -> dict[str, Any]:
    """The claims; `issuer` is the transmitter's `iss`."""
    return {
        "iss": issuer,
        "jti": command.id,
        "iat": command.seen_ms // 1000,
        "txn": f"{command.workflow}/{command.event_id}",
        "sub_id": _subject(command),
        "events": {EVENT_TYPES[command.action]: _event(command)},
    }


def from_caep(value: bytes) -> Command:
    """The command in a record's value. Raises `InputError` for anything else."""
    try:
        claims = msgspec.json.decode(value)
        (event,) = claims["events"].values()
        command = msgspec.convert(event["chainbrake"], Command)
    except (msgspec.DecodeError, RecursionError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"not a command of ours: {error}") from error
    if not command.session:
        raise InputError("a command without a session would be for everybody")
    return command


def _subject(command: Command) -> dict[str, Any]:
    assert command.session, "a complex subject without a session is everybody's"
    subject: dict[str, Any] = {
        "format": "complex",
        "session": {"format": "opaque", "id": command.session},
        "agent": {"format": "opaque", "id": command.agent or command.session},
    }
    if command.principal:
        subject["user"] = {"format": "iss_sub", "iss": command.event_source, "sub": command.principal}
    if command.action is Action.REVOKE_TOKEN:
        subject["credential"] = {"format": "opaque", "id": command.credential}
    if command.action is Action.QUARANTINE_WORKFLOW:
        subject["workflow"] = {"format": "opaque", "id": command.workflow}
    return subject


def _event(command: Command) -> dict[str, Any]:
    event: dict[str, Any] = {
        "initiating_entity": "admin" if command.action is Action.RELEASE_SESSION else "policy",
        "event_timestamp": command.at_ms // 1000,
        "reason_admin": {"en": command.reason},
        "chainbrake": {"scope": command.scope, **msgspec.to_builtins(command)},
    }
    kind = EVENT_TYPES[command.action]
    if kind == CREDENTIAL_CHANGE:
        event |= {"credential_type": "app", "change_type": "revoke"}
    elif kind == RISK_LEVEL_CHANGE:
        event |= {
            "principal": "SESSION",
            "current_level": RISK_LEVELS[command.action],
            "risk_reason": command.reason[:256],
        }
    return event
