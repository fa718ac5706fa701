"""`chainbrake ingest`: records of a source, from files or standard input, to the actions topic."""

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator

from kafka.errors import KafkaError
from kafka.producer.future import FutureRecordMetadata

from models.errors import StateError
from models.event import AnyEvent
from models.registry import Registry
from stream.configuration.settings import Settings
from stream.enforcement.publisher import DELIVER_MS_MAX, Publisher
from stream.ingest.pipeline import Pipeline
from stream.kafka.dead_letters import refused_line
from stream.kafka.messages import Record, event_record
from stream.kafka.topics import topics_of
from stream.recordings.files import Lines, Unbroken
from stream.recordings.following import followed
from stream.recordings.recorded import Arrival, Refused, arrivals, bytes_max, known_source, placed

ON_THEIR_WAY_MAX = 5_000
"""Records handed over and not known to be at the broker."""


class Ingest:
    """One run of the command."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self.counted: Counter[str] = Counter()
        self.first_refused: Refused | None = None
        """The first line that could not be used."""
        self.read: Unbroken | None = None
        """Where it ended before its end, and why: to be told after what was sent."""
        self._topics = topics_of(settings)
        self._settings = settings
        self._pipeline = Pipeline(registry)
        self._sent: deque[FutureRecordMetadata] = deque()

    @property
    def names_to_add(self) -> dict[str, int]:
        """The most frequent operations that no vocabulary knows."""
        return self._pipeline.names.flat()

    def run(self, source: str, paths: list[str], *, follow: bool) -> None:
        """Until the files end, or, following, until somebody ends it; what was sent has arrived then.

        Raises `InputError` for a source or first file that cannot be read, `StateError` without a broker.
        """
        known_source(source)
        with Publisher(self._settings, "ingest") as publisher:
            publisher.know(self._topics.actions)
            self.read = Unbroken(self._lines(publisher, paths, bytes_max(source), follow=follow))
            try:
                self._send(publisher, source, self.read)
            except KeyboardInterrupt:
                if not follow:
                    raise
            self._send_events(publisher, self._pipeline.overdue())
            self._settle()
        self.counted["duplicates"] = self._pipeline.duplicates

    def _lines(self, publisher: Publisher, paths: list[str], most: int, *, follow: bool) -> Iterable[bytes]:
        def idle() -> None:
            self._send_events(publisher, self._pipeline.overdue(_now_ms()))
            self._settle()

        return followed(paths[0], most, idle) if follow else Lines(paths, most)

    def _counted(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            self.counted["lines"] += 1
            yield line

    def _send(self, publisher: Publisher, source: str, lines: Iterable[bytes]) -> None:
        for arrival in arrivals(source, self._counted(lines), self._pipeline, _now_ms):
            if isinstance(arrival, Arrival):
                self._send_events(publisher, [arrival.event])
            else:
                self.counted["dead letters"] += 1
                self.first_refused = self.first_refused or placed(arrival, lines)
                letters = self._topics.dead_letters
                self._hand_over(
                    publisher, refused_line(letters, arrival.content, arrival.reason, arrival.detail)
                )

    def _send_events(self, publisher: Publisher, events: list[AnyEvent]) -> None:
        for event in events:
            self.counted["events"] += 1
            self._hand_over(publisher, event_record(event, self._topics))

    def _hand_over(self, publisher: Publisher, record: Record) -> None:
        try:
            self._sent.append(publisher.send(record))
        except KafkaError as error:
            raise self._undelivered(error) from error
        if len(self._sent) >= ON_THEIR_WAY_MAX:
            self._settle()

    def _settle(self) -> None:
        """Wait until the broker has what was sent."""
        while self._sent:
            try:
                self._sent.popleft().get(timeout=DELIVER_MS_MAX / 1000)
            except KafkaError as error:
                raise self._undelivered(error) from error

    def _undelivered(self, error: KafkaError) -> StateError:
        return StateError(
            f"events did not reach {self._topics.actions} on {self._settings.kafka}: {error}. Run it again: "
            f"what arrived already is known by its id"
        )


def _now_ms() -> int:
    return int(time.time() * 1000)
