"""Notes when deciding events come out at the other end; a process of its own.

`python -m benchmarks.watch BOOTSTRAP TOPIC` says "ready", reads until a line comes in, then prints when which
event came.
"""

import asyncio
import gc
import json
import sys
import time

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.deployment import KILL, PARTITIONS
from benchmarks.load import MARK

_KILL = KILL.encode()


async def main(bootstrap: str, topic: str) -> None:
    """Until a line comes in."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(places)
    await consumer.seek_to_end(*places)
    gc.freeze()
    gc.disable()
    print("ready", flush=True)
    over = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    got_ns: dict[str, int] = {}
    while not over.done():
        batches = await consumer.getmany(timeout_ms=200)
        now_ns = time.monotonic_ns()
        for records in batches.values():
            for record in records:
                event_id = _decided_by(record.value, record.headers)
                if event_id:
                    got_ns.setdefault(event_id, now_ns)
    print(json.dumps(got_ns))
    await consumer.stop()


def _decided_by(value: bytes, headers: tuple[tuple[str, bytes], ...]) -> str:
    """The deciding event, of a command or of that very event passed through."""
    if value.startswith(MARK):
        return value[len(MARK) - 4 : value.index(b'"', len(MARK))].decode()
    if ("ce_type", _KILL) in headers:
        return next(content.decode() for name, content in headers if name == "ce_causationid")
    return ""


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], sys.argv[2]))
