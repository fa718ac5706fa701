"""One partition that this worker owns: its workflows in memory, and what of them is not stored yet."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from types import TracebackType

import msgspec
import structlog

from models.command import Command
from models.errors import FencedError
from models.finding import Finding
from models.session import Workflow
from stream import metrics
from stream.kafka.messages import Message, kept
from stream.state.store import Claim, Owed, Store

log = structlog.stdlib.get_logger(__name__)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Workflow)


NOBODYS = 0
"""The epoch that no claim is ever given."""


class Judging(asyncio.Lock):
    """Cut short, it leaves workflows judged and nothing owed: such a state must never reach the store."""

    def __init__(self, partition: "Partition") -> None:
        super().__init__()
        self._partition = partition

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, FencedError):
            self._partition.disown()
        await super().__aexit__(kind, error, trace)


class Partition:
    """State in memory is ahead of the store by what is dirty; the stored position is behind both."""

    def __init__(self, number: int, claim: Claim, topic_id: str, start: int) -> None:
        self.number = number
        self.epoch = claim.epoch
        self.topic_id = topic_id
        self.next_offset = start
        """Of the first record not judged."""
        self.stored_offset = start
        self.workflows: dict[str, Workflow] = {}
        """Those in memory, the one stored or brought from the store longest ago first."""
        self.letters: set[asyncio.Task[None]] = set()
        """Dead letters on their way: the position waits for them."""
        self.owned = True
        """Until it is let go or fenced off."""
        self.failures = 0
        """Writes that failed, or were given up: a position must not pass what they should have stored."""
        self.urgent: dict[str, None] = {}
        """Workflows that earned commands and are to be stored at once."""
        self.hurrying = False
        self.noting: dict[str, None] = {}
        """Workflows with notes that the others have not been told of (`stream/worker/joining.py`)."""
        self.held: int | None = None
        """Of the batch whose notes are being told: the position waits for them."""
        self._dirty: dict[str, None] = {}
        self._owed: dict[str, list[Message]] = {}
        self.judging = Judging(self)
        """Held while workflows have been judged and what they owe is not put down yet: no write between."""
        self._storing: frozenset[str] = frozenset()
        """Workflows whose write is on its way: the store may still have an older state of them."""
        self._writing = asyncio.Lock()
        """Writes of one partition never overtake each other: an older state must not land on a newer."""

    def touch(self, workflow: str) -> None:
        """The workflow differs from what is stored."""
        self._dirty[workflow] = None

    def touch_all(self, workflows: list[str]) -> None:
        """As `touch`, for many."""
        self._dirty.update(dict.fromkeys(workflows))

    def owe(self, workflow: str, messages: Iterable[Message]) -> None:
        """These leave once they are stored, together with the workflow they came from."""
        messages = list(messages)
        self._owed.setdefault(workflow, []).extend(messages)
        self.touch(workflow)
        for message in messages:
            if isinstance(message, Finding):
                metrics.FINDINGS.labels(message.detector).inc()
                if message.verdict is not None:
                    for detector in message.blamed or (metrics.UNTOLD,):
                        metrics.DISPOSITIONS.labels(detector, message.verdict).inc()
                continue
            metrics.COMMANDS.labels(message.action).inc()
            if message.degraded_from is not None:  # by the budget, or by a protection in the judge
                metrics.COMMANDS_DEGRADED.inc()

    async def owe_for(self, store: Store, workflow: str, messages: Iterable[Message]) -> None:
        """As `owe`, for a workflow that may have left the memory: it is brought back before it owes."""
        if workflow not in self.workflows:
            await self.fetch(store, [workflow])
        self.owe(workflow, messages)

    def told(self) -> None:
        """Forget who has nothing more to tell."""
        workflows = self.workflows
        self.noting = {name: None for name in self.noting if name in workflows and workflows[name].noted}

    @property
    def reached(self) -> int:
        """What comes again after a crash begins here: whatever is before it has been done."""
        return self.next_offset if self.held is None else min(self.held, self.next_offset)

    @property
    def behind(self) -> bool:
        """Whether the store lacks anything."""
        return bool(self._dirty or self._owed) or self.stored_offset < self.reached

    async def fetch(self, store: Store, names: list[str]) -> None:
        """Bring workflows into memory: as stored, or new."""
        for name, content in zip(names, await store.load(self.number, names), strict=True):
            if name not in self.workflows:
                self.workflows[name] = Workflow(name) if content is None else read_workflow(name, content)

    async def save(
        self,
        store: Store,
        names: list[str],
        ttl_ms: int,
        acknowledge_within_ms: int,
        meanwhile: Callable[[list[Message]], None] = lambda _messages: None,
    ) -> list[Message]:
        """Store these workflows and what they owe, in one atomic write; returns what may be sent now.

        `meanwhile` hears what that will be while the write is on its way, unless there is no time for it.
        Raises `FencedError`, with nothing written.
        """
        async with self._writing:
            overdue_ms = int(time.time() * 1000) + acknowledge_within_ms
            workflows: list[tuple[str, bytes]] = []
            taken: dict[str, list[Message]] = {}
            async with self.judging:
                for name in names:
                    workflow = self.workflows.get(name)
                    if workflow is None:  # stored in another write while this one waited, and forgotten
                        continue
                    self.workflows[name] = self.workflows.pop(name)
                    workflows.append((name, _encoder.encode(workflow)))
                    self._dirty.pop(name, None)
                    if name in self._owed:
                        taken[name] = self._owed.pop(name)
            self._storing = frozenset(name for name, _ in workflows)
            messages = [message for owing in taken.values() for message in owing]
            owed = [_owed(message, overdue_ms) for message in messages]
            try:
                write = store.save(self.number, self.epoch, workflows, owed, ttl_ms)
                if messages:
                    await _beside(write, lambda: meanwhile(messages))
                else:
                    await write
            except BaseException:
                self._unwritten(self._storing, taken)
                raise
            finally:
                self._storing = frozenset()
            return messages

    def disown(self) -> None:
        """Never store anything of this again: the next write is refused as any of a past owner."""
        self.epoch = NOBODYS

    def _unwritten(self, names: Iterable[str], taken: dict[str, list[Message]]) -> None:
        """A write failed: what it took is dirty and owed again, before a position can pass it."""
        self.failures += 1
        for name in names:
            self.touch(name)
        for name, messages in taken.items():
            self._owed[name] = messages + self._owed.get(name, [])

    def dirty(self) -> list[str]:
        """Names of all that differ from the store; what owes comes with them."""
        return list(self._dirty)

    async def save_position(self, store: Store, next_offset: int, failures: int) -> bool:
        """Everything before it is stored; False, with nothing done, if there are more `failures` by now.

        Raises `FencedError`.
        """
        async with self._writing:
            if self.failures != failures:
                return False
            if next_offset > self.stored_offset:
                await store.save_position(self.number, self.epoch, next_offset, self.topic_id)
                self.stored_offset = next_offset
            return True

    def stored(self, name: str) -> Workflow | None:
        """A workflow in memory that is stored as it is; None for any other."""
        return None if name in self._dirty or name in self._storing else self.workflows.get(name)

    def forget(self, at_most: int) -> None:
        """Drop the workflows stored, or brought from the store, longest ago, down to a number.

        Those that are not stored as they are stay. It looks at twice as many as are too many, not at all of
        them: what it leaves is for the next call, and what was in its way is stored, and so behind, by then.
        """
        excess = len(self.workflows) - at_most
        for name in list(islice(self.workflows, 2 * max(0, excess))):
            if excess == 0:
                return
            if not any(name in kept for kept in (self._dirty, self._storing, self.noting)):
                del self.workflows[name]
                excess -= 1


async def _beside(waiting: Awaitable[None], work: Callable[[], None]) -> None:
    """Wait for something, and do some work as soon as it is on its way; if that takes longer at all."""
    begun = asyncio.get_running_loop().call_soon(work)
    try:
        await waiting
    finally:
        begun.cancel()


def _owed(message: Message, overdue_ms: int) -> Owed:
    awaited = isinstance(message, Command) and not message.shadow
    return Owed(message.id, kept(message), overdue_ms if awaited else 0)


def read_workflow(name: str, content: bytes) -> Workflow:
    """A stored workflow; one that cannot be read begins anew, which is counted and logged."""
    try:
        return _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        metrics.STATE_UNREADABLE.inc()
        log.error("stored workflow unreadable, begun anew", workflow=name, error=str(error))  # noqa: TRY400
        return Workflow(name)
