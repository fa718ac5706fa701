"""One partition that this worker owns: its workflows in memory, and what of them is not stored yet."""

import asyncio
import time
from collections.abc import Iterable

import msgspec

from models.command import Command
from models.finding import Finding
from models.session import Workflow
from stream.messages import kept
from stream.store import Claim, Owed, Store

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Workflow)


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
        self.letters: set[asyncio.Task[None]] = set()
        """Dead letters on their way: the position waits for them."""
        self._dirty: dict[str, None] = {}
        self._owed: dict[str, list[Command | Finding]] = {}
        self.judging = asyncio.Lock()
        """Held while workflows have been judged and what they owe is not put down yet: no write between."""
        self._writing = asyncio.Lock()
        """Writes of one partition never overtake each other: an older state must not land on a newer."""

    def touch(self, workflow: str) -> None:
        """The workflow differs from what is stored."""
        self._dirty[workflow] = None

    def owe(self, workflow: str, messages: Iterable[Command | Finding]) -> None:
        """These leave once they are stored, together with the workflow they came from."""
        self._owed.setdefault(workflow, []).extend(messages)

    @property
    def behind(self) -> bool:
        """Whether the store lacks anything."""
        return bool(self._dirty or self._owed) or self.stored_offset != self.next_offset

    async def fetch(self, store: Store, names: list[str]) -> None:
        """Bring workflows into memory: as stored, or new."""
        for name, content in zip(names, await store.load(self.number, names), strict=True):
            if name not in self.workflows:
                self.workflows[name] = Workflow(name) if content is None else _decoder.decode(content)

    async def save(
        self, store: Store, names: list[str], ttl_ms: int, acknowledge_within_ms: int
    ) -> list[Command | Finding]:
        """Store these workflows and what they owe, in one atomic write; returns what may be sent now.

        Raises `FencedError`, with nothing written.
        """
        async with self._writing:
            workflows, owed, messages = [], [], []
            overdue_ms = int(time.time() * 1000) + acknowledge_within_ms
            async with self.judging:
                for name in names:
                    workflows.append((name, _encoder.encode(self.workflows[name])))
                    self._dirty.pop(name, None)
                    for message in self._owed.pop(name, ()):
                        messages.append(message)
                        due_ms = overdue_ms if isinstance(message, Command) and not message.shadow else 0
                        owed.append(Owed(message.id, kept(message), due_ms))
            await store.save(self.number, self.epoch, workflows, owed, ttl_ms)
            return messages

    def take_dirty(self) -> list[str]:
        """Names of all that differ from the store; what owes comes with them."""
        return list(self._dirty)

    async def save_position(self, store: Store, next_offset: int) -> None:
        """Everything before it is stored. Raises `FencedError`."""
        async with self._writing:
            await store.save_position(self.number, self.epoch, next_offset, self.topic_id)
            self.stored_offset = max(self.stored_offset, next_offset)

    def forget(self, at_most: int) -> None:
        """Drop the workflows longest in memory that are stored as they are, down to a number."""
        if len(self.workflows) <= at_most:
            return
        for name in list(self.workflows):
            if len(self.workflows) <= at_most:
                return
            if name not in self._dirty:
                del self.workflows[name]
