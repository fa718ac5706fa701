"""Telling the workers: the last word of each slot onto the announcement topic."""

from types import TracebackType
from typing import Self

from kafka.errors import KafkaError

from models.errors import StateError
from stream.configuration.settings import Settings
from stream.enforcement.publisher import DELIVER_MS_MAX, Publisher
from stream.kafka.messages import Record
from stream.kafka.topics import topics_of
from stream.model_registry.announcement import Announcement, encode, key_of


class Announcer:
    """Connected before anything is decided: what nobody could be told shall not stand in the history."""

    def __init__(self, settings: Settings) -> None:
        """Raises `StateError` if no broker answers, or there is no such topic."""
        self._topic = topics_of(settings).models
        self._publisher = Publisher(settings, "models")
        try:
            self._publisher.know(self._topic)
        except StateError:
            self._publisher.close()
            raise

    def tell(self, announcement: Announcement) -> None:
        """Publish, and wait until the broker has it. Raises `StateError`."""
        record = Record(self._topic, key_of(announcement), encode(announcement), [])
        try:
            self._publisher.send(record).get(timeout=DELIVER_MS_MAX / 1000)
        except KafkaError as error:
            raise StateError(
                f"it stands in the registry, but {self._topic} did not take it: {error}. Workers keep what "
                f"they have until: chainbrake models announce"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._publisher.close()
