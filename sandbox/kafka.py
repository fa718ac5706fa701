"""A real Apache Kafka broker: its own jars, KRaft mode (broker and controller in one), no Docker."""

import base64
import logging
import subprocess
import uuid
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from sandbox.jars import class_path, java
from sandbox.ports import HOST, accepts, free_port
from sandbox.process import SandboxError, Server
from stream.configuration.settings import Settings
from stream.kafka.brokers import opened

# Kafka's artifact leaves the choice of a logger to whoever runs it; this one writes to stderr.
COORDINATES = "org.apache.kafka:kafka_2.13:4.1.1+org.slf4j:slf4j-simple:1.7.36"
FORMAT_S_MAX = 60
PROBE_MS_MAX = 2_000

_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
log.dirs={data}
auto.create.topics.enable=false
# One broker: nothing can be replicated.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Fast to start, and to fail over in a test.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# A killed broker may come back when its old session has ended.
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
log.cleaner.dedupe.buffer.size=8388608
"""

_LOGGING = [
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
]


class Kafka(Server):
    """One broker. `bootstrap` is its address; topics are made by those who use them, never by accident.

    `for_load`: it is to carry as much as it can, rather than to start with little.
    """

    name = "kafka"
    ready_s_max = 60.0

    def __init__(self, data: Path | None = None, *, heap_mb: int = 768, for_load: bool = False) -> None:
        super().__init__(data)
        self._heap_mb = heap_mb
        self._for_load = for_load
        self._broker_port = free_port()
        self._controller_port = free_port()
        self._class_path = ""

    @property
    def bootstrap(self) -> str:
        """`host:port` for `bootstrap_servers`; the same after a restart."""
        return f"{HOST}:{self._broker_port}"

    def command(self) -> list[str]:
        """Write the settings, format the storage once, and return the broker's command."""
        self._class_path = self._class_path or class_path(COORDINATES)
        settings = self._write_settings()
        if not (self.data / "log" / "meta.properties").exists():
            self._format(settings)
        return [*self._java(self._heap_mb, optimised=self._for_load), "kafka.Kafka", str(settings)]

    def settings(self) -> str:
        """What stands in its `server.properties`."""
        return _SETTINGS.format(
            host=HOST, broker=self._broker_port, controller=self._controller_port, data=self.data / "log"
        )

    def format_options(self) -> list[str]:
        """What its storage begins with."""
        return []

    def is_ready(self) -> bool:
        """Whether the broker is registered and says so itself; an open port comes earlier."""
        if not accepts(self._broker_port):
            return False
        logging.getLogger("kafka").addFilter(_silent)
        try:
            admin = opened(KafkaAdminClient, Settings(kafka=self.bootstrap), request_timeout_ms=PROBE_MS_MAX)
            try:
                return bool(admin.describe_cluster()["brokers"])
            finally:
                admin.close()
        except KafkaError:
            return False
        finally:
            logging.getLogger("kafka").removeFilter(_silent)

    def _java(self, heap_mb: int, *, optimised: bool = False) -> list[str]:
        # The serial collector: small and quick to start, and the machine's other cores are for others.
        options = [f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", "-XX:-UsePerfData"]
        if not optimised:  # what lives for minutes spends more on its second compiler than that gains
            options.append("-XX:TieredStopAtLevel=1")
        quiet = ["--sun-misc-unsafe-memory-access=allow", *_LOGGING]
        return [java(), *options, *quiet, "-cp", self._class_path]

    def _write_settings(self) -> Path:
        path = self.data / "server.properties"
        path.write_text(self.settings())
        return path

    def _format(self, settings: Path) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        identity = f"--cluster-id={cluster}"  # in one word: an id may begin with a dash
        tool = ["kafka.tools.StorageTool", "format", identity, "-c", str(settings), *self.format_options()]
        done = subprocess.run(
            [*self._java(256), *tool], capture_output=True, text=True, timeout=FORMAT_S_MAX, check=False
        )
        if done.returncode != 0:
            raise SandboxError(f"Kafka's storage cannot be formatted:\n{done.stdout}{done.stderr}")


def _silent(_: logging.LogRecord) -> bool:
    """Drop a record: while the broker starts, failed probes are expected."""
    return False
