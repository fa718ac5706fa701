"""A bare Faust stream that decodes JSON and counts. BOOTSTRAP TOPIC EVENTS."""

import asyncio
import json
import os
import sys
import time
from typing import Any

import faust
import msgspec
import uvloop

BATCH = 1_000


def main(bootstrap: str, topic: str, total: int) -> None:
    """Print how long the events after the first batch took, then leave."""
    app = faust.App(
        f"bare-{time.time_ns()}",
        broker=f"kafka://{bootstrap}",
        store="memory://",
        topic_disable_leader=True,
        topic_allow_declare=False,
        autodiscover=False,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        logging_config=None,
        loghandlers=[],
    )
    source = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    decode = msgspec.json.Decoder().decode

    @app.agent(source)  # type: ignore[untyped-decorator]
    async def count(stream: Any) -> None:
        seen = first = 0
        began_s = cpu_s = 0.0
        async for values in stream.take(BATCH, within=1.0):
            for value in values:
                decode(value)
            seen += len(values)
            if not first:
                first, began_s, cpu_s = seen, time.monotonic(), time.process_time()
            if seen >= total:
                took = {"wall_s": time.monotonic() - began_s, "cpu_s": time.process_time() - cpu_s}
                print(json.dumps({"events": seen - first, **took}), flush=True)
                os._exit(0)  # an orderly stop takes seconds and is not measured

    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = faust.Worker(app, loop=loop, loglevel="ERROR", quiet=True, redirect_stdouts=False)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
