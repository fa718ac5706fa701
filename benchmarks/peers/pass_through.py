"""Consumes and produces, with the worker's clients and nothing between. BOOTSTRAP FROM TO ALL(0|1).

With 0 it passes on only the events that decide a chain: as few as the worker sends commands.
"""

import asyncio
import gc
import sys
import time

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.load import MARK


async def main(bootstrap: str, source: str, target: str, every: bool) -> None:  # noqa: FBT001 - from the command line
    """Until it is ended."""
    consumer = AIOKafkaConsumer(
        source,
        bootstrap_servers=bootstrap,
        group_id=f"pass-{time.time_ns()}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 * 1024 * 1024,
        fetch_max_wait_ms=250,
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    await producer.partitions_for(target)
    await consumer.start()
    while not consumer.assignment():  # noqa: ASYNC110 - the client has no event for it
        await asyncio.sleep(0.05)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    print("ready", flush=True)
    while True:
        for records in (await consumer.getmany(timeout_ms=250, max_records=2_000)).values():
            for record in records:
                if every or record.value.startswith(MARK):
                    await producer.send(target, record.value, key=record.key)
        await asyncio.sleep(0)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] == "1"))
