"""State in Redis (or Valkey): fenced writes, position last, and what is owed until the broker has it.

Every key of a partition carries one hash tag, so a script over them also runs on a cluster:

    cb:{actions-3}:epoch         string   who may write: the number of the last claim
    cb:{actions-3}:position      hash     next_offset to read, topic_id it belongs to
    cb:{actions-3}:w:<workflow>  string   a workflow with its sessions, MessagePack
    cb:{actions-3}:quiet         zset     workflow -> when it was last stored (ms, clock)
    cb:{actions-3}:owed          hash     message id -> message that the broker does not have yet
    cb:{actions-3}:pending       zset     command id -> when its acknowledgement is overdue (ms, clock)
    cb:{actions-3}:commands      hash     command id -> the command, while it is pending
    cb:{actions-3}:resends       hash     command id -> how often it was sent again
    cb:verdict:<session>         string   the session's standing, for a gateway's one GET
    cb:ack:<command>             hash     hook -> its newest acknowledgement
    cb:heard:<command>           set      hook/outcome/certainty: what was heard, to count each once
    cb:stops:<minute>            set      sessions stopped in that minute: the budget
    cb:operations:<minute>:<principal>  string  changes and secret reads of a principal in that minute
    cb:notes:{<whom>}:<chain>    zset     steps of a chain over workflows, by when they were done (ms)
    cb:topic                     hash     id and partitions of the topic all of this belongs to
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, Self

import stamina
from msgspec import Struct
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - redis's
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004 - redis's
    TryAgainError,
)

from models.errors import FencedError
from stream.state.client import client
from stream.state.fullness import fullness
from stream.state.scripts import CLAIM, NO_LONGER_QUIET, SAVE, SAVE_POSITION, SET_VERDICT

AWAY = (
    ConnectionError,
    TimeoutError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
    OSError,
)
"""What the store's absence looks like: waited out, never an answer."""

REFUSING = ("MISCONF", "NOREPLICAS")
"""Answers of a store that takes no writes for now: its disk is full, or its replicas are away."""


class Away(Protocol):
    """Hears that the store went away or came back."""

    def __call__(self, *, away: bool) -> None:
        """Said at every change, and again at every try."""


RETRY_PAUSE_S = 0.1

COUNTED_S = 3_600
"""A minute's counters outlive it by this, for what arrives late."""


class Claim(Struct, frozen=True):
    """A partition taken over."""

    epoch: int
    next_offset: int | None
    """None if nothing was ever stored for it."""
    topic_id: str


class Owed(Struct, frozen=True):
    """A message on its way out: kept until the broker has it."""

    id: str
    content: bytes
    overdue_ms: int = 0
    """When its acknowledgement is overdue (clock); 0 for what nobody acknowledges."""


