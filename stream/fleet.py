"""What only shows over all workers: how often one principal changes things, over all its sessions.

Counted in the store, by minute of arrival, once per batch. A count there cannot be replayed: events that come
again after a crash are counted again, and which event crosses the limit depends on who was first. So it is
written into the finding, and the finding only alerts: it raises no session's risk, and stops nothing.
"""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from models.command import stable_id
from models.event import GRANTS, OpClass, Operation, Outcome
from models.finding import Finding
from stream.intake import Arrived
from stream.store import Store

MINUTE_MS = 60_000
COUNTED = GRANTS | {OpClass.SECRET_READ, OpClass.CREDENTIAL_MINT, OpClass.GUARDRAIL_CHANGE}
DETECTOR = "principal_surge"


class Busy(Struct, frozen=True):
    """One principal in one batch: how often, and the newest of its operations."""

    operations: int
    newest: Operation
    minute: int


def busy_principals(events: Iterable[Arrived]) -> list[Busy]:
    """Principals that changed or read secrets in a batch."""
    counts: Counter[str] = Counter()
    newest: dict[str, tuple[Operation, int]] = {}
    for event, _, seen_ms in events:
        if type(event) is not Operation or event.op_class not in COUNTED:
            continue
        if event.principal and event.outcome is Outcome.OK:
            counts[event.principal] += 1
            newest[event.principal] = (event, seen_ms)
    return [Busy(counts[name], event, seen_ms // MINUTE_MS) for name, (event, seen_ms) in newest.items()]


async def surges(store: Store, busy: list[Busy], per_minute_max: int) -> list[Finding]:
    """A finding for each principal that went over the limit just now, in its minute."""
    totals = await store.count_operations(
        [(one.minute, one.newest.principal, one.operations) for one in busy]
    )
    return [
        _finding(one, total, per_minute_max)
        for one, total in zip(busy, totals, strict=True)
        if total - one.operations <= per_minute_max < total
    ]


def _finding(one: Busy, total: int, per_minute_max: int) -> Finding:
    event = one.newest
    return Finding(
        id=stable_id(DETECTOR, event.principal, str(one.minute)),
        detector=DETECTOR,
        confidence=0.4,
        reason=f"{event.principal} made {total} changes and secret reads in one minute, over all its "
        f"sessions, more than {per_minute_max}",
        evidence=(event.id,),
        grade=event.grade,
        session=event.session,
        workflow=event.workflow,
        agent=event.agent,
        at_ms=event.at_ms,
        event_id=event.id,
        event_source=event.source,
        risk=0.0,
        principal=event.principal,
        credential=event.credential,
        tags=("T1078", "ASI03"),
    )
