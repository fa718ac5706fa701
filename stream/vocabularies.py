"""The vocabulary files that come with the program."""

from functools import cache
from importlib.resources import files

from models.vocabulary.vocabulary import Vocabulary, read_vocabulary


@cache
def load_vocabulary(provider: str) -> Vocabulary:
    """The vocabulary of one provider, such as `aws`. Raises `VocabularyError` if its file is not right."""
    return read_vocabulary(files("models.vocabulary").joinpath(f"{provider}.json").read_bytes(), provider)


def providers() -> tuple[str, ...]:
    """Every provider that has a file, in the order of the alphabet."""
    names = (item.name for item in files("models.vocabulary").iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))
