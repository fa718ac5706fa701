"""The inner loops of the hot path: records to events, events into their workflows."""

from typing import Any

import structlog

from detectors.arrival import believed
from detectors.decision import Decision
from detectors.judge import Judge
from detectors.policy import Policy
from models.cloudevent import read_event
from models.errors import Unreadable, UnreadableEventError
from models.event import AnyEvent, Operation
from stream import metrics
from stream.kafka.dead_letters import dead_letter
from stream.kafka.messages import Record
from stream.state.partition import Partition

log = structlog.stdlib.get_logger(__name__)

Arrived = tuple[AnyEvent, Any, int]
"""An event, its Kafka record, and when it reached the log (ms)."""


class Intake:
    """What one batch of one partition brings, beside its events: dead letters, and workflows to load."""

    def __init__(self, dead_letter_topic: str) -> None:
        self.letters: list[Record] = []
        self.missing: dict[str, None] = {}
        """Workflows that are not in memory, in order of appearance."""
        self._topic = dead_letter_topic

    def decode(self, partition: Partition, records: list[Any], policy: Policy) -> list[Arrived]:
        """The events that can be judged and were not yet."""
        workflows, missing = partition.workflows, self.missing
        next_offset, past_ms_max = partition.next_offset, policy.past_ms_max
        events: list[Arrived] = []
        for record in records:
            if record.offset < next_offset:
                continue
            try:
                event = read_event(record.value, record.headers)
                arrived_ms = record.timestamp  # by the broker's clock, see `stream/kafka/topics.py`
                if not 0 <= arrived_ms - event.at_ms <= past_ms_max:
                    event = believed(event, arrived_ms, policy)
                seen_ms = event.seen_ms
                if seen_ms is None or seen_ms > arrived_ms:
                    seen_ms = arrived_ms
            except UnreadableEventError as error:
                self._bury(record, error.reason, error.detail)
                continue
            if event.workflow not in workflows:
                missing[event.workflow] = None
            events.append((event, record, seen_ms))
        for event, _, seen_ms in reversed(events):
            if type(event) is Operation:  # a fact may be told late on purpose: an approval of this morning
                metrics.SOURCE_LAG.observe(max(0, seen_ms - event.at_ms) / 1000)
                break
        return events

    def parted(self, events: list[Arrived]) -> tuple[list[Arrived], list[Arrived]]:
        """Those whose workflow is in memory, and those whose workflow is missing; each in order."""
        missing = self.missing
        here = [arrived for arrived in events if arrived[0].workflow not in missing]
        return here, [arrived for arrived in events if arrived[0].workflow in missing]

    def fold(self, partition: Partition, events: list[Arrived], judge: Judge) -> list[tuple[str, Decision]]:
        """Judge every event; returns what is due, by workflow. All workflows must be in memory."""
        fold, workflows = judge.fold, partition.workflows
        decided: list[tuple[str, Decision]] = []
        partition.touch_all([event.workflow for event, _, _ in events])
        for event, record, seen_ms in events:
            name = event.workflow
            try:
                decision = fold(workflows[name], event, record.offset, seen_ms)
            except Exception as error:  # a mistake in one detector must not stop the stops
                log.exception("judge failed", offset=record.offset, partition=partition.number)
                self._bury(record, Unreadable.JUDGE_FAILED, repr(error))
                continue
            if decision is not None:
                decided.append((name, decision))
        return decided

    def _bury(self, record: Any, reason: Unreadable, detail: str) -> None:
        self.letters.append(dead_letter(self._topic, record, reason, detail))


def expected(partition: Partition, records: list[Any]) -> list[str]:
    """Workflows not in memory that these records are about, if their keys can be believed; only a hint."""
    keys = dict.fromkeys(record.key for record in records)
    names = [key.decode(errors="replace") for key in keys if key]
    return [name for name in names if name not in partition.workflows]
