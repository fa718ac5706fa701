"""One provider's operations, by the provider's own names.

A data file (`models/vocabulary/<provider>.json`) names operations, and patterns for the rest. The first of
exact name, then the patterns in their order, decides; what nothing matches is `unclassified` and counted, so
that the file can be completed.
"""

import re
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from models.attested import Effect
from models.errors import VocabularyError
from models.event import Label, Name, OpClass, SystemKind

WILDCARDS = re.compile(r"[*?\[]")

LOOKED_UP_MAX = 16_384
"""Answers kept; a flood of invented names is answered by the patterns, and costs no memory."""


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one operation means."""

    op_class: OpClass
    system_kind: SystemKind | None = None
    """Where it differs from the file's."""
    target_kind: Label = ""
    target: Annotated[tuple[Name, ...], Meta(max_length=8)] = ()
    """Where the target's name stands in the record: dotted paths below what the provider calls its
    parameters, tried in order."""
    effects: Annotated[tuple[Effect, ...], Meta(max_length=8)] = ()
    why: Label = ""
    """For what is not plain from the name."""
    source_level: Label = ""
    """What the first of the file's sources says of it, where this entry says otherwise."""


class Pattern(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries for all names that match, `*` and `?` as in a shell; case counts."""

    match: Name | Annotated[tuple[Name, ...], Meta(min_length=1, max_length=64)]
    """One or several."""
    entry: Entry

    @property
    def matches(self) -> tuple[str, ...]:
        """All of them."""
        return (self.match,) if isinstance(self.match, str) else self.match


class Content(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vocabulary file."""

    provider: Name
    version: Name
    """The day on which it was last checked against the provider's documentation."""
    sources: tuple[str, ...]
    """Titles of the documents that it was written from."""
    system: Label
    system_kind: SystemKind
    operations: dict[Name, Entry]
    patterns: tuple[Pattern, ...] = ()


UNKNOWN = Entry(op_class=OpClass.UNCLASSIFIED)


class Vocabulary:
    """One provider's file, ready to look things up."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self._known: dict[str, Entry] = dict(content.operations)
        self._patterns = tuple(
            (_head(match), match, pattern.entry) for pattern in content.patterns for match in pattern.matches
        )

    def look_up(self, operation: str) -> Entry:
        """What the operation means; `UNKNOWN` where nothing in the file matches."""
        entry = self._known.get(operation)
        if entry is None:
            entry = self._matched(operation)
            if len(self._known) < LOOKED_UP_MAX + len(self.content.operations):
                self._known[operation] = entry
        return entry

    def _matched(self, operation: str) -> Entry:
        for head, match, entry in self._patterns:
            if operation.startswith(head) and matches(operation, match):
                return entry
        return UNKNOWN


def matches(operation: str, pattern: str) -> bool:
    """Whether an operation has the shape of a pattern."""
    return fnmatchcase(operation, pattern)


def _head(match: str) -> str:
    """What stands before the first wildcard: a cheap test that most patterns fail."""
    return WILDCARDS.split(match, maxsplit=1)[0]


def read_vocabulary(content: bytes, name: str) -> Vocabulary:
    """A file's bytes as a vocabulary. Raises `VocabularyError` with the path of the field that is wrong."""
    try:
        return Vocabulary(msgspec.json.decode(content, type=Content))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise VocabularyError(f"vocabulary {name}: {error}") from error
