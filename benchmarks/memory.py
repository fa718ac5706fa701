"""What does a live session cost in Valkey and in the worker's memory, with 100,000 of them at once?

Every session is a workflow of its own; the worker reads, judges and stores them, then both are asked.
"""  # noqa: D400 - it opens with its question

import asyncio
import time

from redis import Redis

from benchmarks.deployment import PARTITIONS, POLICY_NOTE, Ground, Worker
from benchmarks.load import fill
from benchmarks.report import Report, Size, middle
from benchmarks.traffic import Traffic

OPERATIONS = 10
"""Per session, on average."""

STORED_S_MAX = 300.0
SAMPLE = 500
PLAIN_SESSION = b'{"agent":"deployer-7","role":"deployer","last_ms":1790000000000,"events":10,"risk":0.0}'


def run(ground: Ground, size: Size) -> Report:
    """A worker takes them all in; then what has grown is divided by their number."""
    name = f"memory-{time.time_ns()}"
    topics = ground.topics(name)
    traffic = Traffic(
        seed=4,
        start_ms=int(time.time() * 1000) - 600_000,
        live=size.sessions,
        per_s=2_000,
        alone=True,
        mid_life=False,
    )
    events = size.sessions * OPERATIONS
    with ground.store() as store, Worker(ground, name, name) as worker:
        worker.wait_ready()
        resident, used = worker.resident_bytes(), _used(store)
        asyncio.run(fill(ground.kafka.bootstrap, topics.actions, PARTITIONS, traffic.events(events)))
        worker.until(lambda: worker.stored() >= events, STORED_S_MAX, "done")
        resident, used = worker.resident_bytes() - resident, _used(store) - used
        keys = list(store.scan_iter(match=f"{name}:*:w:*", count=10_000))
        sample = keys[:: max(1, len(keys) // SAMPLE)]
        values = [int(store.strlen(key)) for key in sample]
        keyed = [int(store.memory_usage(key)) for key in sample]
        plain = _plain(store, f"{name}:plain:", 10_000)
    live = len(keys)
    print(
        f"memory: {used / live:,.0f} bytes a session in the store, {resident / live:,.0f} in the worker",
        flush=True,
    )
    return Report(
        title="Memory per live session",
        question=(__doc__ or "").split("\n\n", maxsplit=1)[0].replace("\n", " "),
        columns=("where", "bytes per session", "how"),
        rows=[
            ("Valkey", f"{used / live:,.0f}", "growth of used_memory"),
            ("Valkey, one key", f"{middle(keyed):,.0f}", f"MEMORY USAGE, median of {len(sample)}"),
            ("the value alone", f"{middle(values):,.0f}", f"STRLEN, median; largest {max(values):,}"),
            (
                "Valkey, a peer's plain JSON of six fields",
                f"{plain:,.0f}",
                "growth of used_memory, 10,000 keys",
            ),
            ("worker", f"{resident / live:,.0f}", "growth of resident memory"),
        ],
        answers=[
            f"{used / live:,.0f} bytes of store and {resident / live:,.0f} of worker per session at {live:,}",
            f"Valkey: {used / live / plain:.1f} x a plain JSON value of six fields",
        ],
        notes=[
            f"{events:,} events, {OPERATIONS} a session on average; each a workflow of its own, none ended",
            f"in all {used / 2**20:,.0f} MiB more of Valkey and {resident / 2**20:,.0f} MiB more of worker",
            POLICY_NOTE,
        ],
    )


def _plain(store: Redis, prefix: str, count: int) -> float:
    """What a value costs that remembers next to nothing."""
    before = _used(store)
    pipeline = store.pipeline(transaction=False)
    for number in range(count):
        pipeline.set(f"{prefix}{number:08d}", PLAIN_SESSION, ex=3_600)
    pipeline.execute()
    return (_used(store) - before) / count


def _used(store: Redis) -> int:
    return int(store.info("memory")["used_memory"])
