"""Sends what is stored, and forgets it once the broker has it: save, then send, then settle.

A crash between any two of these leaves the message owed, and whoever owns the partition sends it again under
the same id: twice is possible and harmless, never is not.
"""

import asyncio
import time
from collections.abc import Coroutine, Iterable

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from models.command import RANK, Action, Command
from models.event import AnyEvent
from stream import metrics
from stream.kafka.messages import Message, Record, event_record, record_of, unkept, verdict_of
from stream.kafka.topics import Topics
from stream.state.partition import Partition
from stream.state.store import Store

log = structlog.stdlib.get_logger(__name__)

RETRY_PAUSE_S = 1.0

Handed = asyncio.Future[object] | None
"""A record in the producer's buffer; None if the producer refused it."""


class Outbox:
    """One worker's way out."""

    def __init__(self, producer: AIOKafkaProducer, store: Store, topics: Topics, issuer: str) -> None:
        self._producer = producer
        self._store = store
        self._topics = topics
        self._issuer = issuer
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, partition: Partition, messages: list[Message]) -> None:
        """Hand stored messages to the producer now; what follows runs beside the reader."""
        await self.hand_over(partition, messages, self.records(messages))

    def records(self, messages: list[Message]) -> list[Record]:
        """The messages as the producer takes them: can be made while they are being stored."""
        return [record_of(message, self._topics, self._issuer) for message in messages]

    async def hand_over(self, partition: Partition, messages: list[Message], records: list[Record]) -> None:
        """As `send`, with the `records` made already."""
        if not messages:
            return
        sent = [await self._hand_over(record) for record in records]
        metrics.OWED.inc(len(messages))
        self.spawn(self._settle(partition, messages, records, sent))

    async def send_owed(self, partition: Partition) -> None:
        """What an earlier owner stored and may not have sent."""
        messages = [unkept(content) for _, content in await self._store.owed(partition.number)]
        if messages:
            log.info("owed messages sent again", partition=partition.number, messages=len(messages))
        await self.send(partition, messages)

    async def send_again(self, command: Command) -> None:
        """A command nobody acknowledged: the same bytes under the same id."""
        await self._surely([record_of(command, self._topics, self._issuer)])

    def dead_letters(self, letters: list[Record]) -> "asyncio.Task[None]":
        """Send dead letters; the task is done when the broker has them all."""
        return self.spawn(self._surely(letters))

    async def deliver(self, records: list[Record]) -> None:
        """Until the broker has them all; in their order, unless it refuses some."""
        await self._surely(records)

    async def drain(self, within_s: float) -> None:
        """Let what is on its way arrive."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)

    def tell(self, event: AnyEvent) -> None:
        """Put an event of our own on the actions topic."""
        self.spawn(self.deliver([event_record(event, self._topics)]))

    def spawn(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        """Run something beside the reader; `drain` waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _settle(
        self,
        partition: Partition,
        messages: list[Message],
        records: list[Record],
        sent: list[Handed],
    ) -> None:
        refused = await self._refused(records, sent)
        if refused:
            await self._surely(refused)
        for message in messages:
            if isinstance(message, Command):
                metrics.DECISION.observe(max(0.0, time.time() - message.seen_ms / 1000))
        await self._tell_gateways(messages)
        await self._store.settle(partition.number, (message.id for message in messages))
        metrics.OWED.dec(len(messages))

    async def _tell_gateways(self, messages: Iterable[Message]) -> None:
        """Each session's standing: the strongest of what no release lifts, else the release."""
        now_ms = int(time.time() * 1000)
        commands = [message for message in messages if isinstance(message, Command) and not message.shadow]
        lifted = {name for command in commands for name in command.lifts}
        standing: dict[str, Command] = {}
        for command in commands:
            known = standing.get(command.session)
            if lifted.isdisjoint((command.id, command.escalates)) and (
                known is None or _weight(command) > _weight(known)
            ):
                standing[command.session] = command
        for session, command in standing.items():
            released = command.workflow if command.action is Action.RELEASE_SESSION else ""
            ttl_ms = command.expires_ms - now_ms
            ids = (command.id, command.escalates)
            await self._store.set_verdict(session, verdict_of(command), ttl_ms, released, ids)

    async def _surely(self, records: list[Record]) -> None:
        """Until the broker has them all."""
        while records:
            sent = [await self._hand_over(record) for record in records]
            records = await self._refused(records, sent)
            if records:
                log.warning("broker does not take messages yet", messages=len(records))
                await asyncio.sleep(RETRY_PAUSE_S)

    async def _hand_over(self, record: Record) -> Handed:
        """Into the producer's buffer; waits while that is full. None if it was refused."""
        try:
            future: asyncio.Future[object] = await self._producer.send(
                record.topic, record.value, key=record.key, headers=record.headers
            )
        except KafkaError:
            return None
        return future

    @staticmethod
    async def _refused(records: list[Record], sent: list[Handed]) -> list[Record]:
        """Those that did not reach the broker."""
        answers = await asyncio.gather(
            *(future for future in sent if future is not None), return_exceptions=True
        )
        arrived = iter(answers)
        refused = []
        for record, future in zip(records, sent, strict=True):
            answer = next(arrived) if future is not None else None
            if isinstance(answer, BaseException) and not isinstance(answer, KafkaError):
                raise answer
            if future is None or isinstance(answer, KafkaError):
                refused.append(record)
        return refused


def _weight(command: Command) -> int:
    """A release is what stands if nothing else does."""
    return -1 if command.action is Action.RELEASE_SESSION else RANK[command.action]
