"""Polling a consumer whatever is on the topic: one record that cannot be decoded must not end the reading."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

log = structlog.stdlib.get_logger(__name__)

AGAIN_S = 1.0
SINGLY_MS = 200


class Polling:
    """Fetches of one consumer, and where to go back to when one fails."""

    def __init__(
        self,
        consumer: Any,
        places: Callable[[], Mapping[TopicPartition, int]],
        pass_by: Callable[[TopicPartition, int, str], Awaitable[None]],
    ) -> None:
        """`places`: the next offset of each claimed partition; `pass_by` puts down what cannot be decoded."""
        self._consumer = consumer
        self._places = places
        self._pass_by = pass_by

    async def fetch(self, wait_ms: int, records_max: int) -> dict[TopicPartition, list[Any]]:
        """Records by partition. Raises `ConsumerStoppedError` once the consumer has ended."""
        try:
            found: dict[TopicPartition, list[Any]] = await self._consumer.getmany(
                timeout_ms=wait_ms, max_records=records_max
            )
        except UnicodeDecodeError as error:
            log.warning("a fetch cannot be decoded: record by record", error=str(error))
            self.rewind()
            return await self._singly()
        except ConsumerStoppedError:
            raise
        except KafkaError as error:
            log.exception("a fetch failed", error=repr(error))
            self.rewind()
            await asyncio.sleep(AGAIN_S)
            return {}
        return found

    def rewind(self) -> None:
        """A fetch that failed for one partition has dropped what it had of the others."""
        assigned = self._consumer.assignment()
        for tp, offset in self._places().items():
            if tp in assigned:
                self._consumer.seek(tp, offset)

    async def _singly(self) -> dict[TopicPartition, list[Any]]:
        """One record of each partition; one that cannot be decoded is passed by, and its place named."""
        found: dict[TopicPartition, list[Any]] = {}
        for tp in list(self._places()):
            try:
                found |= await self._consumer.getmany(tp, timeout_ms=SINGLY_MS, max_records=1)
            except UnicodeDecodeError as error:
                offset = await self._consumer.position(tp)
                await self._pass_by(tp, offset, str(error))
                self._consumer.seek(tp, offset + 1)
        return found
