"""What is wrong with a vocabulary file, beyond what its schema refuses: the eyes of `chainbrake check`."""

import re
from collections.abc import Iterator

from models.attested import Effect
from models.event import READS, OpClass
from models.vocabulary.vocabulary import WILDCARDS, Content, Entry, matches

LITERAL_MIN = 3
"""Characters of a pattern that are no wildcard: fewer would sweep up what nobody has looked at."""
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
STAND_INS = ("", "\0\0")
"""What a wildcard of one pattern is replaced by to see whether another matches all that it matches."""

HARMLESS = frozenset({Effect.WIDE, Effect.UNTRUSTED})
ALLOWED: dict[OpClass, frozenset[Effect]] = {
    **dict.fromkeys(READS - {OpClass.SECRET_READ}, HARMLESS),
    OpClass.SECRET_READ: HARMLESS | {Effect.SECRET_VALUE, Effect.MINTS, Effect.LONG_LIVED, Effect.ADMIN},
    OpClass.EXCHANGE: HARMLESS | {Effect.OUTBOUND, Effect.EXPOSES},
    OpClass.OTHER: HARMLESS
    | {Effect.MINTS, Effect.LONG_LIVED, Effect.REMOVES, Effect.OUTBOUND, Effect.CREATES},
    OpClass.CREDENTIAL_MINT: frozenset(Effect) - {Effect.UNTRUSTED},
}
"""Effects that a class can have. A secret may be minted as it is read; every other class is a change."""
OF_CHANGES = frozenset(Effect) - {Effect.UNTRUSTED, Effect.SECRET_VALUE}
ADDS = frozenset({Effect.EXPANDS, Effect.TRUST_PATH, Effect.MINTS})


def faults(content: Content) -> Iterator[str]:
    """One sentence per fault, with the operation or pattern that has it."""
    if not DATE.fullmatch(content.version):
        yield f"version {content.version!r} is no date such as 2026-01-31"
    if not any(source.strip() for source in content.sources):
        yield "sources are empty: say what it was written from"
    yield from _of_names(content)
    for name, entry in content.operations.items():
        yield from (f"{name}: {fault}" for fault in _of_entry(entry))
    for pattern in content.patterns:
        yield from (f"{pattern.matches[0]}: {fault}" for fault in _of_entry(pattern.entry))
    yield from _of_patterns(content)


def _of_names(content: Content) -> Iterator[str]:
    by_letters: dict[str, str] = {}
    for name, entry in content.operations.items():
        if WILDCARDS.search(name):
            yield f"{name}: a wildcard in a name matches nothing; make it a pattern"
        before = by_letters.setdefault(name.casefold(), name)
        other = content.operations[before]
        if (other.op_class, set(other.effects)) != (entry.op_class, set(entry.effects)):
            yield f"{name}: {before} differs in nothing but capitals, and means something else"


def _of_entry(entry: Entry) -> Iterator[str]:
    if entry.op_class is OpClass.UNCLASSIFIED:
        yield "unclassified is for what is not in the file"
        return
    effects = frozenset(entry.effects)
    if len(effects) < len(entry.effects):
        yield "an effect stands there twice"
    for effect in sorted(effects - ALLOWED.get(entry.op_class, OF_CHANGES)):
        yield f"{entry.op_class} does not go with the effect {effect}"
    if Effect.REMOVES in effects and effects & ADDS:
        yield f"it cannot only take away and have the effect {min(effects & ADDS)}"
    if Effect.LONG_LIVED in effects and Effect.MINTS not in effects:
        yield "long_lived says something of what is minted, and nothing is"
    if entry.source_level and not entry.why:
        yield f"it differs from its source, which says {entry.source_level}: why?"
    if any("" in path.split(".") for path in entry.target):
        yield f"a path to its target has an empty step: {entry.target}"


def _of_patterns(content: Content) -> Iterator[str]:
    earlier: dict[str, list[str]] = {}
    """By what stands before the first wildcard."""
    for pattern in content.patterns:
        for match in pattern.matches:
            if len(WILDCARDS.sub("", match)) < LITERAL_MIN:
                yield f"{match}: it sweeps up operations that nobody has looked at"
            heads = (match[:length] for length in range(len(match) + 1))
            before = (other for head in heads for other in earlier.get(head, ()))
            winner = next((other for other in before if _covers(other, match)), "")
            if winner:
                yield f"{match}: it never decides, for {winner} stands before it"
            if match in content.operations:
                yield f"{match}: it never decides, for an operation has that name"
            earlier.setdefault(WILDCARDS.split(match, maxsplit=1)[0], []).append(match)


def _covers(pattern: str, other: str) -> bool:
    """Whether a pattern matches whatever another one matches; classes of characters are taken as they are."""
    return all(matches(WILDCARDS.sub(stand_in, other), pattern) for stand_in in STAND_INS)
