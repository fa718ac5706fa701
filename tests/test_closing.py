"""A worker that is told to end ends, whatever its clients do."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest
from aiokafka.errors import ConsumerStoppedError
from redis.exceptions import ConnectionError  # noqa: A004 - redis's
from structlog.testing import capture_logs

from models.registry import EMPTY
from stream.configuration.settings import Settings
from stream.ingest.raw_reader import RawReader
from stream.kafka.topics import topics_of
from stream.state.lineage import Lineage
from stream.worker.closing import closed


def test_what_never_closes_is_left_and_named() -> None:
    """Even if it does not hear that it is cancelled."""

    async def deaf() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if ended.is_set():
                    raise

    ended = asyncio.Event()

    async def stop() -> None:
        await closed("consumer", deaf(), 0.01)
        ended.set()

    with capture_logs() as said:
        asyncio.run(asyncio.wait_for(stop(), 10))
    assert [(each["log_level"], each["part"]) for each in said] == [("warning", "consumer")]


def test_what_closes_is_waited_for_and_may_fail() -> None:
    """Nothing is said of what went well; what did not is heard."""
    done: list[str] = []

    async def well() -> None:
        await asyncio.sleep(0.01)
        done.append("well")

    async def badly() -> None:
        raise OSError("gone")

    with capture_logs() as said:
        asyncio.run(closed("producer", well(), 10))
    assert (done, said) == (["well"], [])
    with pytest.raises(OSError, match="gone"):
        asyncio.run(closed("producer", badly(), 10))


@pytest.mark.parametrize("gone", [ConnectionError, ConsumerStoppedError])
@pytest.mark.parametrize("is_closing", [True, False])
def test_a_question_that_closing_cuts_off_is_no_crash(gone: type[Exception], *, is_closing: bool) -> None:
    """The raw reader asks the store for what it takes over when the worker is told to end."""

    class Cut:
        async def claim_ingest(self) -> int:
            reader._closing = is_closing  # noqa: SLF001
            raise gone

    async def read_on() -> None:
        await RawReader._read_on.fun(reader)  # noqa: SLF001

    settings = Settings()
    reader = RawReader(settings, topics_of(settings), EMPTY, cast("Lineage", Cut()))
    reader._consumer = SimpleNamespace(assignment=set)  # noqa: SLF001
    reader._waiting_s = 0.0  # noqa: SLF001
    if is_closing:
        asyncio.run(asyncio.wait_for(read_on(), 10))
        return
    with pytest.raises(gone):
        asyncio.run(asyncio.wait_for(read_on(), 10))
