"""The synchronous way out, on kafka-python: calls and acknowledgements of a hook, a human's release."""

import logging
from types import TracebackType
from typing import Self

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.producer.future import FutureRecordMetadata

from models.errors import StateError
from stream.configuration.settings import Settings
from stream.kafka.brokers import connecting, opened
from stream.kafka.messages import Record

log = structlog.stdlib.get_logger(__name__)

DELIVER_MS_MAX = 5_000
RECONNECT_MS_MAX = 1_000
CLOSE_S_MAX = 2.0


class Publisher:
    """A producer whose records arrive in order, some perhaps twice; after `DELIVER_MS_MAX` it gives up."""

    def __init__(self, settings: Settings, client: str) -> None:
        """Connect. Raises `StateError` if no broker answers."""
        with connecting(settings):
            self._producer = opened(
                KafkaProducer,
                settings,
                client_id=f"chainbrake-{client}",
                acks="all",
                # Not idempotent: after a batch expired in an outage, kafka-python 3.0.12 never sends again.
                enable_idempotence=False,
                max_in_flight_requests_per_connection=1,  # so that a retry keeps the order all the same
                linger_ms=0,
                delivery_timeout_ms=DELIVER_MS_MAX,
                request_timeout_ms=DELIVER_MS_MAX - 1_000,
                max_block_ms=DELIVER_MS_MAX,
                reconnect_backoff_max_ms=RECONNECT_MS_MAX,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )

    def know(self, *topics: str) -> None:
        """Look topics up now, so that the first record does not wait for it. Raises `StateError`."""
        for topic in topics:
            try:
                self._producer.partitions_for(topic)
            except KafkaError as error:
                raise StateError(
                    f"topic {topic} is not there ({error}); create it: chainbrake topics"
                ) from error

    def send(self, record: Record) -> FutureRecordMetadata:
        """Hand a record over; kafka-python's future of it. Raises `KafkaError`."""
        return self._producer.send(record.topic, record.value, key=record.key, headers=record.headers)

    def close(self) -> None:
        """Let what is on its way arrive, within `CLOSE_S_MAX`."""
        try:
            self._producer.close(timeout=CLOSE_S_MAX)
        except KafkaError as error:  # its threads end with the process
            log.warning("closed with records undelivered", error=str(error))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def quiet_client(chatty: logging.Filter) -> None:
    """What kafka-python says of a broker that is away, it says for every try: keep some of it."""
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == "kafka":
            logging.getLogger(name).addFilter(chatty)
