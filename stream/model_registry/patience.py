"""Waiting for a store that may never answer: for so long, and no longer.

A network file system that hangs, or an object store behind a dead connection, keeps a thread for good. It is
one of ours, and a daemon: nobody waits for it, neither the judge nor the end of the process.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import TypeVar

from models.errors import UnansweredError

Answer = TypeVar("Answer")


def begun(ask: Callable[[], Answer]) -> Future[Answer]:
    """Ask in a thread of its own."""
    answer: Future[Answer] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - whoever waits is told, whatever it is
            answer.set_exception(error)

    Thread(target=run, name="chainbrake-store", daemon=True).start()
    return answer


async def answered(answer: Future[Answer], wait_s: float) -> bool:
    """Whether it is there by then. Whoever gives up waiting leaves it as it is."""
    there, loop = asyncio.Event(), asyncio.get_running_loop()

    def tell(_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(there.set)

    answer.add_done_callback(tell)
    with suppress(TimeoutError):
        await asyncio.wait_for(there.wait(), wait_s)
    return answer.done()


def within(wait_s: float, where: str, ask: Callable[[], Answer]) -> Answer:
    """The answer, waited for here and now. Raises what `ask` does, and `UnansweredError` for none."""
    answer = begun(ask)
    try:
        return answer.result(wait_s)
    except TimeoutError:
        if answer.done():  # it is what the store said, not what we waited for
            raise
        raise unanswered(where, wait_s) from None


def unanswered(where: str, wait_s: float) -> UnansweredError:
    """What is said of a store that does not answer."""
    return UnansweredError(f"{where}: no answer within {wait_s:g} s (CHAINBRAKE_MODELS_WAIT_S)")
