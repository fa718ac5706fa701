"""A Google Cloud operation as far as it is read, and how its messages are looked into."""

import re
from typing import Any

import msgspec
from msgspec import Raw

from models.event import OpClass
from stream.sources.effects import Gathered
from stream.sources.gcp.names import Place
from stream.sources.reading import NESTED_MAX


class Reading(Gathered):
    """An operation as far as it is read; readers add to it."""

    request: Raw
    response: Raw
    metadata: Raw
    service_data: Raw
    principal: str
    place: Place
    op_class: OpClass
    target: str
    target_kind: str


def parsed(raw: Raw) -> dict[str, Any]:
    """A message of the record, or an empty one: what we cannot read says nothing."""
    if not 0 < len(bytes(raw)) <= NESTED_MAX * 2:
        return {}
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def get(message: Any, *path: str) -> Any:
    """A field by its path, in camel case or with underscores; None where it is missing."""
    for key in path:
        if not isinstance(message, dict):
            return None
        found = message.get(key)
        message = message.get(re.sub(r"([A-Z])", r"_\1", key).lower()) if found is None else found
    return message


def text_of(message: Any, *path: str) -> str:
    """The same, where it is text."""
    found = get(message, *path)
    return found if isinstance(found, str) else ""
