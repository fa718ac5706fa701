"""Where a policy or a registry is wrong, and what would be valid there: looked for once it was refused."""

import re
from typing import Any

import msgspec

from models.errors import RuleError
from models.spelling import meant
from stream.configuration.yaml_places import Document, Place, documents

AT_THE_END = re.compile(r" - at `(?:key in )?\$(\S*)`$")
"""As msgspec says it."""
AT_FIRST = re.compile(r"^\$?([\w.\[\]]+): ")
"""As we say it."""
UNKNOWN_KEY = re.compile(r"unknown field `(.+?)`")
MISSING_KEY = re.compile(r"missing required field `(.+?)`")
NOT_LIKE = re.compile(r"Expected `str` matching regex .*")
PLAIN_WORDS = {
    "`object`": "keys and values",
    "`array`": "a list",
    "`str`": "a text",
    "`str | array`": "texts",
    "`int`": "a whole number",
    "`float`": "a number",
    "`int | float`": "a number",
    "`bool`": "true or false",
    "`null`": "nothing",
    "`date`": "a date",
}


def located(path: str, content: bytes, said: str, kind: type) -> str:
    """What was said of the content of a file, with the line and column that it is about.

    What has no place, such as a second document, is said as it was.
    """
    try:
        found = list(documents(path, content))
    except RuleError as error:
        return str(error) if ": no YAML: " in str(error) else f"{path}: {said}"
    if len(found) != 1:
        return f"{path}: {said}"
    (document,) = found
    schema = msgspec.json.schema(kind)
    if AT_THE_END.search(said) is None and not UNKNOWN_KEY.search(said):
        return _own(document, said, schema)
    place, said = _followed(document, said, kind)
    if unknown := UNKNOWN_KEY.search(said):
        keys = sorted(_at(schema, place, schema).get("properties", ()))
        return document.fault((*place, unknown.group(1)), unknown_key(unknown.group(1), keys))
    if missing := MISSING_KEY.search(said):
        return document.fault(place, f"{missing.group(1)} is missing")
    return document.fault(place, f"{plainly(said)}{_valid(schema, place)}")


def told_of(said: str, kind: type) -> tuple[str, str]:
    """The field of a record that msgspec speaks of, and in plain words what is wrong with it and valid."""
    place, said = parted(said)
    return str(place[0]), f"{plainly(said)}{_valid(msgspec.json.schema(kind), place)}"


def parted(said: str) -> tuple[Place, str]:
    """What msgspec says of a value: where that is, and what is wrong with it."""
    ended = AT_THE_END.search(said)
    return (_place(ended.group(1)), said[: ended.start()]) if ended else ((), said)


def _followed(document: Document, message: str, kind: type) -> tuple[Place, str]:
    """The same, on into pairs: msgspec does not say which of them is wrong, so each is tried by itself."""
    place, said = parted(message)
    _, unnamed, behind = message.partition("[...]")
    pairs = document.at(place)
    if not unnamed or not isinstance(pairs, dict):
        return place, said
    for key, value in pairs.items():
        alone: Any = {key: value}
        for part in reversed(place):
            alone = {part: alone}
        try:
            msgspec.convert(alone, kind)
        except msgspec.ValidationError as error:
            if str(error) == message:
                return (*place, key, *_place(behind.rstrip("`"))), said
    return place, said


def _place(path: str) -> Place:
    """Of `.steps[0].within`; what msgspec does not name ends it."""
    place: list[str | int] = []
    for name, index in re.findall(r"(?:^|\.)(\w+)|\[(\d+|\.\.\.)\]", path):
        if index == "...":
            break
        place.append(int(index) if index else name)
    return tuple(place)


def unknown_key(key: str, keys: list[str]) -> str:
    """What to say of a key that there is not."""
    return f"no such key; {meant(key, keys)}valid are {', '.join(keys)}"


def plainly(said: str) -> str:
    """What msgspec says of a value, in the words of whoever wrote it."""
    if NOT_LIKE.fullmatch(said):
        return "it is not one"
    said = said.replace(" | null`", "`")  # whoever gave it a value did not mean none
    for word, plain in PLAIN_WORDS.items():
        said = said.replace(f"Expected {word}", f"expected {plain}").replace(f"got {word}", f"it is {plain}")
    return said


def _own(document: Document, said: str, schema: dict[str, Any]) -> str:
    """What the record itself minds: it begins with the key that it is about, and says what is valid."""
    begun = AT_FIRST.search(said)
    place = _place(begun.group(1)) if begun else ()
    if begun and _at(schema, place[:1], schema):
        return document.fault(place, said[begun.end() :])
    return document.fault((), f"{plainly(said)}{_valid(schema, ())}")


def _valid(schema: dict[str, Any], place: Place) -> str:
    from stream.reference.schema import in_words  # noqa: PLC0415 - only whoever makes a mistake needs it

    here = _at(schema, place, schema)
    if here.get("properties"):
        return f"; valid are the keys {', '.join(sorted(here['properties']))}"
    if here.get("type") == "array":
        least, most = here.get("minItems", 0), here.get("maxItems")
        return f"; valid is a list of {least}{f' to {most}' if most else ' or more'}"
    words = in_words(here, schema.get("$defs", {})) if here and here.get("type") != "object" else ""
    return f"; valid is {words}" if words else ""


def _at(schema: dict[str, Any], place: Place, whole: dict[str, Any]) -> dict[str, Any]:
    """The part of a schema that speaks of a place; nothing where there is none."""
    while "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rpartition("/")[2]]
    if not place:
        return schema
    for each in schema.get("anyOf", ()):
        if found := _at(each, place, whole):
            return found
    first, rest = place[0], place[1:]
    inside = schema.get("items") if isinstance(first, int) else schema.get("properties", {}).get(first)
    inside = inside or schema.get("additionalProperties") or {}
    return _at(inside, rest, whole) if inside else {}
