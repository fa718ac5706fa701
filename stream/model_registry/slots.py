"""A worker's baselines, kept as announced: fetched, checked, and handed over when they can be put to work.

What cannot be fetched or trusted changes nothing: what ran goes on, an alert says that it is not what was
announced, and it is tried again.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog
from mode import Service

from models.baselines.baseline import Baseline
from models.errors import ChainbrakeError
from stream import metrics
from stream.model_registry.announcement import Announcement, Slot
from stream.model_registry.hearing import Hearing
from stream.model_registry.places import model_registry
from stream.settings import Settings

log = structlog.stdlib.get_logger(__name__)

AGAIN_S = 10.0
"""After a baseline that could not be had."""


class Slots(Service):  # type: ignore[misc]  # mode is not typed
    """Live and shadow, each filled with a baseline or empty."""

    def __init__(
        self,
        settings: Settings,
        topic: str,
        fallback: Baseline | None,
        change: Callable[[Slot, Baseline | None], None],
        **options: Any,
    ) -> None:
        """`fallback` is live while nothing is announced; `change` puts another one to work, at once."""
        super().__init__(**options)
        self.filled: dict[Slot, Baseline | None] = {Slot.LIVE: fallback, Slot.SHADOW: None}
        self._settings = settings
        self._fallback = fallback
        self._change = change
        self._hearing = Hearing(settings, topic)
        self._done: dict[Slot, Announcement] = {}
        self._again_s: dict[Slot, float] = {}

    async def open(self) -> None:
        """Hear what stands and fill the slots with it, before anything is judged. Raises `KafkaError`."""
        await self._hearing.open()
        for slot in Slot:
            self._tell(slot, behind=False)
            await self._fill(slot)

    async def close(self) -> None:
        """Hear no more."""
        await self._hearing.close()

    @Service.task  # type: ignore[untyped-decorator]  # mode is not typed
    async def _follow(self) -> None:
        while not self.should_stop:
            await self._hearing.news()
            for slot in Slot:
                await self._fill(slot)

    async def _fill(self, slot: Slot) -> None:
        """Do what was announced of a slot last, if that is not done."""
        said = self._hearing.last.get(slot)
        if said is None or said == self._done.get(slot) or time.monotonic() < self._again_s.get(slot, 0.0):
            return
        began_s = time.perf_counter()
        before = self.filled[slot]
        try:
            baseline = await self._baseline(slot, said)
            if baseline is not before:
                self._change(slot, baseline)
        except ChainbrakeError as error:
            self._refuse(slot, said, error)
            return
        except Exception as error:  # a mistake of ours, or of a store's client: no reason to judge nothing
            log.exception("announced baseline failed")
            self._refuse(slot, said, error)
            return
        self._done[slot] = said
        self._again_s.pop(slot, None)
        self.filled[slot] = baseline
        if baseline is not before:
            metrics.BASELINE_CHANGES.labels(slot, "changed").inc()
            log.warning(
                "another baseline is at work",
                slot=slot,
                version=_version(baseline),
                before=_version(before),
                by=said.by,
                reason=said.reason,
                took_ms=round((time.perf_counter() - began_s) * 1000),
            )
        self._tell(slot, behind=False)

    async def _baseline(self, slot: Slot, said: Announcement) -> Baseline | None:
        """What is to fill it. Raises `ChainbrakeError`."""
        running = self.filled[slot]
        if said.version is None:
            return self._fallback if slot is Slot.LIVE else None
        if running is not None and running.version == said.version:
            return running
        return await asyncio.to_thread(lambda: model_registry(self._settings).announced(said))

    def _refuse(self, slot: Slot, said: Announcement, error: Exception) -> None:
        self._again_s[slot] = time.monotonic() + AGAIN_S
        self._tell(slot, behind=True)
        metrics.BASELINE_CHANGES.labels(slot, "refused").inc()
        log.error(
            "announced baseline cannot be put to work, what ran goes on",
            slot=slot,
            announced=said.version,
            running=_version(self.filled[slot]),
            error=str(error) or repr(error),
        )

    def _tell(self, slot: Slot, *, behind: bool) -> None:
        metrics.BASELINE_BEHIND.labels(slot).set(behind)
        metrics.tell_baseline(slot, _version(self.filled[slot]))


def _version(baseline: Baseline | None) -> str:
    return baseline.version if baseline is not None else "none"
