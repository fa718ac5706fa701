"""Quix Streams with a toy list per key: op class appended, the newest 16 kept, reads counted.

BOOTSTRAP TOPIC EVENTS CHANGELOG(0|1). Runs in the peers' own environment: imports nothing of ours.
"""

import json
import os
import sys
import tempfile
import time
from importlib.metadata import version
from typing import Any

from quixstreams import Application, State

KEPT = 16
READS = frozenset({"discovery", "policy_read", "secret_read"})


def main(bootstrap: str, topic: str, total: int, changelog: bool) -> None:  # noqa: FBT001 - from the command line
    """Print how long the events after the first took, then leave."""
    app = Application(
        broker_address=bootstrap,
        consumer_group=f"quix-{time.time_ns()}",
        auto_offset_reset="earliest",
        auto_create_topics=changelog,
        state_dir=tempfile.mkdtemp(prefix="quix-"),
        use_changelog_topics=changelog,
        loglevel="ERROR",
    )
    source = app.topic(topic, value_deserializer="json", key_deserializer="str")
    seen = 0
    began_s = cpu_s = 0.0

    def fold(event: dict[str, Any], state: State) -> int:
        nonlocal seen, began_s, cpu_s
        if not seen:
            began_s, cpu_s = time.monotonic(), time.process_time()
        kept = state.get("classes", [])
        kept.append(event.get("op_class", event["kind"]))
        del kept[:-KEPT]
        state.set("classes", kept)
        seen += 1
        if seen == total:
            took = {"wall_s": time.monotonic() - began_s, "cpu_s": time.process_time() - cpu_s}
            print(json.dumps({"events": seen - 1, **took, "version": version("quixstreams")}), flush=True)
            os._exit(0)  # an orderly stop takes seconds and is not measured
        return sum(op_class in READS for op_class in kept)

    app.dataframe(source).apply(fold, stateful=True)
    app.run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "1")
