"""Processor time of one piece of work."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """The collector works as in the worker, where it rarely does: else whoever is at work pays for it."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def timed(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    with uncollected():
        began_s = time.process_time()
        work()
        return time.process_time() - began_s
