"""The ceiling: batches from Kafka are decoded and checked, nothing else. BOOTSTRAP TOPIC EVENTS."""

import asyncio
import json
import sys
import time

import uvloop
from aiokafka import AIOKafkaConsumer

from models.cloudevent import read_data


async def main(bootstrap: str, topic: str, total: int) -> None:
    """Print how long the events after the first batch took."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"decode-{time.time_ns()}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    seen = first = 0
    began_s = cpu_s = 0.0
    while seen < total:
        for records in (await consumer.getmany(timeout_ms=1_000, max_records=2_000)).values():
            for record in records:
                read_data(record.value)
            seen += len(records)
        if not first and seen:
            first, began_s, cpu_s = seen, time.monotonic(), time.process_time()
    took = {"wall_s": time.monotonic() - began_s, "cpu_s": time.process_time() - cpu_s}
    print(json.dumps({"events": seen - first, **took}))
    await consumer.stop()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
