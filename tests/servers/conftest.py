"""Servers that all tests here share: use topics and key prefixes of your own, and leave them running."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.kafka import Kafka
from sandbox.valkey import Valkey

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What lies here is marked `servers`: all items of the run are told, also those of other folders."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.servers)


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
