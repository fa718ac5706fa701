"""Spans over OTLP/HTTP into a real worker, and from there onto their raw topic."""

import json
import urllib.request
from pathlib import Path

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic

from sandbox.kafka import Kafka
from sandbox.ports import HOST
from sandbox.valkey import Valkey
from stream.sources.otel.spans import normalise
from tests.ingest.spans import CALL, CONVERSATION, protobuf, request, span
from tests.servers.deployment import Deployment

TWO = request(span(CONVERSATION | {"gen_ai.tool.name": "iam_list_roles"}), span(CONVERSATION, spanId=CALL))


def post(port: int, body: bytes, content_type: str) -> tuple[int, bytes]:
    """What an exporter would hear."""
    asked = urllib.request.Request(
        f"http://{HOST}:{port}/v1/traces", data=body, headers={"content-type": content_type}, method="POST"
    )
    with urllib.request.urlopen(asked, timeout=20) as heard:  # noqa: S310 - the address is ours
        return heard.status, heard.read()


def test_spans_that_a_worker_takes_are_on_their_topic(kafka: Kafka, valkey: Valkey, tmp_path: Path) -> None:
    """When the exporter hears 200 the broker has them: one record a span, in either format."""
    with Deployment(kafka, valkey, tmp_path) as deployment:
        topic = f"{deployment.prefix}.raw.otel.span"
        admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        if topic not in admin.list_topics():
            admin.create_topics([NewTopic(topic, 1, 1)])
        admin.close()
        worker = deployment.worker().wait_ready()
        assert post(worker.port, json.dumps(TWO).encode(), "application/json") == (200, b"{}")
        assert post(worker.port, protobuf(TWO), "application/x-protobuf") == (200, b"")
        values = read(kafka, topic)
        assert len(values) == 4
        assert values[0] != values[2]
        said = [sighting for value in values for sighting in normalise(value)]
        assert said[:2] == said[2:] == list(normalise(protobuf(TWO)))


def read(kafka: Kafka, topic: str) -> list[bytes]:
    """Every record of a topic of one partition by now."""
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap, enable_auto_commit=False)
    place = TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    end = consumer.end_offsets([place])[place]
    values: list[bytes] = []
    while len(values) < end:
        values += [record.value for record in consumer.poll(1000).get(place, [])]
    consumer.close()
    return values
