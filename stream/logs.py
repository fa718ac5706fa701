"""Structured logs on standard error: one JSON object a line, or words on a console."""

import logging
import sys
from typing import Any

import stamina.instrumentation
import structlog

from models.errors import ChainbrakeError
from stream.configuration.settings import Settings

QUIET_S = 10.0


class OncePerWhile(logging.Filter):
    """Passes a message once in `QUIET_S`: a client without its broker says so ten times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it was not said just now; the message is known by its template, so there are few."""
        template = str(record.msg)
        quiet = record.created - self._said.get(template, 0.0) < QUIET_S
        if not quiet:
            self._said[template] = record.created
        return not quiet


class NotOnPurpose(logging.Filter):
    """Keeps back what was raised on purpose: it ends the process as one message, and needs no traceback.

    So it does with what Faust says when it stops a consumer's thread that has ended already.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is worth a line."""
        raised = record.exc_info[1] if record.exc_info else None
        ended = isinstance(raised, RuntimeError) and str(raised) == "Event loop is closed"
        return not (isinstance(raised, ChainbrakeError) or ended)


def set_up_logs(settings: Settings) -> None:
    """For our own logs and those of the libraries alike."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(NotOnPurpose())
    stamina.instrumentation.set_on_retry_hooks([])  # the store tells once that it is away, not at every try
    chatty = OncePerWhile()
    for name in ("aiokafka", "aiokafka.conn", "aiokafka.cluster", "aiokafka.consumer.fetcher"):
        logging.getLogger(name).addFilter(chatty)
    for name in (
        "aiokafka.consumer.group_coordinator",
        "aiokafka.producer.sender",
        "aiokafka.consumer.consumer",
    ):
        logging.getLogger(name).addFilter(chatty)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("mode").setLevel(logging.ERROR)  # its timers complain of every busy second
    logging.getLogger("stream").setLevel(settings.log_level.upper())
