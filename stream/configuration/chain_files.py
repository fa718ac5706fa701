"""Chain files: read, checked and compiled; an error says where it is and what would be valid."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from detectors.chains.declaration import (
    COUNT_MAX,
    STEPS_MAX,
    AbsenceDeclaration,
    Declaration,
    StepDeclaration,
    milliseconds,
)
from detectors.chains.faults import RESPONSES, faults, remarks
from detectors.decision import DISPOSITION, INHERITED, SELF_DISPOSITION, SELF_RELEASE
from detectors.policy import ChainOverride, Policy
from detectors.thresholds import DetectorSettings
from models.errors import RuleError
from stream.configuration.yaml_faults import MISSING_KEY, UNKNOWN_KEY, parted, plainly, unknown_key
from stream.configuration.yaml_places import Document, Place, documents

BUILTIN = "detectors.chains.builtin"
TOLD_BESIDE = (
    INHERITED,
    SELF_RELEASE,
    DISPOSITION,
    SELF_DISPOSITION,
    "stop_unacknowledged",
    "principal_surge",
)
"""Findings that no detector of the catalog makes: risk and metrics know them by these names."""
RESERVED = frozenset((*DetectorSettings.__struct_fields__, *TOLD_BESIDE))
FAULTS_SHOWN_MAX = 20

TEXTS = "valid is a text, or a list of texts"
PAIRS = "valid are pairs such as {target: look.target}: a field here, and step.field of an earlier step"
CHAIN = "valid is a chain with name, title, steps and within"
STEP = "valid is a step such as {id: look, class: discovery}"

VALID = {
    "absent": f"valid is a list of at most {STEPS_MAX}, such as [{{class: exchange, after: look}}]",
    "after": "valid is the id of a step, or a list of them",
    "confidence": "valid is a number above 0, up to 1",
    "count": f"valid is a number from 1 to {COUNT_MAX}",
    "differs": PAIRS,
    "enabled": "valid are true and false",
    "facts": "valid are pairs of a fact and its patterns, in quotes if they are numbers: {count: '5'}",
    "grade": "valid are attested, observed, inferred",
    "id": "valid are small letters, digits and _, beginning with a letter",
    "name": "valid are small letters, digits and _, beginning with a letter",
    "order": "valid are listed, any",
    "proven": "valid are true and false",
    "response": f"valid are {', '.join(RESPONSES)}",
    "same": PAIRS,
    "scope": "valid are session, agent, principal, workflow",
    "steps": f"valid is a list of 1 to {STEPS_MAX} steps",
    "tags": "valid is a list of texts, such as [T1098.003, ASI03]",
    "title": "valid is a text of up to 256 characters",
    "vouched": "valid are true and false",
    "within": "valid is a number and a unit: ms, s, m, h or d, such as 90s, 10m or 2h",
}
"""What to say of a value that is of the wrong type or beyond its limits."""

WRITTEN = re.compile(r"Expected `str` matching regex .*|Invalid enum value .*")
SHOWN_MAX = 40


@cache
def builtin_declarations() -> tuple[Declaration, ...]:
    """The chains that come with the program, in the order of their names."""
    folder = files(BUILTIN)
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".yaml"))
    return tuple(
        chain for name in names for chain, _ in declarations(name, folder.joinpath(name).read_bytes())
    )


def builtin_names() -> tuple[str, ...]:
    """Their names, whether the policy has them switched on or not."""
    return tuple(chain.name for chain in builtin_declarations())


def declarations(path: str, content: bytes) -> Iterator[tuple[Declaration, Document]]:
    """Every chain of a file. Raises `RuleError` that lists what is wrong."""
    found_any = False
    for document in documents(path, content):
        found_any = True
        if isinstance(document.content, dict) and {"detection", "correlation"} & set(document.content):
            raise RuleError(document.fault((), "a Sigma rule, and no chain; valid is --sigma for this file"))
        try:
            chain = msgspec.convert(document.content, Declaration)
        except msgspec.ValidationError as error:
            raise RuleError(_explained(document, str(error))) from error
        found = [document.fault(_as_written(place), message) for place, message in faults(chain)]
        if found:
            raise RuleError("\n".join(found[:FAULTS_SHOWN_MAX]))
        yield chain, document
    if not found_any:
        raise RuleError(f"{path}:1:1: nothing in it; {CHAIN}")


def checked(chain: Declaration, document: Document, policy: Policy, taken: set[str]) -> Declaration:
    """The chain, if it fits beside the others. Raises `RuleError`."""
    if chain.name in taken or chain.name in RESERVED:
        raise RuleError(
            document.fault(("name",), f"another detector is called {chain.name}; valid is a new name")
        )
    if milliseconds(chain.within) > policy.memory_ms:
        raise RuleError(
            document.fault(
                ("within",),
                f"{chain.within} is longer than a silent workflow is remembered; valid are up to "
                f"{policy.memory_ms} ms, and more with a longer `idle_ms` in the policy",
            )
        )
    return chain


def remarked(chain: Declaration, document: Document) -> list[str]:
    """What in it does less than it seems to, with its place."""
    return [document.fault(place, message) for place, message in remarks(chain)]


def obeying(chains: Iterable[Declaration], policy: Policy) -> Iterator[Declaration]:
    """The chains that are switched on, as the policy changes them."""
    for chain in chains:
        change = policy.chains.get(chain.name, ChainOverride())
        if change.enabled is False or (change.enabled is None and not chain.enabled):
            continue
        news = {
            "within": f"{change.within_ms}ms" if change.within_ms is not None else None,
            "confidence": change.confidence,
            "response": change.response,
        }
        given = {name: value for name, value in news.items() if value is not None}
        yield msgspec.structs.replace(chain, **given)


def _as_written(place: Place) -> Place:
    return tuple("class" if part == "op_class" else part for part in place)


def _explained(document: Document, message: str) -> str:
    """What msgspec said, with the place and what would be valid there."""
    place, said = parted(message)
    unknown, missing = UNKNOWN_KEY.search(said), MISSING_KEY.search(said)
    if unknown:
        return document.fault((*place, unknown.group(1)), unknown_key(unknown.group(1), _keys(place)))
    if missing:
        return document.fault(place, f"{missing.group(1)} is missing; {_valid((missing.group(1),))}")
    return document.fault(place, f"{_plainly(said, document.at(place))}; {_valid(place)}")


def _plainly(said: str, given: object) -> str:
    """What was said of a value, in the words of whoever wrote it."""
    if WRITTEN.fullmatch(said):
        return f"{str(given)[:SHOWN_MAX]!r} is not one"
    return plainly(said)


def _valid(place: Place) -> str:
    words = [part for part in place if isinstance(part, str)]
    if not words:
        return CHAIN
    if place[:1] == ("steps",) and words == ["steps"] and len(place) > 1:
        return STEP
    around = words[-2] if len(words) > 1 and words[-2] in ("same", "differs", "facts") else ""
    return VALID.get(words[-1]) or VALID.get(around, TEXTS)


def _keys(place: Place) -> list[str]:
    kinds: dict[str, type[Struct]] = {"steps": StepDeclaration, "absent": AbsenceDeclaration}
    kind = kinds.get(str(place[0]), Declaration) if place else Declaration
    return sorted(field.encode_name for field in msgspec.structs.fields(kind))
