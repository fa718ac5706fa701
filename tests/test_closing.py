"""A worker that is told to end ends, whatever its clients do."""

import asyncio

import pytest
from structlog.testing import capture_logs

from stream.closing import closed


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
