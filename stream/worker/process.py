"""Runs one worker process."""

import asyncio
import logging
import socket

import faust
import uvloop

from models.errors import ChainbrakeError, StateError
from stream import collector
from stream.configuration.settings import Settings
from stream.kafka.topics import require_topics
from stream.logs import set_up_logs
from stream.worker.app import create_app


def check_surroundings(settings: Settings) -> None:
    """What Faust needs before it lets the engine run; here it is a message, there half a page of traceback.

    Raises `StateError` for no broker, missing topics, or a web port that is taken. The store may be away.
    """
    try:
        socket.create_server((settings.web_host, settings.web_port)).close()
    except OSError as error:
        raise StateError(
            f"{settings.web_host}:{settings.web_port}: {error.strerror or error}. "
            f"Choose another with --web-host, --web-port, CHAINBRAKE_WEB_HOST or CHAINBRAKE_WEB_PORT"
        ) from error
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what its client complains of is raised as well
    require_topics(settings)


def run_worker(settings: Settings, *, adopt_topic: bool) -> None:
    """Until a signal ends it. Raises what kept it from starting."""
    set_up_logs(settings)
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    app = create_app(settings, adopt_topic=adopt_topic)
    check_surroundings(settings)
    collector.settle(collector.CROWD)
    worker = faust.Worker(
        app, loop=loop, loglevel="WARNING", quiet=True, override_logging=False, redirect_stdouts=False
    )
    worker.spinner = None  # it moves the cursor, in a log as well: its first and last lines were no JSON
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
