"""Okta's LogEvent, as far as it is read. Source: Okta's reference of the System Log API."""

from typing import Any

from msgspec import Struct, field


class Who(Struct, gc=False):
    """An actor or a target."""

    id: str | None = None
    type: str | None = None
    alternateId: str | None = None  # noqa: N815 - names of the format, here and below
    displayName: str | None = None  # noqa: N815
    changeDetails: Any = None  # noqa: N815

    @property
    def known_as(self) -> str:
        """A login where there is one, else the name shown, else the id."""
        if self.alternateId and self.alternateId != "unknown":
            return self.alternateId
        return self.displayName or self.id or ""


class UserAgent(Struct, gc=False):
    """What the caller calls itself."""

    rawUserAgent: str | None = None  # noqa: N815


class Client(Struct, gc=False):
    """Where the call came from."""

    id: str | None = None
    ipAddress: str | None = None  # noqa: N815
    userAgent: UserAgent | None = None  # noqa: N815


class Result(Struct, gc=False):
    """How it ended."""

    result: str | None = None
    reason: str | None = None


class Transaction(Struct, gc=False):
    """The request."""

    id: str | None = None
    detail: Any = None


class DebugContext(Struct, gc=False):
    """What differs from event type to event type."""

    debugData: Any = None  # noqa: N815


class AuthenticationContext(Struct, gc=False):
    """The session in which it was done."""

    externalSessionId: str | None = None  # noqa: N815


class LogEvent(Struct, gc=False):
    """One event, or the envelope of one."""

    uuid: str | None = None
    published: str | None = None
    eventType: str | None = None  # noqa: N815
    eventtype: str | None = None
    actor: Who | None = None
    client: Client | None = None
    outcome: Result | None = None
    target: list[Who] | None = None
    transaction: Transaction | None = None
    debugContext: DebugContext | None = None  # noqa: N815
    debugcontext: DebugContext | None = None
    authenticationContext: AuthenticationContext | None = None  # noqa: N815
    authenticationcontext: AuthenticationContext | None = None
    detail: "LogEvent | None" = None
    data: "HookData | None" = None


class HookData(Struct, gc=False):
    """The batch of an event hook."""

    events: list[LogEvent] = field(default_factory=list)
