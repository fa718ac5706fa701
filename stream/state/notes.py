"""Notes of chains over workflows, in the store: one key for each chain and whom it follows.

Plain adds that expire, so that it does not matter who owns which partition: what is written twice is there
once. Written first and read afterwards, in one go: of two workers that see two halves at the same moment, the
one that reads later finds both.
"""

import msgspec
import structlog
from msgspec import Struct

from models.session import Note
from stream import metrics
from stream.state.store import Store

log = structlog.stdlib.get_logger(__name__)

WITHIN_S = 0.5
"""An answer that takes longer is not waited for: the judge goes on without."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Note).decode


class Page(Struct, frozen=True):
    """What to write of one chain and whom it follows, and how far to look around it."""

    chain: str
    group: str
    notes: list[Note]
    within_ms: int
    kept_ms: int
    """Since the newest: what is older goes."""


class Notes:
    """Writes and reads pages, all of a batch in one go; what is to be dropped goes with the next."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._gone: list[tuple[str, list[bytes]]] = []

    async def told(self, pages: list[Page]) -> list[list[Note]] | None:
        """Everybody's notes of each page, its own among them; None, at once, where the store is away."""
        keys = [self._key(page) for page in pages]
        gone, self._gone = self._gone, []

        def ask(pipeline: object) -> None:
            for key, members in gone:
                pipeline.zrem(key, *members)  # type: ignore[attr-defined]  # redis is typed too widely
            for key, page in zip(keys, pages, strict=True):
                _write(pipeline, key, page)

        answers = await self._store.hastily(ask, WITHIN_S)
        if answers is None:
            return None
        metrics.NOTES.labels("told").inc(sum(len(page.notes) for page in pages))
        return [
            _read(page, members) for page, members in zip(pages, answers[len(gone) + 3 :: 4], strict=True)
        ]

    def drop(self, chain: str, group: str, notes: list[Note]) -> None:
        """No room for these: they go with what is told next."""
        metrics.NOTES.labels("dropped").inc(len(notes))
        self._gone.append((self._key_of(chain, group), [_encode(note) for note in notes]))

    def _key(self, page: Page) -> str:
        return self._key_of(page.chain, page.group)

    def _key_of(self, chain: str, group: str) -> str:
        return self._store.key(f"notes:{{{group}}}:{chain}")


def _write(pipeline: object, key: str, page: Page) -> None:
    times_ms = [note.hit.step.at_ms for note in page.notes]
    newest_ms, oldest_ms = max(times_ms), min(times_ms)
    told = {_encode(note): note.hit.step.at_ms for note in page.notes}
    pipeline.zadd(key, told)  # type: ignore[attr-defined]
    pipeline.zremrangebyscore(key, "-inf", f"({newest_ms - page.kept_ms}")  # type: ignore[attr-defined]
    pipeline.pexpire(key, page.kept_ms)  # type: ignore[attr-defined]
    around = oldest_ms - page.within_ms, newest_ms + page.within_ms
    pipeline.zrangebyscore(key, *around)  # type: ignore[attr-defined]


def _read(page: Page, members: list[bytes]) -> list[Note]:
    """What can be read; what another version wrote in another form is as if it were not there."""
    notes: list[Note] = []
    for member in members:
        try:
            notes.append(_decode(member))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("note unreadable", chain=page.chain, error=str(error))
    return notes
