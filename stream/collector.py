"""Python's garbage collector, kept from looking through the state while commands wait.

State holds no reference cycles: what is dropped is freed at once, by its reference count. The collector is
only there for the few cycles that tasks and errors leave, and they die young. Left to itself it looks through
all that is old whenever a quarter more has come in: 150 ms at 20,000 live sessions, every few seconds, with
every command waiting. So it looks once at what is new, in small bites, and at everything once an hour.

A worker says when: between two batches. Amid one, most of what is new are its records and events, which are
gone a moment later: looking through those was one part in forty of all that a draining worker did.
"""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

log = structlog.stdlib.get_logger(__name__)

YOUNG = 5_000
"""Objects more than before, at which what is new is looked through: about half a millisecond."""

CROWD = 200_000
"""So many more, and nobody waits for the end of a batch: a hundred for each record of the largest poll."""

NEVER = 1_000_000_000
LOOK_EVERY_S = 3_600.0


def settle(at_most: int = YOUNG) -> None:
    """Before the work begins: what is there by now is there to stay, and what is old is left alone.

    `at_most`: objects more than before, at which what is new is looked through without being told to.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(at_most, NEVER, NEVER)


def look_at_new() -> None:
    """Between two batches: their records are gone, and what is new is state and what is done beside."""
    if gc.get_count()[0] >= YOUNG:
        gc.collect(0)


@contextmanager
def settled() -> Iterator[None]:
    """For as long as files are judged; afterwards it is as it was."""
    before = gc.get_threshold()
    settle()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextmanager
def uncollected() -> Iterator[None]:
    """Learning makes millions of objects and no cycles: looking for some takes a quarter of its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def look_through() -> None:
    """Find the cycles that grew old; everything waits meanwhile, so it is done rarely, and said."""
    began_s = time.perf_counter()
    found = gc.collect()
    took_ms = round((time.perf_counter() - began_s) * 1000)
    log.info("garbage collected", objects=found, took_ms=took_ms)
