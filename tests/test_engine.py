"""The worker's parts end in the order in which they need each other."""

import asyncio
from types import SimpleNamespace
from typing import Any

from stream.configuration.settings import Settings
from stream.worker.engine import Engine


def test_the_store_is_closed_after_the_ledger_is_done_with_it() -> None:
    """Else a worker that ends while commands are given up on ends as if it had crashed."""
    said: list[str] = []

    async def slow_chase(*_: object) -> None:
        said.append("chase begins")
        await asyncio.sleep(0.05)
        said.append("chase ends")

    async def note(word: str) -> int:
        said.append(word)
        return 0

    async def stop_under_the_chase() -> None:
        engine: Any = Engine(Settings(), adopt_topic=False)
        partition = SimpleNamespace(number=0)
        engine._reader = SimpleNamespace(  # noqa: SLF001
            partitions={0: partition}, outbox=None, close=lambda: note("reader closed")
        )
        engine.ledger = SimpleNamespace(chase=slow_chase)
        engine._store = SimpleNamespace(  # noqa: SLF001
            pending=lambda _: note("store asked"), close=lambda: note("store closed")
        )
        chasing = asyncio.create_task(engine.chase())
        await asyncio.sleep(0.01)
        await engine.on_stop()
        await chasing
        late = asyncio.create_task(engine.chase())
        await asyncio.sleep(0.01)
        late.cancel()

    asyncio.run(stop_under_the_chase())
    assert said == ["chase begins", "chase ends", "store asked", "reader closed", "store closed"]
