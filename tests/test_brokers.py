"""What is left of a client that finds no broker: nothing."""

import gc
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from models.errors import SettingsError
from stream.configuration.settings import Settings
from stream.kafka import brokers


def descriptors() -> int:
    """How many are open; kafka-python leaves a socket that could not be connected to the collector."""
    gc.collect()
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("kind", [KafkaAdminClient, KafkaConsumer, KafkaProducer])
def test_no_thread_and_no_descriptor(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook that waits for its broker asks every few seconds: after an hour it would have none left."""
    monkeypatch.setattr(brokers, "CONNECT_MS_MAX", 100)
    monkeypatch.setattr("logging.root.manager.disable", 100)
    with socket.socket() as silent:  # whom a port is kept for, but who never answers
        silent.bind(("127.0.0.1", 0))
        settings = Settings(kafka=f"127.0.0.1:{silent.getsockname()[1]}")
        before = descriptors()
        for _ in range(3):
            with pytest.raises(KafkaError):
                brokers.opened(kind, settings)
        assert descriptors() <= before
        assert not [thread.name for thread in threading.enumerate() if "kafka" in thread.name]


@pytest.mark.slow
def test_who_reads_files_does_not_wait_for_a_client_of_kafka() -> None:
    """Loading one takes a good part of what a small replay does."""
    commands = ", ".join(
        f"stream.commands.{name}" for name in ("replay", "train", "score", "backtest", "explain", "evaluate")
    )
    code = f"import sys, {commands}; print('kafka' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_password_file_that_is_no_text_is_said_so(tmp_path: Path) -> None:
    """By the setting that named it."""
    file = tmp_path / "secret"
    file.write_bytes(b"\xff\xfe\x00")
    settings = Settings(kafka_username="ann", kafka_password_file=str(file))
    with pytest.raises(SettingsError, match=r"KAFKA_PASSWORD_FILE: .* UTF-8"):
        brokers.password(settings)
