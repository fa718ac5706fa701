"""The JSON Schema of events, and the tables of the reference pages: generated from the types, so they agree.

What a field means is the docstring that stands below it; `make schema` writes what follows from it.
"""

import ast
import inspect
import json
import re
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from detectors.policy import ChainOverride, Level, Policy
from models import attested
from models import event as events
from models.errors import Unreadable
from models.event import AnyEvent
from stream.reference.coverage import COVERAGE_PAGE, coverage_page
from stream.reference.vocabulary_pages import write_pages

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = "chainbrake event, version 1"
SCHEMA_PAGE = "event.schema.json"
PAGES = ("event.md", "policy.md")
WORDS: dict[str, tuple[str, type[StrEnum]]] = {
    "Effect": ("effect", attested.Effect),
    "Fact": ("key", attested.Fact),
    "Registered": ("what", attested.Registered),
}
"""Tables of words that events use."""
WORD_OF_SEVERAL = re.compile(r"\^\(([\w|]+)\)\$")
"""A pattern that is a choice."""
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def event_schema() -> str:
    """JSON Schema 2020-12 of the data of an event, as the worker reads it; unknown fields are ignored."""
    schema = msgspec.json.schema(AnyEvent)
    for name, definition in schema["$defs"].items():
        kind = getattr(events, name)
        for field, property_ in definition.get("properties", {}).items():
            if field in meanings(kind):
                property_["description"] = meanings(kind)[field]
    whole = {
        "$schema": DIALECT,
        "title": TITLE,
        "description": (events.__doc__ or "").partition("\n")[0],
        **schema,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def refreshed(page: str) -> str:
    """A page with every `<!-- table: Name -->` … `<!-- end -->` filled anew."""
    return MARKED.sub(lambda found: found[1] + "\n".join(_table(found[2])) + "\n" + found[3], page)


def write(docs: Path) -> None:
    """Bring the generated files and tables of a folder up to date."""
    (docs / SCHEMA_PAGE).write_text(event_schema())
    for name in PAGES:
        (docs / name).write_text(refreshed((docs / name).read_text()))
    (docs / COVERAGE_PAGE).write_text(coverage_page())
    write_pages(docs)


@cache
def meanings(kind: type) -> dict[str, str]:
    """Field or member: the docstring below it, the class's own before its parents'."""
    found: dict[str, str] = {}
    for each in kind.__mro__:
        if each in (Struct, StrEnum, object) or not each.__module__.startswith(("models.", "detectors.")):
            continue
        (definition,) = ast.parse(inspect.getsource(each)).body
        assert isinstance(definition, ast.ClassDef)
        for statement, following in zip(definition.body, definition.body[1:], strict=False):
            match statement, following:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found.setdefault(name, " ".join(text.split()))
    return found


def _table(name: str) -> Iterator[str]:
    if name == Policy.__name__:
        yield from ("| key | value | default | meaning |", "|---|---|---|---|")
        yield from _keys("", Policy)
    elif name == Level.__name__:
        yield from ("| key | value | default | meaning |", "|---|---|---|---|")
        yield from _rows("", Level)
    elif name == ChainOverride.__name__:
        yield from ("| key | value | default | meaning |", "|---|---|---|---|")
        yield from _rows("", ChainOverride)
    elif name == Unreadable.__name__:
        yield from _members("reason", Unreadable)
    elif name in WORDS:
        yield from _members(*WORDS[name])
    else:
        yield from ("| field | value | default | meaning |", "|---|---|---|---|")
        yield from _rows("", getattr(events, name))


def _members(heading: str, words: type[StrEnum]) -> Iterator[str]:
    yield from (f"| {heading} | meaning |", "|---|---|")
    yield from (f"| `{word}` | {meanings(words)[word.name]} |" for word in words)


def _rows(prefix: str, kind: type[Struct]) -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        if not isinstance(field.default, Struct):
            default = "required" if field.required else f"`{json.dumps(_default(field))}`"
            says = meanings(kind).get(field.name, "")
            says = says or ("Off: it is not asked." if field.name == "enabled" else "")
            assert says, f"{kind.__name__}.{field.name} has no docstring"
            yield f"| `{prefix}{field.name}` | {_values(field.type)} | {_short(default)} | {says} |"


def _default(field: msgspec.structs.FieldInfo) -> Any:
    made = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return msgspec.to_builtins(made)


def _keys(prefix: str, kind: type[Struct]) -> Iterator[str]:
    """The keys of a settings group, then those of the groups in it."""
    yield from _rows(prefix, kind)
    for field in msgspec.structs.fields(kind):
        if isinstance(field.default, Struct):
            yield from _keys(f"{prefix}{field.name}.", type(field.default))


def _short(default: str) -> str:
    return default if "risk_min" not in default else "three, see below"


def _values(kind: Any) -> str:
    schema = msgspec.json.schema(kind)
    return in_words(schema, schema.get("$defs", {}))


def in_words(schema: dict[str, Any], known: dict[str, Any]) -> str:
    """What one property of a schema may be."""
    match schema:
        case {"$ref": str(reference)}:
            name = reference.rpartition("/")[2]
            words = in_words(known[name], known) if "enum" in known[name] else name
        case {"enum": list(values)}:
            words = "one of " + ", ".join(f"`{value}`" for value in values)
        case {"anyOf": list(either)}:
            words = " or ".join(in_words(each, known) for each in either)
        case {"type": "string", "pattern": str(pattern)}:
            choice = WORD_OF_SEVERAL.fullmatch(pattern)
            words = f"one of {choice[1].replace('|', ', ')}" if choice else f"text like {pattern}"
        case {"type": "string"}:
            least, most = schema.get("minLength", 0), schema.get("maxLength")
            words = "text" if most is None else f"text, {least} to {most} characters"
        case {"type": "array"}:
            most = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
            words = f"list{most}: {in_words(schema['items'], known)}"
        case {"type": "object"}:
            values = schema["additionalProperties"]
            what = values["$ref"].rpartition("/")[2] if "$ref" in values else "texts"
            words = f"{what} by key, at most {schema['maxProperties']}"
        case {"type": "boolean"}:
            words = "true or false"
        case _:
            words = " ".join((str(schema["type"]), *_bounds(schema)))
    return words


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    named = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    yield from (
        f"{word} {schema[name]:,}".replace(",", " ") for name, word in named.items() if name in schema
    )
