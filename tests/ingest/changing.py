"""Records as bytes, and every place in one that may be changed."""

import json
from collections.abc import Iterator
from typing import Any


def encoded(record: Any) -> bytes:
    """A record as its bytes."""
    return json.dumps(record).encode()


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a record where something stands: what holds it, and under which key or number."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])
