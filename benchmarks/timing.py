"""Processor time of one piece of work."""

import gc
import time
from collections.abc import Callable


def timed(work: Callable[[], object]) -> float:
    """Seconds of processor time; the collector works as in the worker, where it rarely does."""
    gc.collect()
    gc.freeze()
    gc.disable()
    began_s = time.process_time()
    try:
        work()
        return time.process_time() - began_s
    finally:
        gc.enable()
        gc.unfreeze()
