"""What an AWS call was about: by the vocabulary's paths, else the record's resources, else its parameters."""

import re
from collections.abc import Sequence
from typing import Any

from stream.sources.aws.names import short

NAMED = re.compile(
    r"(?:^|[a-z0-9])(?:Name|Id|ID|Arn|ARN|Identifier|Url)$|^(?:name|id|arn|key|bucket|resource|username|url)$"
)
NO_TARGETS = re.compile(r"(?i)token|requestId|nextId|marker|client_?request|queryString|keyId$|versionId$")
DEPTH_MAX = 4
SEEN_MAX = 64


def target_of(parameters: dict[str, Any], paths: Sequence[str], resources: Any) -> str:
    """The short name of what was read or changed; nothing where the record does not say."""
    for path in paths:
        if found := _at(parameters, path):
            return short(found)
    for resource in resources if isinstance(resources, list) else ():
        arn = (resource.get("ARN") or resource.get("arn")) if isinstance(resource, dict) else None
        if isinstance(arn, str):
            return short(arn)
    return "" if paths else short(_named(parameters, 0))


def _at(parameters: dict[str, Any], path: str) -> str:
    value: Any = parameters
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, list):
        value = value[0] if value else None
    return value if isinstance(value, str) else ""


def _named(value: Any, depth: int) -> str:
    """The first parameter that is called a name or an id, breadth before depth."""
    if depth > DEPTH_MAX:
        return ""
    if isinstance(value, list):
        return value[0] if value and isinstance(value[0], str) else _named_below(value[:1], depth)
    if not isinstance(value, dict):
        return ""
    items = list(value.items())[:SEEN_MAX]
    for key, item in items:
        if isinstance(item, str) and item and NAMED.search(key) and not NO_TARGETS.search(key):
            return item
    return _named_below([item for _, item in items if isinstance(item, dict | list)], depth)


def _named_below(values: Sequence[Any], depth: int) -> str:
    for value in values:
        if found := _named(value, depth + 1):
            return found
    return ""
