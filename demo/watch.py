"""Listens to what the worker orders and what the gateway answers, in a thread of its own."""

import threading
from collections.abc import Callable

from kafka import KafkaConsumer, TopicPartition
from msgspec import Struct

from models.acknowledgement import Acknowledgement
from models.caep import from_caep
from models.command import Command
from models.remediation import read_acknowledgement
from stream.kafka.topics import Topics

POLL_MS = 100


class Ordered(Struct, frozen=True):
    """A command, and when it was sent (ms, clock)."""

    command: Command
    sent_ms: int


class Noted(Struct, frozen=True):
    """A finding about a session."""

    session: str


Heard = Ordered | Acknowledgement | Noted


class Watch(threading.Thread):
    """Calls `tell` with everything it hears, from its own thread, until `stop`."""

    def __init__(self, bootstrap: str, topics: Topics, tell: Callable[[Heard], None]) -> None:
        super().__init__(name="watch", daemon=True)
        self._topics = topics
        self._tell = tell
        self._stopping = threading.Event()
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        partitions = [
            TopicPartition(topic, number)
            for topic in (topics.commands, topics.acks, topics.findings)
            for number in self._consumer.partitions_for_topic(topic) or ()
        ]
        self._consumer.assign(partitions)
        self._consumer.seek_to_beginning(*partitions)

    def stop(self) -> None:
        """End it, and wait for that."""
        self._stopping.set()
        self.join()

    def run(self) -> None:
        """Read on."""
        while not self._stopping.is_set():
            for tp, records in self._consumer.poll(timeout_ms=POLL_MS).items():
                for record in records:
                    self._tell(self._heard(tp.topic, record.key, record.value, record.timestamp))
        self._consumer.close()

    def _heard(self, topic: str, key: bytes, value: bytes, timestamp_ms: int) -> Heard:
        if topic == self._topics.commands:
            return Ordered(from_caep(value), timestamp_ms)
        if topic == self._topics.acks:
            return read_acknowledgement(value)
        return Noted(key.decode())
