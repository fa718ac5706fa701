"""Runs one worker process."""

import asyncio
import gc
import sys

import faust
import uvloop

from models.errors import StateError
from stream.app import create_app
from stream.logs import set_up_logs
from stream.settings import Settings

GC_THRESHOLDS = (100_000, 20, 100)
"""State is many small objects that stay: looking through all of them often costs more than it frees."""


def run_worker(settings: Settings, *, adopt_topic: bool) -> None:
    """Until a signal ends it. Raises what kept it from starting."""
    set_up_logs(settings)
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    app, engine = create_app(settings, adopt_topic=adopt_topic)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    worker = faust.Worker(
        app, loop=loop, loglevel="WARNING", quiet=True, override_logging=False, redirect_stdouts=False
    )
    worker.execute_from_commandline()
    if engine.crash_reason is not None:
        reason = engine.crash_reason
        raise reason if isinstance(reason, StateError) else StateError(f"worker crashed: {reason!r}")
    sys.exit(0)
