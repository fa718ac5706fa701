"""Writes events to a topic: at once, or at a rate that does not wait for whoever reads (open loop).

At a rate it is a process of its own: `python -m benchmarks.load` reads one JSON object of `Order` from
standard input, prepares, says "ready", waits for a line, writes, and prints an `Account`.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Iterable
from typing import Any

import uvloop
from aiokafka import AIOKafkaProducer
from msgspec import Struct, json

from benchmarks.traffic import Traffic, partition_of

BATCH_BYTES_MAX = 900_000
TICK_S = 0.002
LEAD_MS = 15_000
MARK = b'{"kind":"operation","id":"cut-'
"""How the value of an event begins that decides a chain."""


class Order(Struct, frozen=True):
    """What to write."""

    bootstrap: str
    topic: str
    partitions: int
    seed: int
    per_s: int
    seconds: float
    live: int
    chains_per_s: int


class Account(Struct, frozen=True):
    """What was written."""

    events: int
    seconds: float
    behind_ms_max: float
    sent_ns: dict[str, int]
    """Deciding event: when it was handed to the client (monotonic clock)."""
    commands: dict[str, str]


async def fill(bootstrap: str, topic: str, partitions: int, events: Iterable[tuple[str, bytes]]) -> list[int]:
    """Write all of it in large batches; returns how many each partition has."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, max_batch_size=BATCH_BYTES_MAX, max_request_size=4 * BATCH_BYTES_MAX
    )
    await producer.start()
    counts = [0] * partitions
    open_batches = [producer.create_batch() for _ in range(partitions)]
    try:
        for workflow, value in events:
            number = partition_of(workflow, partitions)
            batch = open_batches[number]
            if batch.append(key=workflow.encode(), value=value, timestamp=None) is None:
                await producer.send_batch(batch, topic, partition=number)
                batch = open_batches[number] = producer.create_batch()
                batch.append(key=workflow.encode(), value=value, timestamp=None)
            counts[number] += 1
        for number, batch in enumerate(open_batches):
            if batch.record_count():
                await producer.send_batch(batch, topic, partition=number)
        await producer.flush()
    finally:
        await producer.stop()
    return counts


async def write_at_rate(order: Order) -> Account:
    """Every `TICK_S` all that is due by then, a batch a partition; slow readers do not slow it."""
    start_ms = int(time.time() * 1000) + LEAD_MS
    traffic = Traffic(
        seed=order.seed,
        start_ms=start_ms,
        live=order.live,
        per_s=order.per_s,
        events_per_chain=order.per_s // order.chains_per_s,
    )
    rows = [
        (partition_of(workflow, order.partitions), workflow.encode(), value)
        for workflow, value in traffic.events(int(order.per_s * order.seconds))
    ]
    producer = AIOKafkaProducer(
        bootstrap_servers=order.bootstrap,
        acks=1,
        max_batch_size=BATCH_BYTES_MAX,
        max_request_size=4 * BATCH_BYTES_MAX,
    )
    await producer.start()
    await producer.partitions_for(order.topic)
    gc.collect()
    gc.freeze()
    gc.disable()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    sent_ns: dict[str, int] = {}
    behind_s = 0.0
    began_s = time.monotonic()
    done = 0
    while done < len(rows):
        due = min(len(rows), int((time.monotonic() - began_s) * order.per_s))
        behind_s = max(behind_s, (due - done) / order.per_s)
        if due > done:
            await _send(producer, order, rows[done:due], sent_ns)
            done = due
        await asyncio.sleep(TICK_S)
    took_s = time.monotonic() - began_s
    await producer.stop()
    return Account(len(rows), took_s, behind_s * 1000, sent_ns, traffic.chains)


async def _send(
    producer: AIOKafkaProducer, order: Order, rows: list[tuple[int, bytes, bytes]], sent_ns: dict[str, int]
) -> None:
    batches: list[Any] = [None] * order.partitions
    for number, workflow, value in rows:
        batch = batches[number]
        if batch is None:
            batch = batches[number] = producer.create_batch()
        kept = batch.append(key=workflow, value=value, timestamp=None)
        assert kept is not None, "more fell due at once than a batch can hold"
        if value.startswith(MARK):
            event_id = value[len(MARK) - 4 : value.index(b'"', len(MARK))].decode()
            sent_ns[event_id] = time.monotonic_ns()
    for number, batch in enumerate(batches):
        if batch is not None:
            await producer.send_batch(batch, order.topic, partition=number)


if __name__ == "__main__":
    given = json.decode(sys.stdin.readline(), type=Order)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.encode(runner.run(write_at_rate(given))).decode())
