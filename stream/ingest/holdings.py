"""Who holds which handle, since when, and until when."""

from msgspec import Struct
from msgspec.structs import replace

from stream.ingest.memory import Table
from stream.sources.sighting import HANDLES, Handle

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
REQUEST_MS = 15 * 60_000

HOLDINGS_MAX = 200_000
"""Of one kind of handle; the one used longest ago gives way."""
CALLS_MAX = 8
"""Calls of one method on one path that are told apart by their time."""
CALL_WITHIN_MS = 1_000
"""Between a call at the console and the console's own record of it."""
PATH_PARTS_MAX = 16

CREDENTIALS = frozenset(
    {
        "aws.access_key",
        "okta.api_token",
        "entra.uti",
        "k8s.jti",
        "vault.accessor",
        "vault.secret_id",
        "github.hashed_token",
    }
)
"""Kinds that can be used by whoever has them, and live as long as their record says."""
REQUESTS = frozenset(
    {
        "aws.request",
        "okta.request",
        "entra.request",
        "k8s.audit",
        "vault.request",
        "github.request",
        "keycloak.call",
    }
)
"""Kinds that name one call."""
SHAREABLE = CREDENTIALS | {"pod", "pod_uid", "trace"}
"""Kinds that can be several sessions' at a time: one that two live sessions hold names neither."""
NAMES_IN_EXERCISES = frozenset({"aws.role_session"})
"""Kinds that are a mere name, and tell an announced exercise's session alone: honest jobs share names."""
WORKLOADS = NAMES_IN_EXERCISES | {"conversation", "pod", "pod_uid", "github.run", "trace", "exercise"}

ANNOUNCED = frozenset({"exercise"})
"""Kinds whose time somebody sets beforehand, and may lengthen; all else is held from when it is told."""

HELD_FOR_MS = {
    kind: 7 * DAY_MS if kind in WORKLOADS else 36 * HOUR_MS if kind in CREDENTIALS else REQUEST_MS
    for kind in HANDLES
}
"""Where the record does not say how long: as long as the longest session token of AWS, a week for a run, and
for a single call as long as any source may be late."""
SLACK_MS = 15 * 60_000
"""A record may be dated later than the end of the credential it was begun with."""


class Holding(Struct, frozen=True, array_like=True, gc=False):
    """One handle's holder."""

    session: str
    """Empty: two live sessions hold it, so it names nobody."""
    from_ms: int
    until_ms: int
    sure: bool
    """Whether the session is known, rather than a provisional one."""
    before: "Holding | None" = None
    """Who held it until then, for records that come late."""


class Calls(Struct, frozen=True, array_like=True):
    """Recent calls on one path: time and session, the newest last."""

    made: tuple[tuple[int, str], ...]


class Holdings:
    """Handles and their holders, bounded per kind."""

    def __init__(self) -> None:
        self.tables: dict[str, Table[Holding]] = {
            kind: Table(Holding, HOLDINGS_MAX) for kind in HANDLES if kind != "keycloak.call"
        }
        self.calls: Table[Calls] = Table(Calls, HOLDINGS_MAX)

    def holder(self, handle: Handle, at_ms: int) -> Holding | None:
        """Who holds it at that time."""
        if handle.kind == "keycloak.call":
            return self._caller(handle.value, at_ms)
        table = self.tables.get(handle.kind)
        return _at(table.get(handle.value), at_ms) if table is not None else None

    def names_nobody(self, handle: Handle) -> bool:
        """Whether two live sessions hold it."""
        table = self.tables.get(handle.kind)
        holding = table.get(handle.value) if table is not None else None
        return holding is not None and not holding.session

    def hold(self, handle: Handle, new: Holding, *, alive: bool) -> bool:
        """Note a holder; whether that changes anything. `alive` says whether the one before still runs."""
        table = self.tables.get(handle.kind)
        if table is None:
            return False
        known = table.get(handle.value)
        then = _at(known, new.from_ms)
        if then is not None and then.session == new.session and then.sure >= new.sure:
            if handle.kind in ANNOUNCED and then is known:
                return _lengthen(table, handle, known, new)
            return False  # late word of whoever held it at that time, whoever came after
        if known is not None and known.until_ms >= new.from_ms:
            if known.session == new.session and known.sure >= new.sure:
                return False
            if known.sure and (not new.sure or not known.session):
                return False
            if known.sure and alive and handle.kind in SHAREABLE:
                new = Holding("", known.from_ms, max(known.until_ms, new.until_ms), sure=True)
            elif known.sure and new.session != known.session and known.from_ms < new.from_ms:
                before = Holding(known.session, known.from_ms, new.from_ms, sure=True)
                new = Holding(new.session, new.from_ms, new.until_ms, new.sure, before)
        table.put(handle.value, new)
        return True

    def call(self, value: str, at_ms: int, session: str) -> list[str]:
        """Note a call at the console under every end of its path; returns them."""
        method, _, path = value.partition(" ")
        parts = path.partition("?")[0].strip("/").split("/")[-PATH_PARTS_MAX:]
        ends = [f"{method} {'/'.join(parts[start:])}" for start in range(len(parts))]
        for end in ends:
            known = self.calls.get(end)
            made = known.made if known is not None else ()
            self.calls.put(end, Calls((*made, (at_ms, session))[-CALLS_MAX:]))
        return ends

    def _caller(self, value: str, at_ms: int) -> Holding | None:
        known = self.calls.get(value)
        near = [
            (abs(called_ms - at_ms), called_ms, session)
            for called_ms, session in (known.made if known is not None else ())
            if abs(called_ms - at_ms) <= CALL_WITHIN_MS
        ]
        if not near:
            return None
        _, called_ms, session = min(near)
        return Holding(session, called_ms, called_ms + CALL_WITHIN_MS, sure=True)


def _lengthen(table: Table[Holding], handle: Handle, known: Holding, new: Holding) -> bool:
    """Note that it was announced again; whether that makes its time longer."""
    from_ms, until_ms = min(known.from_ms, new.from_ms), max(known.until_ms, new.until_ms)
    if (from_ms, until_ms) == (known.from_ms, known.until_ms):
        return False
    table.put(handle.value, replace(known, from_ms=from_ms, until_ms=until_ms))
    return True


def _at(holding: Holding | None, at_ms: int) -> Holding | None:
    """Who of those that held it one after the other did so at that time."""
    while holding is not None and holding.before is not None and at_ms < holding.from_ms:
        holding = holding.before
    if holding is None or at_ms > holding.until_ms or not holding.session:
        return None
    return holding
