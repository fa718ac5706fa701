"""Taking a partition over: raise the epoch, find where its state stands, notice what does not fit."""

from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from models.errors import StateError, TopicChangedError
from stream import metrics
from stream.state.partition import Partition
from stream.state.store import Store

log = structlog.stdlib.get_logger(__name__)


async def take_over(consumer: Any, store: Store, tp: TopicPartition, topic_id: str) -> Partition:
    """The partition, claimed, with nothing in memory yet.

    Raises `TopicChangedError` or `StateError` if its stored position means nothing on this topic, and
    aiokafka's `KafkaError` if the broker does not answer.
    """
    claim = await store.claim(tp.partition)
    if claim.topic_id not in ("", topic_id):
        raise TopicChangedError(tp.topic, claim.topic_id, topic_id)
    begin = (await consumer.beginning_offsets([tp]))[tp]
    end = (await consumer.end_offsets([tp]))[tp]
    start = begin if claim.next_offset is None else claim.next_offset
    if start > end:
        raise StateError(
            f"partition {tp.partition} of {tp.topic} ends at {end}, its state stands at {start}: the broker "
            f"has lost records. To go on from the topic as it is: chainbrake run --adopt-topic"
        )
    if start < begin:
        note_gap(tp.partition, begin - start)
        start = begin
    log.info("partition claimed", partition=tp.partition, epoch=claim.epoch, offset=start, behind=end - start)
    return Partition(tp.partition, claim, topic_id, start)


def note_gap(partition: int, records: int) -> None:
    """Retention was faster than we."""
    log.error("records removed before they were judged", partition=partition, records=records)
    metrics.GAPS.inc(records)


async def check_gap(consumer: Any, tp: TopicPartition, expected: int) -> None:
    """Note a gap, if retention made it; the markers of a transaction take up offsets, too."""
    try:
        begin = (await consumer.beginning_offsets([tp]))[tp]
    except KafkaError as error:  # the records are here, and are judged whether the gap can be counted or not
        log.warning("gap not looked into", partition=tp.partition, expected=expected, error=repr(error))
        return
    if begin > expected:
        note_gap(tp.partition, begin - expected)
