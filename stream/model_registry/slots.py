"""A worker's baselines, kept as announced: fetched, checked, and handed over when they can be put to work.

What cannot be fetched or trusted changes nothing: what ran goes on, an alert says that it is not what was
announced, and it is tried again, less and less often. A registry that does not answer holds up nothing: a
worker that starts waits for it `models_wait_s` and goes on with its own copy of what was live last, if it has
one; a worker that runs looks now and then whether the answer came.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import structlog
from mode import Service
from msgspec import Struct

from models.baselines.baseline import Baseline
from models.errors import ChainbrakeError, UnansweredError
from stream import metrics
from stream.configuration.settings import Settings
from stream.model_registry.announcement import Announcement, Slot
from stream.model_registry.copies import copies_of
from stream.model_registry.hearing import Hearing
from stream.model_registry.patience import answered, begun, unanswered
from stream.model_registry.places import model_registry, registry_url
from stream.model_registry.registry import Kept

log = structlog.stdlib.get_logger(__name__)

AGAIN_S, AGAIN_S_MAX = 5.0, 80.0
"""After a baseline that could not be had; twice as long each time."""

TURN_S = 1.0
"""How long a running worker waits for an answer before it listens to announcements again."""

GIVE_UP_TIMES = 4
"""After so many times `models_wait_s` a question is asked anew: the connection may be dead."""

UNANSWERED_MAX = 8
"""Questions that hang: each keeps a thread."""


class Fetch(Struct):
    """A baseline that was asked for."""

    said: Announcement
    answer: "Future[Found]"
    began_s: float


class Found(Struct, frozen=True):
    """What came back."""

    baseline: Baseline
    content: bytes | None
    """None for a copy of our own."""


class Refusal(Struct):
    """An announced baseline that could not be put to work."""

    said: Announcement
    error: str
    pause_s: float
    again_s: float


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
        self._copies = copies_of(settings)
        self._done: dict[Slot, Announcement] = {}
        self._refused: dict[Slot, Refusal] = {}
        self._fetches: dict[Slot, Fetch] = {}
        self._hanging: list[Future[Found]] = []

    async def open(self) -> None:
        """Hear what stands and fill the slots with it, before anything is judged. Raises `KafkaError`."""
        await self._hearing.open()
        for slot in Slot:
            self._tell(slot, behind=False)
        await asyncio.gather(*(self._fill(slot, self._settings.models_wait_s) for slot in Slot))
        if Slot.LIVE in self._refused:
            await self._go_on_with_copy(self._refused[Slot.LIVE])

    async def close(self) -> None:
        """Hear no more."""
        await self._hearing.close()

    def standing(self) -> dict[str, dict[str, str | None]]:
        """What fills each slot, and why that is not what was announced."""
        told: dict[str, dict[str, str | None]] = {}
        for slot, baseline in self.filled.items():
            refused = self._refused.get(slot)
            told[slot.value] = {"version": _version(baseline)}
            if refused is not None:
                told[slot.value] |= {"announced": refused.said.version, "error": refused.error}
        return told

    @Service.task  # type: ignore[untyped-decorator]  # mode is not typed
    async def _follow(self) -> None:
        while not self.should_stop:
            await self._hearing.news()
            for slot in Slot:
                await self._fill(slot, TURN_S)

    async def _fill(self, slot: Slot, wait_s: float) -> None:
        """Do what was announced of a slot last, if that is not done; wait so long for what it takes."""
        said = self._hearing.last.get(slot)
        if said is None or said == self._done.get(slot) or self._is_for_later(slot, said):
            return
        began_s = time.perf_counter()
        before = self.filled[slot]
        try:
            found = await self._found(slot, said, wait_s)
            if found is None:
                return
            baseline, content = found
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
        self._refused.pop(slot, None)
        self.filled[slot] = baseline
        if slot is Slot.LIVE and content is not None:
            begun(lambda: self._copies.keep(content))
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

    async def _found(
        self, slot: Slot, said: Announcement, wait_s: float
    ) -> tuple[Baseline | None, bytes | None] | None:
        """What is to fill it, and its file if that came from the registry; None while it is waited for.

        Raises `ChainbrakeError`, also where it was waited for long enough.
        """
        running = self.filled[slot]
        if said.version is None:
            return self._fallback if slot is Slot.LIVE else None, None
        if running is not None and running.version == said.version:
            return running, None
        fetch = self._fetch(slot, said)
        if await answered(fetch.answer, wait_s):
            self._fetches.pop(slot, None)
            found = fetch.answer.result()
            return found.baseline, found.content
        whole_s = self._settings.models_wait_s
        if wait_s < whole_s and time.monotonic() - fetch.began_s < whole_s:
            return None  # whoever waited for all of it has waited, though a timer may be a moment early
        raise unanswered(self._where(), whole_s)

    def _where(self) -> str:
        return f"registry of baselines {registry_url(self._settings)}"

    def _fetch(self, slot: Slot, said: Announcement) -> Fetch:
        """The question that was asked already, or one asked now."""
        fetch, now_s = self._fetches.get(slot), time.monotonic()
        if fetch is not None and fetch.said == said:
            old = now_s - fetch.began_s >= GIVE_UP_TIMES * self._settings.models_wait_s
            if fetch.answer.done() or not old:
                return fetch
        self._hanging = [answer for answer in self._hanging if not answer.done()]
        if len(self._hanging) >= UNANSWERED_MAX:
            raise UnansweredError(f"{self._where()}: {UNANSWERED_MAX} questions hang")
        fetch = self._fetches[slot] = Fetch(said, begun(lambda: self._fetched(said)), now_s)
        self._hanging.append(fetch.answer)
        return fetch

    def _fetched(self, said: Announcement) -> Found:
        """In a thread of its own. Raises `ChainbrakeError`."""
        own = self._copies.exactly(said)
        if own is not None:
            return Found(own, None)
        kept: Kept = model_registry(self._settings).announced(said)
        return Found(kept.baseline, kept.content)

    async def _go_on_with_copy(self, refused: Refusal) -> None:
        """What was live here last is nearer to what was announced than nothing is."""
        answer = begun(lambda: self._copies.instead(refused.said))
        if not await answered(answer, self._settings.models_wait_s):
            return
        baseline = answer.result()
        if baseline is None:
            return
        self._change(Slot.LIVE, baseline)
        self.filled[Slot.LIVE] = baseline
        self._tell(Slot.LIVE, behind=True)
        log.warning(
            "going on with the baseline that was live here last",
            version=baseline.version,
            announced=refused.said.version,
        )

    def _is_for_later(self, slot: Slot, said: Announcement) -> bool:
        """It was refused a moment ago, and no answer came since. What is announced anew is tried at once."""
        refused, fetch = self._refused.get(slot), self._fetches.get(slot)
        if refused is None or refused.said != said:
            return False
        return time.monotonic() < refused.again_s and (fetch is None or not fetch.answer.done())

    def _refuse(self, slot: Slot, said: Announcement, error: Exception) -> None:
        last = self._refused.get(slot)
        again = last is not None and last.said == said
        pause_s = min(2 * last.pause_s, AGAIN_S_MAX) if last is not None and again else AGAIN_S
        told = str(error) or repr(error)
        self._refused[slot] = Refusal(said, told, pause_s, time.monotonic() + pause_s)
        self._tell(slot, behind=True)
        result = "unanswered" if isinstance(error, UnansweredError) else "refused"
        metrics.BASELINE_CHANGES.labels(slot, result).inc()
        log.error(
            "announced baseline cannot be put to work, what ran goes on",
            slot=slot,
            announced=said.version,
            running=_version(self.filled[slot]),
            error=told,
            again_in_s=pause_s,
        )

    def _tell(self, slot: Slot, *, behind: bool) -> None:
        metrics.BASELINE_BEHIND.labels(slot).set(behind)
        metrics.tell_baseline(slot, _version(self.filled[slot]))


def _version(baseline: Baseline | None) -> str:
    return baseline.version if baseline is not None else "none"
