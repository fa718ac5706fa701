"""Servers that all tests share: use topics and key prefixes of your own, and leave them running."""

from collections.abc import Iterator

import pytest

from sandbox.kafka import Kafka
from sandbox.valkey import Valkey


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """One broker for the whole run."""
    with Kafka() as broker:
        yield broker


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """One durable store for the whole run."""
    with Valkey() as store:
        yield store
