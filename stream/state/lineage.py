"""What the resolver remembers, in Redis: fenced writes, positions last.

All keys carry one hash tag, for one worker at a time resolves:

    cb:{ingest}:epoch        string   who may write: the number of the last claim
    cb:{ingest}:positions    hash     topic/partition -> next offset to read; topic -> its id
    cb:{ingest}:t:<table>    hash     key -> value, MessagePack; tables as in `stream/ingest/resolver.py`

An entry says itself until when it holds, and leaves its table by that or when the table is full; a table that
nobody writes for `TABLE_MS` is dropped whole.
"""

import time
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from models.errors import FencedError
from stream import metrics
from stream.ingest.memory import Table
from stream.state.store import Away, Store

log = structlog.stdlib.get_logger(__name__)

TABLE_MS = 8 * 24 * 3_600_000
"""Longer than any handle is held."""
CHUNK = 500
"""Entries of one write: few enough not to stall the store."""
NUMBER = -1
"""What a `FencedError` of the lineage names in place of a partition."""

CLAIM_INGEST = """
local epoch = redis.call('INCR', KEYS[1])
if epoch < tonumber(ARGV[1]) then
  epoch = ARGV[1]
  redis.call('SET', KEYS[1], epoch)
end
return epoch
"""

SAVE_TABLE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local kept = tonumber(ARGV[3])
for i = 1, kept do
  redis.call('HSET', KEYS[2], ARGV[2 + 2 * i], ARGV[3 + 2 * i])
end
for i = 4 + 2 * kept, #ARGV do
  redis.call('HDEL', KEYS[2], ARGV[i])
end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
"""

SAVE_POSITIONS = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
end
return 1
"""

_encode = msgspec.msgpack.Encoder().encode


class Changes(Struct, frozen=True):
    """What of one table differs from the store."""

    table: str
    kept: list[tuple[str, bytes]]
    dropped: list[str]


def changes(tables: dict[str, Table[Any]]) -> list[Changes]:
    """What changed since the last time, as it will be written; the tables count as stored from now on."""
    found = []
    for name, table in tables.items():
        if not table.changed:
            continue
        kept, dropped = [], []
        for key in table.changed:
            value = table.peek(key)
            if value is None:
                dropped.append(key)
            else:
                kept.append((key, _encode(value)))
        table.changed.clear()
        found += _chunks(name, kept, dropped)
    return found


def _chunks(name: str, kept: list[tuple[str, bytes]], dropped: list[str]) -> list[Changes]:
    parts = range(0, max(len(kept), len(dropped)), CHUNK)
    return [Changes(name, kept[at : at + CHUNK], dropped[at : at + CHUNK]) for at in parts]


class Lineage(Store):
    """The store, as the raw reader asks it."""

    def __init__(self, url: str, prefix: str, on_away: Away) -> None:
        super().__init__(url, prefix, on_away)
        self._claim_ingest = self._redis.register_script(CLAIM_INGEST)
        self._save_table = self._redis.register_script(SAVE_TABLE)
        self._save_positions = self._redis.register_script(SAVE_POSITIONS)

    async def claim_ingest(self) -> int:
        """Take the lineage over: writes of earlier claims are refused from now on."""
        now_ms = int(time.time() * 1000)
        return int(await self._patiently(lambda: self._claim_ingest(keys=[self._of("epoch")], args=[now_ms])))

    async def positions(self) -> dict[str, str]:
        """Offsets by topic and partition, ids by topic."""
        found = await self._patiently(lambda: self._redis.hgetall(self._of("positions")))
        return {name.decode(): value.decode() for name, value in found.items()}

    async def restore(self, tables: dict[str, Table[Any]]) -> int:
        """Fill the tables from the store; returns how many entries that were.

        What an older version has written and this one cannot read is left out, and counted.
        """
        entries = 0
        for name, table in tables.items():
            decoder = msgspec.msgpack.Decoder(table.kind)
            for key, content in (await self._rows(name)).items():
                try:
                    table.restore(key.decode(), decoder.decode(content))
                    entries += 1
                except msgspec.DecodeError as error:
                    metrics.STATE_UNREADABLE.inc()
                    log.warning("what was remembered cannot be read", table=name, error=str(error))
        return entries

    async def save_changes(self, epoch: int, changed: Changes) -> None:
        """Write one part. Raises `FencedError`."""
        values: list[Any] = [epoch, TABLE_MS, len(changed.kept)]
        for key, content in changed.kept:
            values += (key, content)
        values += changed.dropped
        keys = [self._of("epoch"), self._of(f"t:{changed.table}")]
        if not await self._patiently(lambda: self._save_table(keys=keys, args=values)):
            raise FencedError(NUMBER, epoch)

    async def save_positions(self, epoch: int, positions: dict[str, str]) -> None:
        """Everything before these is in the store, and its events are at the broker. Raises `FencedError`."""
        values: list[Any] = [epoch]
        for name, value in positions.items():
            values += (name, value)
        keys = [self._of("epoch"), self._of("positions")]
        if not await self._patiently(lambda: self._save_positions(keys=keys, args=values)):
            raise FencedError(NUMBER, epoch)

    async def _rows(self, table: str) -> dict[bytes, bytes]:
        async def ask() -> dict[bytes, bytes]:
            rows = self._redis.hscan_iter(self._of(f"t:{table}"), count=1_000)
            return {key: content async for key, content in rows}

        found: dict[bytes, bytes] = await self._patiently(ask)
        return found

    def _of(self, name: str) -> str:
        return f"{self._prefix}:{{ingest}}:{name}"
