"""Servers that all tests here share: use topics and key prefixes of your own, and leave them running."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.kafka import Kafka
from sandbox.valkey import Valkey

HERE = Path(__file__).parent
LONG = ("test_faults", "test_models", "test_worker", "test_guarded", "test_hook", "test_promoting")
"""Minutes each: begun last, one of them would be waited for alone."""

UNCONNECTED = pytest.mark.filterwarnings("ignore:unclosed <socket.*proto=6:ResourceWarning")
"""kafka-python (3.0.12, `net/inet.py`) leaves a socket whose connection fails or is cut off to the collector,
which comes in any later test. What is ours runs in processes of its own here."""


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What lies here is marked `servers`, and long files come first; others may be among the items."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.servers)
            item.add_marker(UNCONNECTED)
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


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
