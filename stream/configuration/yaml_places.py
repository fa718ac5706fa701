"""YAML documents with the line and column of everything in them, so that an error can say where it is."""

from collections.abc import Iterator
from typing import Any

import yaml
from msgspec import Struct

from models.errors import RuleError

FILE_BYTES_MAX = 1_048_576
NODES_MAX = 20_000
DEPTH_MAX = 24
NOTHING = "tag:yaml.org,2002:null"

Place = tuple[str | int, ...]


class Document(Struct, frozen=True):
    """One document of a file."""

    path: str
    content: Any
    """As plain data."""
    places: dict[Place, tuple[int, int]]
    """Key or index, from the outside in: line and column, from 1 on."""

    def at(self, place: Place) -> Any:
        """What stands there; None where nothing does."""
        found = self.content
        for part in place:
            inside = isinstance(found, dict) and part in found
            inside = inside or (isinstance(found, list) and isinstance(part, int) and part < len(found))
            if not inside:
                return None
            found = found[part]
        return found

    def fault(self, place: Place, message: str) -> str:
        """The message, with the file, line and column of the nearest thing that is there."""
        known = place
        while known not in self.places and known:
            known = known[:-1]
        line, column = self.places[known]
        where = ".".join(str(part) for part in place)
        return f"{self.path}:{line}:{column}: {where + ': ' if where else ''}{message}"


def documents(path: str, content: bytes) -> Iterator[Document]:
    """Every document of a file that is not empty. Raises `RuleError` for what is no YAML, or too much."""
    if len(content) > FILE_BYTES_MAX:
        raise RuleError(f"{path}: {len(content)} bytes; valid are up to {FILE_BYTES_MAX}")
    try:
        for node in yaml.compose_all(content, Loader=yaml.SafeLoader):
            if node.tag != NOTHING:
                places = dict(_walk(node, (), [0], path))
                yield Document(path, _plain(node), places)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise RuleError(f"{path}{where}: no YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        before = content[: error.position]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        raise RuleError(f"{path}:{line}:{column}: no YAML: {error.reason}; valid is UTF-8") from error
    except (
        yaml.YAMLError,
        UnicodeDecodeError,
        ValueError,
        RecursionError,
    ) as error:
        raise RuleError(f"{path}: no YAML: {error}") from error  # such as 2001-13-45, read as a date


def twice(content: bytes) -> str:
    """Where a key stands there for the second time, which YAML forbids and its readers take in silence.

    Empty for nowhere, and for what is no YAML: that is for the reader to say.
    """
    try:
        nodes = list(yaml.compose_all(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        return ""
    seen: set[int] = set()
    while nodes:
        node = nodes.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            known: set[str] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in known:
                    at = key.start_mark
                    return f"{at.line + 1}:{at.column + 1}: {key.value} stands there twice; only one is valid"
                known.add(getattr(key, "value", ""))
                nodes.append(value)
    return ""


def _plain(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _walk(
    node: yaml.Node, place: Place, seen: list[int], path: str
) -> Iterator[tuple[Place, tuple[int, int]]]:
    """Aliases are walked wherever they stand, so the number of nodes is limited, not the text."""
    seen[0] += 1
    mark = node.start_mark
    if seen[0] > NODES_MAX or len(place) > DEPTH_MAX:
        raise RuleError(f"{path}:{mark.line + 1}:{mark.column + 1}: too many or too deep")
    if place == () or isinstance(place[-1], int):
        yield place, (mark.line + 1, mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        known: set[str] = set()
        for key, value in node.value:
            at = (key.start_mark.line + 1, key.start_mark.column + 1)
            if not isinstance(key, yaml.ScalarNode):
                raise RuleError(f"{path}:{at[0]}:{at[1]}: a key is a list or a mapping; valid is a text")
            if key.value in known:
                raise RuleError(f"{path}:{at[0]}:{at[1]}: {key.value} stands there twice; only one is valid")
            known.add(key.value)
            yield (*place, key.value), at
            yield from _walk(value, (*place, key.value), seen, path)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _walk(value, (*place, number), seen, path)
