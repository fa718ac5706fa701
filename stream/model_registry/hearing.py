"""The announcement topic, heard by a worker: every worker hears all of it, so it needs no consumer group."""

import asyncio
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

from models.errors import InputError
from stream.model_registry.announcement import Announcement, Slot, decode
from stream.settings import Settings

log = structlog.stdlib.get_logger(__name__)

POLL_MS = 500
AGAIN_S = 5.0


class Hearing:
    """The last word of each slot."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self.last: dict[Slot, Announcement] = {}
        self._tp = TopicPartition(topic, 0)
        self._consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka,
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
        heard = False
        for record in (await self._consumer.getmany(timeout_ms=POLL_MS)).get(self._tp, []):
            try:
                said = decode(record.value)
            except InputError as error:
                log.error(  # noqa: TRY400 - a traceback says nothing of a wrong record
                    "announcement unreadable, passed over", offset=record.offset, error=str(error)
                )
                continue
            if overtaken(said, self.last.get(said.slot)):
                log.warning("announcement is older than what was heard", slot=said.slot, number=said.number)
                continue
            self.last[said.slot] = said
            heard = True
        return heard


def overtaken(said: Announcement, known: Announcement | None) -> bool:
    """Whether the registry had said something later of the slot: two who promote may overtake each other.

    Another registry counts anew.
    """
    return known is not None and said.registry == known.registry and said.number < known.number
