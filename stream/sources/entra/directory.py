"""Entra's directory audit (`AuditLogs`): who changed what, from `initiatedBy` and `targetResources`."""

import re
from typing import Any

import msgspec
from msgspec import Struct

from models.attested import Fact
from models.event import Outcome
from stream.sources.entra.changes import Change, Thing, read_change
from stream.sources.entra.envelope import Envelope, part
from stream.sources.entra.reading import Reading
from stream.sources.reading import PARTS_MAX, name, nested

REFUSED = re.compile(
    r"insufficient|unauthori[sz]ed|not authori[sz]ed|access ?denied|forbidden|requestdenied", re.IGNORECASE
)
DASHES = re.compile(r"\s*[\u2012-\u2015]\s*")


class ModifiedProperty(Struct):
    """One property, before and after; the values are JSON in text."""

    displayName: str | None = None  # noqa: N815 - Microsoft's names
    oldValue: Any = None  # noqa: N815
    newValue: Any = None  # noqa: N815


class TargetResource(Struct):
    """One of the objects concerned."""

    id: str | None = None
    displayName: str | None = None  # noqa: N815
    type: str | None = None
    userPrincipalName: str | None = None  # noqa: N815
    modifiedProperties: list[ModifiedProperty] | None = None  # noqa: N815


class Initiator(Struct):
    """A person or an application."""

    id: str | None = None
    userPrincipalName: str | None = None  # noqa: N815
    ipAddress: str | None = None  # noqa: N815
    appId: str | None = None  # noqa: N815
    servicePrincipalId: str | None = None  # noqa: N815
    displayName: str | None = None  # noqa: N815


class InitiatedBy(Struct):
    """Who did it."""

    user: Initiator | None = None
    app: Initiator | None = None


class Detail(Struct):
    """A key and a value."""

    key: str | None = None
    value: Any = None


class DirectoryAudit(Struct):
    """A record of the directory audit."""

    id: str | None = None
    activityDisplayName: str | None = None  # noqa: N815
    activityDateTime: str | None = None  # noqa: N815
    correlationId: str | None = None  # noqa: N815
    result: str | None = None
    resultReason: str | None = None  # noqa: N815
    operationType: str | None = None  # noqa: N815
    initiatedBy: InitiatedBy | None = None  # noqa: N815
    targetResources: list[TargetResource] | None = None  # noqa: N815
    additionalDetails: list[Detail] | None = None  # noqa: N815


_audits = msgspec.json.Decoder(DirectoryAudit)
NOBODY = Initiator()


def read_directory(envelope: Envelope, source: str) -> Reading:
    """One change of the directory."""
    said = part(_audits, envelope.properties)
    by = said.initiatedBy or InitiatedBy()
    user, app = by.user or NOBODY, by.app or NOBODY
    application = app.servicePrincipalId or app.appId or app.displayName or ""
    reading = Reading(
        source=source,
        operation=activity_of(said.activityDisplayName or envelope.operationName or ""),
        at=said.activityDateTime or envelope.time or "",
        id=said.id or "",
        principal=user.userPrincipalName or user.id or application,
        handle=user.id or user.userPrincipalName or application,
        requests=(said.correlationId or "", envelope.correlationId or ""),
    )
    reading.mean(reading.operation)
    reading.outcome = _outcome(said.result, said.resultReason or "")
    reading.state(Fact.ADDRESS, name(user.ipAddress))
    reading.state(Fact.CLIENT, name(app.appId))
    details = _details(said.additionalDetails)
    reading.state(Fact.USER_AGENT, details.get("user-agent"))
    read_change(reading, _change(said, details, _names_of(user, app)))
    return reading


def activity_of(text: str) -> str:
    """The activity's name with plain dashes and no blank at its ends."""
    return name(DASHES.sub(" - ", text).strip())


def _outcome(result: str | None, reason: str) -> Outcome:
    if (result or "success").lower() == "success":
        return Outcome.OK
    return Outcome.DENIED if REFUSED.search(reason[:1024]) else Outcome.ERROR


def _details(details: list[Detail] | None) -> dict[str, str]:
    pairs = ((each.key, each.value) for each in (details or ())[:PARTS_MAX])
    return {key.lower(): value for key, value in pairs if key and isinstance(value, str)}


def _names_of(user: Initiator, app: Initiator) -> frozenset[str]:
    names = (user.userPrincipalName, user.id, app.displayName, app.servicePrincipalId, app.appId)
    return frozenset(each for each in names if each)


def _change(said: DirectoryAudit, details: dict[str, str], callers: frozenset[str]) -> Change:
    things = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for resource in (said.targetResources or ())[:PARTS_MAX]:
        label = resource.userPrincipalName or resource.displayName or resource.id or ""
        things.append(Thing(kind=resource.type or "", label=label, id=resource.id or ""))
        for changed in (resource.modifiedProperties or ())[:PARTS_MAX]:
            key = changed.displayName or ""
            before.setdefault(key, _value(changed.oldValue))
            after.setdefault(key, _value(changed.newValue))
    return Change(
        things=things,
        before=before,
        after=after,
        details=details,
        callers=callers,
        assignment=said.operationType or "",
    )


def _value(text: Any) -> Any:
    """A value out of its text; a text that is no JSON is itself."""
    found = nested(text)
    return text if found is None else found
