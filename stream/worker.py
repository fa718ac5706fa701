"""Runs one worker process."""

import asyncio

import faust
import uvloop

from models.errors import ChainbrakeError, StateError
from stream import collector
from stream.app import create_app
from stream.logs import set_up_logs
from stream.settings import Settings


def run_worker(settings: Settings, *, adopt_topic: bool) -> None:
    """Until a signal ends it. Raises what kept it from starting."""
    set_up_logs(settings)
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    app = create_app(settings, adopt_topic=adopt_topic)
    collector.settle()
    worker = faust.Worker(
        app, loop=loop, loglevel="WARNING", quiet=True, override_logging=False, redirect_stdouts=False
    )
    failed = False
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:  # Faust exits by itself, with a code and without a word
        failed = bool(ended.code)
    reason = app.crash_reason
    if isinstance(reason, ChainbrakeError):
        raise reason  # what we say on purpose is a message, not a traceback
    if reason is not None:
        raise StateError(f"worker crashed, see the log: {reason!r}")
    if failed:  # in Faust's own start: it needs the broker, and the web port, before the engine runs
        raise StateError(
            f"worker did not start, and the log says why. Does a Kafka broker answer at {settings.kafka}, "
            f"and is {settings.web_host}:{settings.web_port} free (--web-port)?"
        )
