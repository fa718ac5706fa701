"""What only shows over all workers: how often one principal changes things, over all its sessions.

Counted in the store, by minute of arrival, once per flush and not once per batch: at small batches the
questions would cost more than the judging. A count there cannot be replayed: events that come
again after a crash are counted again, and which event crosses the limit depends on who was first. So it is
written into the finding, and the finding only alerts: it raises no session's risk, and stops nothing.
"""

from collections.abc import Iterable

from models.command import stable_id
from models.event import GAINS, Operation, Outcome
from models.finding import Finding
from stream.enforcement.budget import MINUTE_MS
from stream.state.store import Store
from stream.worker.intake import Arrived

DETECTOR = "principal_surge"


class Busy:
    """One principal in one minute, since the counters were told last."""

    __slots__ = ("newest", "operations", "partition")

    def __init__(self) -> None:
        self.operations = 0
        self.newest: Operation
        self.partition = 0


class Fleet:
    """Counts in memory, batch by batch; tells the store's counters once in a while, for many batches."""

    def __init__(self, store: Store, per_minute_max: int) -> None:
        self._store = store
        self._per_minute_max = per_minute_max
        self._busy: dict[tuple[int, str], Busy] = {}

    def note(self, partition: int, events: Iterable[Arrived]) -> None:
        """Count the changes and secret reads of a batch."""
        for event, _, seen_ms in events:
            if type(event) is not Operation or event.op_class not in GAINS:
                continue
            if event.principal and event.outcome is Outcome.OK:
                key = (seen_ms // MINUTE_MS, event.principal)
                busy = self._busy.get(key)
                if busy is None:
                    busy = self._busy[key] = Busy()
                busy.operations += 1
                busy.newest = event
                busy.partition = partition

    async def surges(self) -> list[tuple[int, Finding]]:
        """Tell the counters; a finding, with its partition, for each principal that went over the limit."""
        told, self._busy = self._busy, {}
        if not told:
            return []
        counts = [(minute, principal, busy.operations) for (minute, principal), busy in told.items()]
        totals = await self._store.count_operations(counts)
        return [
            (busy.partition, _finding(busy.newest, minute, total, self._per_minute_max))
            for ((minute, _), busy), total in zip(told.items(), totals, strict=True)
            if total - busy.operations <= self._per_minute_max < total
        ]


def _finding(event: Operation, minute: int, total: int, per_minute_max: int) -> Finding:
    return Finding(
        id=stable_id(DETECTOR, event.principal, str(minute)),
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
