"""An acknowledgement as an OCSF Remediation Activity (class 7001): how it goes out, and how it is read.

Format: ocsf/ocsf-schema, `events/remediation/remediation_activity.json`; documented field by field in
`docs/hooks.md`. What OCSF has no words for stands under `unmapped.chainbrake`. Hooks of before wrote the
fields of `Acknowledgement` as one plain JSON object: that is read as well.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from models.acknowledgement import Acknowledgement, Certainty, Detail, Hit
from models.command import Action
from models.errors import InputError
from models.event import Label, Millis, Name
from models.ocsf import VERSION

CLASS_UID = 7001
CATEGORY_UID = 7

ISOLATE, EVICT, RESTORE, OTHER = 1, 2, 3, 99
ACTIVITIES = {
    Action.OBSERVE: OTHER,
    Action.STEP_UP: ISOLATE,
    Action.READ_ONLY: ISOLATE,
    Action.REVOKE_TOKEN: EVICT,
    Action.KILL_SESSION: EVICT,
    Action.QUARANTINE_WORKFLOW: ISOLATE,
    Action.RELEASE_SESSION: RESTORE,
}
"""Tactics of D3FEND: a barrier, what removes, what gives back."""

STATUSES = {
    Hit.DONE: (1, "Success"),
    Hit.FAILED: (2, "Failure"),
    Hit.NOT_FOUND: (3, "Does Not Exist"),
    Hit.PARTIAL: (4, "Partial"),
    Hit.UNSUPPORTED: (5, "Unsupported"),
}
OUTCOMES = {status_id: outcome for outcome, (status_id, _) in STATUSES.items()}
"""Any other status (6 is an error, 0 and 99 say nothing) has stopped nothing, as far as anybody knows."""

INFORMATIONAL = 1
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Product(Struct, frozen=True):
    """Who answers."""

    name: Name


class Metadata(Struct, frozen=True):
    """Of the event."""

    product: Product


class Beyond(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What OCSF has no words for; the fields of `Acknowledgement`."""

    action: Action = Action.OBSERVE
    session: Label = ""
    certainty: Certainty = Certainty.ACCEPTED
    scope: Label = ""
    residual: Detail = ""
    residual_until_ms: Millis | None = None
    seen_ms: Millis | None = None


class Unmapped(Struct, frozen=True):
    """OCSF's place for it."""

    chainbrake: Beyond = Beyond()


class Remediation(Struct, frozen=True, kw_only=True):
    """A Remediation Activity, as far as it is read."""

    class_uid: Literal[7001]
    time: Millis
    command_uid: Name
    status_id: Annotated[int, Meta(ge=0, le=99)]
    metadata: Metadata
    status_detail: Detail = ""
    unmapped: Unmapped = Unmapped()


class Form(Struct, frozen=True):
    """Which form a record has: an OCSF event says its class, a structured CloudEvent holds data."""

    class_uid: int | None = None
    specversion: str = ""
    data: Raw = Raw(b"")


_form = msgspec.json.Decoder(Form)
_ocsf = msgspec.json.Decoder(Remediation)
_plain = msgspec.json.Decoder(Acknowledgement)


def to_remediation(ack: Acknowledgement) -> dict[str, Any]:
    """The event; times in milliseconds."""
    activity_id = ACTIVITIES[ack.action]
    status_id, status = STATUSES[ack.outcome]
    beyond = Beyond(**{name: getattr(ack, name) for name in Beyond.__struct_fields__})
    return {
        "class_uid": CLASS_UID,
        "category_uid": CATEGORY_UID,
        "activity_id": activity_id,
        "type_uid": CLASS_UID * 100 + activity_id,
        "time": ack.at_ms,
        "severity_id": INFORMATIONAL,
        "status_id": status_id,
        "status": status,
        "status_detail": ack.detail,
        "command_uid": ack.command,
        "message": f"{ack.action}: {ack.outcome}, {ack.certainty}",
        "metadata": {
            "version": VERSION,
            "uid": uid_of(ack),
            "product": {"name": ack.hook, "vendor_name": "chainbrake"},
        },
        "unmapped": {"chainbrake": msgspec.to_builtins(beyond)},
    }


def uid_of(ack: Acknowledgement) -> str:
    """One hook says one thing of one command once; that it was verified is another thing."""
    return f"{ack.command}/{ack.hook}/{ack.outcome}/{ack.certainty}"


def read_acknowledgement(value: bytes | None) -> Acknowledgement:
    """The answer in a record: an OCSF event, alone or in a structured CloudEvent, or the plain form.

    Raises `InputError`, for a record that is none.
    """
    content = value or b""
    try:
        form = _form.decode(content)
        if form.specversion and form.data:
            content = bytes(form.data)
            form = _form.decode(content)
        return _plain.decode(content) if form.class_uid is None else _acknowledgement(_ocsf.decode(content))
    except UNREADABLE as error:
        raise InputError(f"not an acknowledgement: {error}") from error


def _acknowledgement(event: Remediation) -> Acknowledgement:
    beyond = event.unmapped.chainbrake
    return Acknowledgement(
        command=event.command_uid,
        hook=event.metadata.product.name,
        outcome=OUTCOMES.get(event.status_id, Hit.FAILED),
        at_ms=event.time,
        detail=event.status_detail,
        **{name: getattr(beyond, name) for name in Beyond.__struct_fields__},
    )
