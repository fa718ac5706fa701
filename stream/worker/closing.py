"""What a worker closes, it waits for, but not for good: clients of a broker that was away may never answer.

By then everything is stored that can be stored; a worker that does not end is killed, and whoever started it
cannot tell that from a crash.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

import structlog
from aiokafka.errors import ConsumerStoppedError

from stream.state.store import AWAY

log = structlog.stdlib.get_logger(__name__)

CLOSED_WITHIN_S = 5.0


async def closed(part: str, closing: Coroutine[None, None, None], within_s: float = CLOSED_WITHIN_S) -> None:
    """Until it is closed; given up, and said, after `within_s`. Raises what `closing` raises."""
    task = asyncio.ensure_future(closing)
    await asyncio.wait({task}, timeout=within_s)
    if not task.done():
        task.cancel()  # not waited for: what does not answer may not hear that either
        log.warning("not closed in time, left as it is", part=part, within_s=within_s)
        return
    task.result()


@contextmanager
def until_closing(is_closing: Callable[[], bool]) -> Iterator[None]:
    """What asks a consumer or the store while they are closed is cut off by that, which is no crash."""
    try:
        yield
    except (ConsumerStoppedError, *AWAY):
        if not is_closing():
            raise
