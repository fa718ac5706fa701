"""The announcement topic, heard by a worker: every worker hears all of it, so it needs no consumer group."""

import asyncio
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

from models.errors import InputError
from stream.configuration.settings import Settings
from stream.kafka.brokers import brokers
from stream.model_registry.announcement import Announcement, Slot, decode

log = structlog.stdlib.get_logger(__name__)

POLL_MS = 500
AGAIN_S = 5.0


class Hearing:
    """The last word of each slot."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self.last: dict[Slot, Announcement] = {}
        self._tp = TopicPartition(topic, 0)
        self._consumer: Any = AIOKafkaConsumer(
            **brokers(settings),
            client_id="chainbrake-models",
            group_id=None,
            enable_auto_commit=False,
            fetch_max_wait_ms=POLL_MS,
        )

    async def open(self) -> None:
        """Hear all that was said so far. Raises `KafkaError`."""
        await self._consumer.start()
        self._consumer.assign([self._tp])
        await self._consumer.seek_to_beginning(self._tp)
        end = (await self._consumer.end_offsets([self._tp]))[self._tp]
        while await self._consumer.position(self._tp) < end:
            await self._poll()

    async def news(self) -> bool:
        """Wait a while for something new; whether there was. An outage is waited for, and said."""
        try:
            return await self._poll()
        except ConsumerStoppedError:  # the worker ends
            await asyncio.sleep(AGAIN_S)
            return False
        except KafkaError as error:
            log.warning("announcements of baselines cannot be heard, trying again", error=repr(error))
            await asyncio.sleep(AGAIN_S)
            return False

    async def close(self) -> None:
        """Leave."""
        await self._consumer.stop()

    async def _poll(self) -> bool:
        """All that is there by now, so that of two promotions at once only the last is put to work."""
        heard, records = False, await self._fetched(POLL_MS)
        while records:
            for record in records:
                heard = self._takes(record) or heard
            records = await self._fetched(0)
        return heard

    async def _fetched(self, wait_ms: int) -> list[Any]:
        """One record, or none: one that the client cannot decode must not take others with it."""
        try:
            found = await self._consumer.getmany(self._tp, timeout_ms=wait_ms, max_records=1)
        except UnicodeDecodeError as error:  # in a header's name
            offset = await self._consumer.position(self._tp)
            self._pass_over(offset, error)
            self._consumer.seek(self._tp, offset + 1)
            return []
        records: list[Any] = found.get(self._tp, [])
        return records

    def _takes(self, record: Any) -> bool:
        """Whether it says something new."""
        try:
            said = decode(record.value)
        except InputError as error:
            self._pass_over(record.offset, error)
            return False
        if overtaken(said, self.last.get(said.slot)):
            log.warning("announcement is older than what was heard", slot=said.slot, number=said.number)
            return False
        self.last[said.slot] = said
        return True

    @staticmethod
    def _pass_over(offset: int, error: Exception) -> None:
        log.error("announcement unreadable, passed over", offset=offset, error=str(error))


def overtaken(said: Announcement, known: Announcement | None) -> bool:
    """Whether the registry had said something later of the slot: two who promote may overtake each other.

    Another registry counts anew; so does one that was lost, or restored from an older copy, in its old place.
    """
    if known is None or said.registry != known.registry:
        return False
    return said.number < known.number and said.at_ms <= known.at_ms
