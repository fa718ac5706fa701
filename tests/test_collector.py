"""When Python's garbage collector looks at what, and that nothing waits for more than it must."""

import asyncio
import gc
import weakref
from types import SimpleNamespace
from typing import Any, cast

import pytest

from detectors.judge import Judge
from detectors.policy import Policy
from stream import collector
from stream.configuration.settings import Settings
from stream.kafka.topics import topics_of
from stream.worker.engine import Engine
from stream.worker.reader import Reader


def test_a_replay_leaves_the_collector_as_it_was() -> None:
    """It is set for the judging alone."""
    before = gc.get_threshold(), gc.get_freeze_count()
    with collector.settled():
        assert gc.get_threshold() == (collector.YOUNG, collector.NEVER, collector.NEVER)
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_what_is_old_is_left_alone_until_it_is_looked_through() -> None:
    """Only the young are collected as the work goes on."""
    thresholds = gc.get_threshold()
    try:
        collector.settle()
        assert gc.get_threshold() == (collector.YOUNG, collector.NEVER, collector.NEVER)
        cycle: list[Any] = []
        cycle.append(cycle)
        del cycle
        gc.collect(0)
        collector.look_through()
        assert gc.collect() == 0
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


class Watched(list[Any]):
    """A list of which is known when it is freed."""


def test_what_is_new_is_looked_at_between_batches_once_there_is_enough_of_it() -> None:
    """Amid a batch it is left alone, however much its records are."""
    thresholds = gc.get_threshold()
    try:
        collector.settle(collector.CROWD)
        cycle = Watched()
        cycle.append(cycle)
        seen = weakref.ref(cycle)
        del cycle
        collector.look_at_new()
        assert seen() is not None, "a few objects are not worth a look"
        new = [[n] for n in range(2 * collector.YOUNG)]
        assert seen() is not None, "amid a batch nobody looks"
        collector.look_at_new()
        assert seen() is None
        assert len(new) == 2 * collector.YOUNG
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def test_a_worker_looks_at_what_is_new_after_each_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """By then the records are gone."""
    settings, done = Settings(), []
    reader = Reader(settings, topics_of(settings), "id", Judge(Policy(), None), cast("Any", None))

    async def turn() -> None:
        done.append("turn")
        reader._closing = len(done) > 2  # noqa: SLF001

    monkeypatch.setattr(reader, "turn", turn)
    monkeypatch.setattr(collector, "look_at_new", lambda: done.append("look"))
    asyncio.run(Reader._read_on.fun(reader))  # noqa: SLF001
    assert done == ["turn", "look", "turn", "look"]


def test_a_worker_that_stops_looks_through_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sleep ends early then, and a look at everything would keep the end waiting."""
    looks: list[str] = []
    worker = SimpleNamespace(should_stop=False)

    async def sleep(_seconds: float) -> None:
        worker.should_stop = len(looks) > 0

    worker.sleep = sleep
    monkeypatch.setattr(collector, "look_through", lambda: looks.append("look"))
    asyncio.run(asyncio.wait_for(Engine._collect_on.fun(worker), 10))  # noqa: SLF001
    assert looks == ["look"]
