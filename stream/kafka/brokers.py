"""How brokers are reached: where they are, whether what is said is encrypted, and as whom we come.

Both of our clients take the same words for it, which are those of Kafka's own configuration.
"""

import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from kafka import KafkaConsumer
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError
from kafka.net.compat import KafkaNetClient

from models.errors import SettingsError, StateError
from stream.configuration.settings import PREFIX, Settings

Client = TypeVar("Client")

CONNECT_MS_MAX = 5_000


def brokers(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of any client, kafka-python's and aiokafka's. Raises `SettingsError`."""
    words: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in settings.kafka.split(",")],
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": context(settings),
    }
    if settings.is_kafka_signed_in:
        words |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": password(settings),
        }
    return words


def opened(kind: Callable[..., Client], settings: Settings, **options: Any) -> Client:
    """A client of kafka-python that has found a broker. Raises `KafkaError`, `SettingsError`.

    One that finds none within `CONNECT_MS_MAX` leaves nothing behind. kafka-python 3.0.12 itself leaves a
    thread that asks on and four descriptors each time, and whoever waits for a broker tries again and again.
    """
    made: list[KafkaNetClient] = []

    def kept(**words: Any) -> KafkaNetClient:
        made.append(KafkaNetClient(**words))
        return made[-1]

    try:
        return kind(**brokers(settings), kafka_client=kept, bootstrap_timeout_ms=CONNECT_MS_MAX, **options)
    except BaseException:
        for client in made:
            client.close()
        raise


def lone_consumer(settings: Settings, client: str, **options: Any) -> KafkaConsumer:
    """A consumer of no group: it is told where to read, and commits nothing. Raises as `opened` does."""
    return opened(
        KafkaConsumer,
        settings,
        client_id=f"chainbrake-{client}",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
        metrics_enabled=False,
        **options,
    )


@contextmanager
def connecting(settings: Settings) -> Iterator[None]:
    """Raises `StateError` if no broker answers, with what went wrong first.

    kafka-python itself says no more than that its time was over; why, it logs, which is told here instead.
    """
    heard, client = _Heard(), logging.getLogger("kafka")
    level, is_passed_on = client.level, client.propagate
    client.addHandler(heard)
    client.setLevel(logging.ERROR)
    client.propagate = False
    try:
        yield
    except KafkaError as error:
        raise StateError(
            f"no Kafka broker answers at {settings.kafka}, security protocol "
            f"{settings.kafka_security_protocol}: {heard.first or error}. "
            f"Name one that runs, and speaks that, with --kafka host:port or {PREFIX}KAFKA"
        ) from error
    finally:
        client.removeHandler(heard)
        client.setLevel(level)
        client.propagate = is_passed_on


def brief(error: KafkaError) -> str:
    """In one line: some of them hold a whole request and its answer."""
    return f"{type(error).__name__}: {getattr(error, 'description', '') or error}"


class _Heard(logging.Handler):
    """The first error that was logged; but a refusal says more than a connection that was lost by it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.first: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """It is among what the message is made of."""
        for told in record.args if isinstance(record.args, tuple) else ():
            if isinstance(told, BaseException) and _says_more(told, self.first):
                self.first = told


def _says_more(error: BaseException, known: BaseException | None) -> bool:
    if known is None:
        return True
    return isinstance(known, KafkaConnectionError) and not isinstance(
        error, KafkaConnectionError | KafkaTimeoutError
    )


def context(settings: Settings) -> ssl.SSLContext | None:
    """What is held against a broker's certificate, and our own one; None where nothing is encrypted.

    Raises `SettingsError` for a file that cannot be read, or is none of its kind.
    """
    if not settings.is_kafka_encrypted:
        return None
    authority = settings.kafka_ca_file and _readable(settings.kafka_ca_file, "KAFKA_CA_FILE")
    try:
        told = ssl.create_default_context(cafile=authority or None)
    except ssl.SSLError as error:
        raise SettingsError(
            f"{PREFIX}KAFKA_CA_FILE: {authority}: no certificate (PEM) in it: {error}"
        ) from error
    if settings.kafka_certificate_file:
        certificate = _readable(settings.kafka_certificate_file, "KAFKA_CERTIFICATE_FILE")
        key = settings.kafka_key_file and _readable(settings.kafka_key_file, "KAFKA_KEY_FILE")
        try:
            told.load_cert_chain(certificate, key or None, password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            raise SettingsError(
                f"{PREFIX}KAFKA_CERTIFICATE_FILE, {PREFIX}KAFKA_KEY_FILE: no certificate with its key, "
                f"unencrypted, as PEM: {error}"
            ) from error
    return told


def password(settings: Settings) -> str:
    """As it was given, or the first line of its file. Raises `SettingsError`."""
    if not settings.kafka_password_file:
        return settings.kafka_password
    path = _readable(settings.kafka_password_file, "KAFKA_PASSWORD_FILE")
    try:
        found = Path(path).read_text("utf-8").partition("\n")[0].strip()
    except UnicodeDecodeError as error:
        raise SettingsError(f"{PREFIX}KAFKA_PASSWORD_FILE: {path} is no text in UTF-8") from error
    if not found:
        raise SettingsError(f"{PREFIX}KAFKA_PASSWORD_FILE: {path} is empty")
    return found


def _readable(path: str, setting: str) -> str:
    """The same path: what reads it later does not say which setting named it."""
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except OSError as error:
        raise SettingsError(f"{PREFIX}{setting}: {path}: {error.strerror}") from error
    return path


def _no_password() -> str:
    """A terminal would be asked for one otherwise, and a worker wait for ever."""
    raise ValueError("the key is encrypted")
