"""The pages of `docs/vocabulary/`: what each provider's operations mean, generated from the files."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from models.event import OpClass
from models.vocabulary.vocabulary import Content, Entry
from stream.sources.vocabularies import load_vocabulary, providers

FOLDER = "vocabulary"
INDEX = "README.md"
ORDINARY = OpClass.OTHER

HOW_TO = """\
# Vocabularies

What an operation means for identity is data: one file per provider, `models/vocabulary/<provider>.json`. The
pages here are generated from the files (`make schema`), and a test holds them to it.

{table}

## How a name is looked up

The operation's exact name decides; else the first pattern that matches (`*` and `?` as in a shell, capitals
count). What nothing matches is `unclassified`: it is judged by `unusual_transition` alone, and it is counted,
so that the file can be completed. `chainbrake check` looks through every file and says what is wrong with it.

## How to add a name

1. Look the operation up in the provider's own documentation: what does it leave behind, and where does its
   record say on what?
2. Add it to `operations`, or a pattern to `patterns` if a whole family means the same. A pattern that sweeps
   up what nobody has looked at is refused. For AWS, add a line to `tools/aws_reviewed.txt` and run
   `python -m tools.aws_vocabulary`, which says what it needs.
3. Give it a class (the letters of [events](../event.md)), the kind of its target and where the target's name
   stands below the parameters, and its effects. A change that only takes away has the effect `removes` and
   none that adds. Say `why` where the name does not.
4. Set `version` to the day on which you looked.
5. `chainbrake check`, `make schema`, and a test for what the name has taught.

| field of an entry | meaning |
|---|---|
| `op_class` | one of the classes of events; never `unclassified` |
| `system_kind` | the kind of system, where it is not that of the file |
| `target_kind` | what kind of thing the target is |
| `target` | dotted paths below what the provider calls its parameters, tried in order |
| `effects` | what it leaves behind whatever its parameters say; a normaliser adds what they say |
| `why` | for what is not plain from the name |
| `source_level` | what the first of the file's sources says of it, where the entry says otherwise |
"""


def pages() -> dict[str, str]:
    """Every page by its file name."""
    contents = [load_vocabulary(provider).content for provider in providers()]
    made = {f"{content.provider}.md": "\n".join(_page(content)) + "\n" for content in contents}
    made[INDEX] = HOW_TO.format(table="\n".join(_index(contents)))
    return made


def write_pages(docs: Path) -> None:
    """Bring the folder up to date; pages of providers that are gone go as well."""
    folder = docs / FOLDER
    folder.mkdir(exist_ok=True)
    made = pages()
    for old in folder.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, page in made.items():
        (folder / name).write_text(page)


def _index(contents: Iterable[Content]) -> Iterator[str]:
    yield from ("| provider | checked | operations by name | patterns |", "|---|---|---|---|")
    for content in contents:
        patterns = sum(len(pattern.matches) for pattern in content.patterns)
        name = content.provider
        yield f"| [{name}]({name}.md) | {content.version} | {len(content.operations)} | {patterns} |"


def _page(content: Content) -> Iterator[str]:
    yield f"# Vocabulary: {content.provider}"
    yield ""
    yield f"Checked on {content.version}. Written from:"
    yield ""
    yield from (f"- {source}" for source in content.sources)
    named = content.operations.items()
    for op_class in OpClass:
        rows = sorted((name, entry) for name, entry in named if entry.op_class is op_class and _tells(entry))
        if rows:
            yield from (
                "",
                f"## {op_class}",
                "",
                "| operation | target | effects | why |",
                "|---|---|---|---|",
            )
            yield from (_row(name, entry) for name, entry in rows)
    plain = sorted(name for name, entry in named if not _tells(entry))
    if plain:
        yield from ("", "## Known, and nothing about identity", "")
        yield from _listed(plain)
    yield from _patterns(content)


def _tells(entry: Entry) -> bool:
    return entry.op_class is not ORDINARY or bool(entry.effects or entry.why)


def _row(name: str, entry: Entry) -> str:
    effects = ", ".join(f"`{effect}`" for effect in entry.effects)
    why = f"{entry.why} (source: {entry.source_level})" if entry.source_level else entry.why
    return f"| {_code(name)} | {entry.target_kind} | {effects} | {why} |"


def _patterns(content: Content) -> Iterator[str]:
    if not content.patterns:
        return
    yield from ("", "## Patterns", "", "In their order; the first that matches decides.", "")
    yield from ("| pattern | class | target | effects | why |", "|---|---|---|---|---|")
    for pattern in content.patterns:
        entry = pattern.entry
        effects = ", ".join(f"`{effect}`" for effect in entry.effects)
        names = " ".join(map(_code, pattern.matches))
        yield f"| {names} | `{entry.op_class}` | {entry.target_kind} | {effects} | {entry.why} |"


def _code(name: str) -> str:
    return f"`{name}`".replace("|", "\\|")


def _listed(names: list[str]) -> Iterator[str]:
    """By what stands before the colon, a line each."""
    services: dict[str, list[str]] = {}
    for name in names:
        service, colon, action = name.partition(":")
        services.setdefault(service if colon else "", []).append(action if colon else name)
    for service, actions in services.items():
        said = ", ".join(map(_code, actions))
        yield f"- {_code(service)}: {said}" if service else f"- {said}"