class Store:
    """Every question to the store; each waits until there is an answer and says so through `on_away`."""

    def __init__(self, url: str, prefix: str, on_away: Away) -> None:
        self._redis = client(url)
        self._prefix = prefix
        self._on_away = on_away
        self._closing = False
        self.trouble = ""
        """Why the store was away last."""
        self._claim = self._redis.register_script(CLAIM)
        self._save = self._redis.register_script(SAVE)
        self._save_position = self._redis.register_script(SAVE_POSITION)
        self._set_verdict = self._redis.register_script(SET_VERDICT)
        self._no_longer_quiet = self._redis.register_script(NO_LONGER_QUIET)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        self._closing = True
        await self._redis.aclose()

    async def ping(self) -> bool:
        """Whether the store answers, without waiting for it."""
        try:
            await self._redis.ping()
        except AWAY:
            return False
        return True

    async def fullness(self) -> float | None:
        """Share of its memory in use, without waiting for it; None if it does not tell (us)."""
        try:
            return await fullness(self._redis)
        except (*AWAY, RedisError):
            return None

    async def topic(self) -> tuple[str, int] | None:
        """Id and partitions of the topic the state belongs to; None for an empty store."""
        known = await self._patiently(lambda: self._redis.hgetall(f"{self._prefix}:topic"))
        return (known[b"id"].decode(), int(known[b"partitions"])) if known else None

    async def adopt(self, topic_id: str, partitions: int, *, drop: bool) -> None:
        """From now on the state belongs to this topic; `drop` forgets what belonged to another."""
        if drop:
            async for key in self._redis.scan_iter(match=f"{self._prefix}:{{actions-*", count=1000):
                if key.endswith((b":position", b":quiet")) or b":w:" in key:
                    await self._redis.unlink(key)
        identity = {"id": topic_id, "partitions": partitions}
        await self._patiently(lambda: self._redis.hset(f"{self._prefix}:topic", mapping=identity))

    async def claim(self, partition: int) -> Claim:
        """Take a partition over: from now on writes of earlier claims are refused.

        The epoch is at least the clock's time (ms), so that a store that lost its data never gives out an
        epoch that a worker from before still holds.
        """
        keys = [self._key(partition, "epoch"), self._key(partition, "position")]
        now_ms = int(time.time() * 1000)
        epoch, next_offset, topic_id = await self._patiently(lambda: self._claim(keys=keys, args=[now_ms]))
        return Claim(
            int(epoch), int(next_offset) if next_offset is not None else None, (topic_id or b"").decode()
        )

    async def load(self, partition: int, workflows: list[str]) -> list[bytes | None]:
        """The stored workflows, in the order asked for."""
        keys = [self._key(partition, f"w:{name}") for name in workflows]
        return list(await self._patiently(lambda: self._redis.mget(keys)))

    async def save(
        self, partition: int, epoch: int, workflows: list[tuple[str, bytes]], owed: list[Owed], ttl_ms: int
    ) -> None:
        """Write workflows and what they owe, all or nothing. Raises `FencedError`."""
        keys = [self._key(partition, name) for name in ("epoch", "owed", "pending", "commands", "quiet")]
        keys += [self._key(partition, f"w:{name}") for name, _ in workflows]
        values: list[Any] = [epoch, ttl_ms, int(time.time() * 1000), len(workflows), len(owed)]
        values += [content for _, content in workflows]
        for message in owed:
            values += (message.id, message.content, message.overdue_ms)
        if not await self._patiently(lambda: self._save(keys=keys, args=values)):
            raise FencedError(partition, epoch)

    async def save_position(self, partition: int, epoch: int, next_offset: int, topic_id: str) -> None:
        """Everything before `next_offset` is in the store. Raises `FencedError`."""
        keys = [self._key(partition, "epoch"), self._key(partition, "position")]
        values = [epoch, next_offset, topic_id]
        if not await self._patiently(lambda: self._save_position(keys=keys, args=values)):
            raise FencedError(partition, epoch)

    async def quiet(self, partition: int, until_ms: int, at_most: int) -> list[str]:
        """Workflows that were stored last by then (clock), the longest ago first."""
        key = self._key(partition, "quiet")
        found = await self._patiently(lambda: self._redis.zrangebyscore(key, "-inf", until_ms, 0, at_most))
        return [name.decode() for name in found]

    async def no_longer_quiet(self, partition: int, until_ms: int, workflows: list[str]) -> None:
        """Ask no more about these, unless they were stored again since."""
        keys, values = [self._key(partition, "quiet")], [until_ms, *workflows]
        await self._patiently(lambda: self._no_longer_quiet(keys=keys, args=values))

    async def owed(self, partition: int) -> list[tuple[str, bytes]]:
        """What the broker may not have yet."""
        found = await self._patiently(lambda: self._redis.hgetall(self._key(partition, "owed")))
        return [(name.decode(), content) for name, content in found.items()]

    async def settle(self, partition: int, ids: Iterable[str]) -> None:
        """The broker has these."""
        names = list(ids)
        await self._patiently(lambda: self._redis.hdel(self._key(partition, "owed"), *names))

    async def set_verdict(
        self, session: str, verdict: bytes, ttl_ms: int, released: str = "", ids: tuple[str, str] = ("", "")
    ) -> None:
        """A session's standing, for gateways. A release, of workflow `released`, lifts no other's verdict.

        `ids` are the command's own and that of the one it escalates: what a release lifted stays lifted.
        """
        key = f"{self._prefix}:verdict:{session}"
        values = [verdict, max(1, ttl_ms), released, *ids]
        await self._patiently(lambda: self._set_verdict(keys=[key], args=values))

    async def verdict(self, session: str) -> bytes | None:
        """A session's standing, as it was set."""
        found: bytes | None = await self._patiently(
            lambda: self._redis.get(f"{self._prefix}:verdict:{session}")
        )
        return found

    async def count_stops(self, minute: int, session: str) -> int:
        """Count a stopped session; returns how many distinct ones that minute has seen."""
        key = f"{self._prefix}:stops:{minute}"

        async def ask() -> Any:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.sadd(key, session)
            pipeline.expire(key, COUNTED_S)
            pipeline.scard(key)
            return await pipeline.execute()

        return int((await self._patiently(ask))[-1])

    async def count_operations(self, counts: list[tuple[int, str, int]]) -> list[int]:
        """Add to (minute, principal) counters; returns the new totals."""

        async def ask() -> Any:
            pipeline = self._redis.pipeline(transaction=False)
            for minute, principal, operations in counts:
                key = f"{self._prefix}:operations:{minute}:{principal}"
                pipeline.incrby(key, operations)
                pipeline.expire(key, COUNTED_S)
            return await pipeline.execute()

        return [int(total) for total in (await self._patiently(ask))[::2]]

    async def acknowledge(
        self, command: str, hook: str, said: str, content: bytes, ttl_s: int
    ) -> tuple[bool, bool]:
        """Keep a hook's answer; whether it is this hook's first, and whether it `said` that before."""
        key, heard = f"{self._prefix}:ack:{command}", f"{self._prefix}:heard:{command}"

        async def ask() -> Any:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.hset(key, hook, content)
            pipeline.expire(key, ttl_s)
            pipeline.sadd(heard, f"{hook}/{said}")
            pipeline.expire(heard, ttl_s)
            return await pipeline.execute()

        first, _, new, _ = await self._patiently(ask)
        return bool(first), not new

    async def acknowledgements(self, command: str) -> dict[str, bytes]:
        """Every hook's answer to a command."""
        found = await self._patiently(lambda: self._redis.hgetall(f"{self._prefix}:ack:{command}"))
        return {hook.decode(): content for hook, content in found.items()}

    async def overdue(self, partition: int, now_ms: int, at_most: int) -> list[tuple[str, bytes | None]]:
        """Commands whose acknowledgement was due by now."""
        key = self._key(partition, "pending")
        ids = await self._patiently(lambda: self._redis.zrangebyscore(key, "-inf", now_ms, 0, at_most))
        if not ids:
            return []
        commands = await self._patiently(lambda: self._redis.hmget(self._key(partition, "commands"), ids))
        return [(name.decode(), content) for name, content in zip(ids, commands, strict=True)]

    async def pending(self, partition: int) -> int:
        """How many commands wait for their acknowledgement."""
        return int(await self._patiently(lambda: self._redis.zcard(self._key(partition, "pending"))))

    async def put_off(self, partition: int, command: str, overdue_ms: int) -> int:
        """The command was sent again; returns how often by now."""

        async def ask() -> Any:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.zadd(self._key(partition, "pending"), {command: overdue_ms})
            pipeline.hincrby(self._key(partition, "resends"), command, 1)
            return await pipeline.execute()

        return int((await self._patiently(ask))[-1])

    async def close_command(self, partition: int, command: str) -> None:
        """Acknowledged, or given up on: no longer pending."""

        async def ask() -> Any:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.zrem(self._key(partition, "pending"), command)
            pipeline.hdel(self._key(partition, "commands"), command)
            pipeline.hdel(self._key(partition, "resends"), command)
            return await pipeline.execute()

        await self._patiently(ask)

    def key(self, name: str) -> str:
        """Of what belongs to no partition."""
        return f"{self._prefix}:{name}"

    async def hastily(self, ask: Callable[[Any], None], within_s: float) -> list[Any] | None:
        """Answers to what `ask` puts into a pipeline; None where there are none within that time."""
        pipeline = self._redis.pipeline(transaction=False)
        ask(pipeline)
        try:
            return list(await asyncio.wait_for(pipeline.execute(), within_s))
        except asyncio.TimeoutError:  # noqa: UP041 - the plain name is redis's here
            return None
        except Exception as error:
            if not self._is_away(error):
                raise
            return None

    def _key(self, partition: int, name: str) -> str:
        return f"{self._prefix}:{{actions-{partition}}}:{name}"

    async def _patiently(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """The answer, however long the store is away; `on_away` hears of it."""
        try:
            return await ask()
        except Exception as error:
            if not self._is_away(error):
                raise
        retrying = stamina.retry_context(
            on=self._is_away,
            attempts=None,
            timeout=None,
            wait_initial=RETRY_PAUSE_S,
            wait_max=1.0,
            wait_jitter=0.1,
        )
        await asyncio.sleep(RETRY_PAUSE_S)
        async for attempt in retrying:
            with attempt:
                answer = await ask()
        self._on_away(away=False)
        return answer

    def _is_away(self, error: Exception) -> bool:
        """Whether to wait for the store; not when it is being closed, or a stop would wait for ever."""
        refused = isinstance(error, ResponseError) and any(word in str(error) for word in REFUSING)
        away = (refused or isinstance(error, AWAY)) and not self._closing
        if away:
            self.trouble = str(error)
            self._on_away(away=True)
        return away
