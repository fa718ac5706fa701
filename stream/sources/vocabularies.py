"""The vocabulary files that come with the program."""

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from models.errors import VocabularyError
from models.vocabulary.lint import faults
from models.vocabulary.vocabulary import Vocabulary, read_vocabulary

FAULTS_SHOWN_MAX = 20


@cache
def load_vocabulary(provider: str) -> Vocabulary:
    """The vocabulary of one provider, such as `aws`. Raises `VocabularyError` if its file is not right."""
    return read_vocabulary(files("models.vocabulary").joinpath(f"{provider}.json").read_bytes(), provider)


def providers() -> tuple[str, ...]:
    """Every provider that has a file, in the order of the alphabet."""
    names = (item.name for item in files("models.vocabulary").iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))


def check_vocabulary(provider: str) -> Vocabulary:
    """The vocabulary of one provider, looked through. Raises `VocabularyError` that lists what is wrong."""
    content = files("models.vocabulary").joinpath(f"{provider}.json").read_bytes()
    found = [*_twice(content), *_faults(content, provider)]
    if found:
        shown = "\n  ".join(found[:FAULTS_SHOWN_MAX])
        raise VocabularyError(f"vocabulary {provider} has {len(found)} faults:\n  {shown}")
    return load_vocabulary(provider)


def _faults(content: bytes, provider: str) -> Iterator[str]:
    vocabulary = read_vocabulary(content, provider)
    if vocabulary.content.provider != provider:
        yield f"its provider is {vocabulary.content.provider!r}, and its name is {provider}.json"
    yield from faults(vocabulary.content)


def _twice(content: bytes) -> list[str]:
    """Names that stand there twice: only the last would count, and nobody would see."""
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        found.extend(
            f"{name}: it stands there twice" for name in dict.fromkeys(names) if names.count(name) > 1
        )
        return dict(pairs)

    try:
        json.loads(content, object_pairs_hook=look)
    except ValueError:
        return []  # what is no JSON is refused by the reader, with the place
    return found
