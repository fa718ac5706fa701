"""The hook's ear, on kafka-python: a consumer of the commands topic without a group, in a thread of its own.

Every gateway hears every command. At each start it goes back as far as a command can be kept, puts in force
what has not expired, and answers those it never answered; then it follows. Nothing is committed: what is in
force follows from the topic alone.
"""

import threading
import time
from collections.abc import Iterator

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from models.command import Command
from models.errors import InputError
from models.remediation import read_acknowledgement
from stream.configuration.settings import Settings
from stream.enforcement.hook import Answer, Hook
from stream.enforcement.publisher import RECONNECT_MS_MAX
from stream.kafka.brokers import lone_consumer
from stream.kafka.topics import DAY_MS, Topics

log = structlog.stdlib.get_logger(__name__)

BACK_MS = 7 * DAY_MS
"""As long as the topic keeps its records; a command is in force for a day unless a policy says otherwise."""

POLL_MS = 100
"""How long a poll waits for a first record; one that is there is returned at once. A stop waits as long."""

AGAIN_S = 1.0
LOOK_EVERY_S = 60.0
"""How often to look whether the topic has got more partitions."""

UNANSWERED_MAX = 10_000


class Subscriber(threading.Thread):
    """Hears commands until `stop`; starts over, with nothing lost, whatever happens to its connection."""

    def __init__(self, settings: Settings, topics: Topics, hook: Hook) -> None:
        super().__init__(name="hook", daemon=True)
        self._settings = settings
        self._topics = topics
        self._hook = hook
        self._stopping = threading.Event()
        self._following = threading.Event()

    @property
    def following(self) -> bool:
        """Whether all that was in force at the start is in force again."""
        return self._following.is_set()

    def stop(self) -> None:
        """Ask it to end; `join` waits for that."""
        self._stopping.set()

    def run(self) -> None:
        """Rebuild, follow; again after an error, which is never the end."""
        while not self._stopping.is_set():
            try:
                self._listen()
            except KafkaError as error:
                log.warning("commands cannot be heard, trying again", error=repr(error))
                self._stopping.wait(AGAIN_S)
            except Exception:
                log.exception("hook failed, starting over")
                self._stopping.wait(AGAIN_S)

    def _listen(self) -> None:
        consumer = lone_consumer(self._settings, self._hook.name, reconnect_backoff_max_ms=RECONNECT_MS_MAX)
        try:
            self._rebuild(consumer)
            self._follow(consumer)
        finally:
            consumer.close()

    def _rebuild(self, consumer: KafkaConsumer) -> None:
        """Blocks first; then what was never answered is answered."""
        due: dict[str, tuple[Command, Answer]] = {}
        heard = 0
        for value in self._read_to_end(consumer, self._topics.commands, _now_ms() - BACK_MS):
            heard += 1
            command = self._hook.read(value)
            if command is not None and command.expires_ms > _now_ms() and len(due) < UNANSWERED_MAX:
                due[command.id] = (command, self._hook.obey(command, _now_ms()))
        reached = {tp: consumer.position(tp) for tp in consumer.assignment()}
        self._following.set()
        log.info("following commands", hook=self._hook.name, heard=heard, in_force=len(due))
        if due:
            since_ms = min(command.seen_ms for command, _ in due.values())
            for value in self._read_to_end(consumer, self._topics.acks, since_ms):
                due.pop(self._answered(value), None)
        for command, answer in due.values():
            self._hook.answer(command, answer, _now_ms())
        consumer.assign(list(reached))
        for tp, position in reached.items():
            consumer.seek(tp, position)

    def _follow(self, consumer: KafkaConsumer) -> None:
        """Until told to stop, or until the topic has more partitions than we read."""
        look_s = time.monotonic() + LOOK_EVERY_S
        while not self._stopping.is_set():
            for records in consumer.poll(timeout_ms=POLL_MS).values():
                for record in records:
                    self._hear(record.value)
            if time.monotonic() > look_s:
                look_s = time.monotonic() + LOOK_EVERY_S
                if len(consumer.partitions_for_topic(self._topics.commands) or ()) > len(
                    consumer.assignment()
                ):
                    log.info("the commands topic has more partitions now, starting over")
                    return

    def _hear(self, value: bytes | None) -> None:
        command = self._hook.read(value)
        if command is not None:
            self._hook.answer(command, self._hook.obey(command, _now_ms()), _now_ms())

    def _read_to_end(self, consumer: KafkaConsumer, topic: str, since_ms: int) -> Iterator[bytes | None]:
        """Values of a topic from a time on, up to where it ends now; assigned and positioned there after."""
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        if not partitions:
            raise KafkaError(f"topic {topic} is not there; create it: chainbrake topics")
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        found = consumer.offsets_for_times(dict.fromkeys(partitions, max(0, since_ms)))
        for tp in partitions:
            consumer.seek(tp, found[tp].offset if found.get(tp) is not None else ends[tp])
        while any(consumer.position(tp) < ends[tp] for tp in partitions) and not self._stopping.is_set():
            for records in consumer.poll(timeout_ms=POLL_MS).values():
                for record in records:
                    yield record.value

    def _answered(self, value: bytes | None) -> str:
        """The command that an acknowledgement of ours is about; empty for any other's."""
        try:
            ack = read_acknowledgement(value)
        except InputError:
            return ""
        return ack.command if ack.hook == self._hook.name else ""


def _now_ms() -> int:
    return int(time.time() * 1000)
