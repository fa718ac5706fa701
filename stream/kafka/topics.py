"""The topics: their names, keys, partitions, retention and clean-up; stated once, created from here."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import KafkaError
from msgspec import Struct

from models.errors import StateError
from stream.configuration.settings import Settings
from stream.kafka.brokers import brief, connecting, opened
from stream.sources.known import SOURCES

APPENDED = {"message.timestamp.type": "LogAppendTime"}
"""The broker dates the records of the actions topic: a producer's clock cannot vouch for itself."""

RECORD_BYTES_MAX = 4 * 1024 * 1024
"""What the broker, the reader and the producer agree on."""

COMPACTED = {"cleanup.policy": "compact", "max.message.bytes": str(RECORD_BYTES_MAX)}
"""For ever, but of each key only the last record."""

DAY_MS = 24 * 3_600_000


class Topic(Struct, frozen=True):
    """One topic as it should be."""

    name: str
    key: str
    """What the record key is: records of one key stay in order."""
    partitions: int
    config: dict[str, str]


class Topics(Struct, frozen=True):
    """The names of one deployment's topics."""

    actions: str
    commands: str
    acks: str
    findings: str
    dead_letters: str
    models: str
    """Which baseline is put to work: the last word of each slot."""
    raw: dict[str, str]
    """Source: where its records arrive as they are."""


def topics_of(settings: Settings) -> Topics:
    """Names under the deployment's prefix."""
    prefix = settings.topic_prefix
    return Topics(
        actions=f"{prefix}.actions.v1",
        commands=f"{prefix}.commands.v1",
        acks=f"{prefix}.acks.v1",
        findings=f"{prefix}.findings.v1",
        dead_letters=f"{prefix}.dead-letters.v1",
        models=f"{prefix}.models.v1",
        raw={source: f"{prefix}.raw.{source}" for source in SOURCES},
    )


def stated(names: Topics, partitions: int) -> tuple[Topic, ...]:
    """Every topic as it should be. Each record is a fact of its own; of announcements the last is enough.

    One worker at a time reads the raw topics, so more than one partition of them would not be faster.
    """
    return (
        Topic(names.actions, "workflow id", partitions, _kept(7) | APPENDED),
        Topic(names.commands, "session id", partitions, _kept(7)),
        Topic(names.acks, "session id", partitions, _kept(7)),
        Topic(names.findings, "session id", partitions, _kept(30)),
        Topic(names.dead_letters, "key of the unreadable record", max(1, partitions // 4), _kept(30)),
        Topic(names.models, "slot", 1, COMPACTED),
        *(Topic(name, "any", 1, _kept(3) | APPENDED) for name in names.raw.values()),
    )


def _kept(days: int) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(days * DAY_MS),
        "max.message.bytes": str(RECORD_BYTES_MAX),
    }


def create_topics(settings: Settings, partitions: int, replicas: int) -> Iterator[tuple[str, bool]]:
    """Create what is missing; a line per topic, and whether it differs from what is stated.

    A topic that exists is never changed: more partitions would move workflows away from their state.
    """
    with _administration(settings, "topics") as admin:
        known = set(admin.list_topics())
        for topic in stated(topics_of(settings), partitions):
            if topic.name in known:
                yield _compared(admin, topic, replicas)
                continue
            admin.create_topics(
                [NewTopic(topic.name, topic.partitions, replicas, topic_configs=topic.config)]
            )
            yield (
                f"created  {topic.name}: {topic.partitions} partitions by {topic.key}, {_how_long(topic)}",
                False,
            )


def _how_long(topic: Topic) -> str:
    kept_ms = topic.config.get("retention.ms")
    return "the last of each" if kept_ms is None else f"{int(kept_ms) // DAY_MS} days"


def _compared(admin: KafkaAdminClient, topic: Topic, replicas: int) -> tuple[str, bool]:
    (described,) = admin.describe_topics([topic.name])
    partitions = len(described["partitions"])
    differing = [] if partitions == topic.partitions else [f"{partitions} partitions, not {topic.partitions}"]
    copies = sorted({len(one["replica_nodes"]) for one in described["partitions"]})
    if copies != [replicas]:
        differing.append(f"{' or '.join(map(str, copies))} replicas, not {replicas}")
    resource = ConfigResource(ConfigResourceType.TOPIC, topic.name)
    found = _config_of(admin.describe_configs([resource]), topic.name)
    differing += [
        f"{name} {found.get(name)}, not {value}"
        for name, value in topic.config.items()
        if found.get(name) != value
    ]
    if differing:
        return f"differs  {topic.name}: {'; '.join(differing)}", True
    return f"exists   {topic.name}", False


def _config_of(described: object, name: str) -> dict[str, str]:
    """Values by name, out of kafka-python's answer."""
    rows = described.get("topic", {}).get(name, {}) if isinstance(described, dict) else {}
    return {key: row["value"] if isinstance(row, dict) else str(row) for key, row in rows.items()}


def require_topics(settings: Settings) -> None:
    """Raises `StateError` if no broker answers, or if any of the topics is missing."""
    with _administration(settings, "topics") as admin:
        known = set(admin.list_topics())
    missing = [topic.name for topic in stated(topics_of(settings), 1) if topic.name not in known]
    if missing:
        raise StateError(
            f"{'topic' if len(missing) == 1 else 'topics'} {', '.join(missing)} not on {settings.kafka}; "
            f"{_unseen(settings)}"
        )


def _unseen(settings: Settings) -> str:
    """A broker with rules of access does not tell one what one may not see from what there is not."""
    account = " (or let this account describe it)" if settings.kafka_security_protocol != "PLAINTEXT" else ""
    return f"create what is missing: chainbrake topics{account}"


def identity(settings: Settings, topic: str) -> tuple[str, int]:
    """The topic's own id (Kafka's UUID) and its number of partitions. Raises `StateError` for no topic."""
    with _administration(settings, f"topic {topic}") as admin:
        if topic not in admin.list_topics():
            raise StateError(f"topic {topic} does not exist on {settings.kafka}; {_unseen(settings)}")
        (described,) = admin.describe_topics([topic])
        return str(described["topic_id"]), len(described["partitions"])


def identities(settings: Settings, topics: list[str]) -> dict[str, str]:
    """Ids of those of the topics that are there. Raises `StateError` if no broker answers."""
    with _administration(settings, "topics") as admin:
        there = sorted(set(topics) & set(admin.list_topics()))
        described = admin.describe_topics(there) if there else []
        return {one["name"]: str(one["topic_id"]) for one in described}


@contextmanager
def _administration(settings: Settings, what: str) -> Iterator[KafkaAdminClient]:
    """A client for it, closed in the end. Raises `StateError` if no broker answers, or lets us do `what`."""
    with connecting(settings):
        admin = opened(KafkaAdminClient, settings, client_id="chainbrake-admin")
    try:
        yield admin
    except KafkaError as error:
        raise StateError(f"{what} on {settings.kafka}: {brief(error)}") from error
    finally:
        admin.close()
