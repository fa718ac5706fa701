"""Records as bytes, and every place in one that may be changed."""

import json
import sys
from collections.abc import Iterator
from typing import Any

from models.errors import Unreadable

TOO_DEEP = Unreadable.INVALID if sys.version_info < (3, 14) else Unreadable.NOT_JSON
"""What a hundred thousand brackets are that nobody closes: later Pythons look on to their end."""


def encoded(record: Any) -> bytes:
    """A record as its bytes."""
    return json.dumps(record).encode()


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a record where something stands: what holds it, and under which key or number."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])
