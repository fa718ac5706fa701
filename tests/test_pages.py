"""The pages for people lead somewhere: links, files of the code, commands and their options."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer.main

from detectors.chains import fields
from detectors.decision import DISPOSITION, SELF_DISPOSITION, SELF_RELEASE
from models import event, registry
from models.baselines.baseline import Header
from models.caep import to_caep
from models.command import Action, Command
from stream.commands.program import app
from stream.evaluation import evaluation
from stream.sigma import mapping

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(
    r"`((?:benchmarks|demo|detectors|docs|grafana|models|sandbox|stream|tests|tools)/[\w./-]+)`"
)
EVERYWHERE = frozenset({"--help", "--version"})


def prose(page: Path) -> str:
    """Without what stands there as code of its own lines."""
    return re.sub(r"(?s)```.*?```", "", page.read_text())


def anchors(page: Path) -> set[str]:
    """A heading in small letters, blanks as dashes, without what is no word."""
    headings = re.findall(r"(?m)^#+ (.+)$", prose(page))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(command: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of the command line, by its words."""
    yield name, command
    for word, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*name, word))


def options(command: Any) -> set[str]:
    """How they are spelt."""
    return {word for option in command.params for word in (*option.opts, *option.secondary_opts)}


KNOWN = {name: options(command) for name, command in commands(typer.main.get_command(app))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """To a page that is there, and to a heading of it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        to = page.parent / path if path else page
        assert to.exists(), target
        assert not anchor or anchor in anchors(to), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_are_there(page: Path) -> None:
    """Whoever wants to change something starts there."""
    if page.name != "CHANGELOG.md":  # tells what was, too
        assert [named for named in CODE.findall(prose(page)) if not (ROOT / named).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_have_the_options_that_are_shown(page: Path) -> None:
    """Whoever copies a line gets what it says, and no usage message."""
    for line in re.findall(r"chainbrake ([a-z][^`\n#|]*)", page.read_text()):
        words = line.split()
        name = tuple(words[:2]) if tuple(words[:2]) in KNOWN else tuple(words[:1])
        if name in KNOWN:
            assert set(re.findall(r"(?<=[ \[])--[a-z-]+", line)) - KNOWN[name] <= EVERYWHERE, line


def first_cells(page: str, heading: str) -> set[str]:
    """What the first column of the table under a heading names."""
    section = (ROOT / "docs" / page).read_text().partition(f"| {heading} |")[2].partition("\n\n")[0]
    cells = [row.split("|")[1] for row in section.splitlines()[2:]]
    return {name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)}


def records(module: Any) -> Iterator[str]:
    """The fields of all records of a module."""
    for kind in vars(module).values():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__:
            yield from kind.__struct_fields__


NAMES = {
    "registry.md": set(records(registry)),
    "artifact.md": set(Header.__struct_fields__),
    "evaluating.md": set(records(evaluation)),
    "sigma.md": {
        *fields.PLAIN,
        *mapping.ALIASES,
        *fields.FACT_KINDS,
        *(name for each in mapping.NATIVE.values() for name in each),
    },
}


@pytest.mark.parametrize("page", NAMES)
def test_a_page_names_every_field_of_its_records(page: str) -> None:
    """What it does not name nobody sets, reads or compares."""
    text = (ROOT / "docs" / page).read_text()
    assert {name for name in NAMES[page] if not re.search(rf"\b{re.escape(name)}\b", text)} == set()


def test_the_event_page_lists_every_kind() -> None:
    """A producer looks there first."""
    kinds = {kind.__struct_config__.tag for kind in event.Event.__subclasses__()}
    assert first_cells("event.md", "kind | says") == kinds


def test_the_hooks_page_tells_all_of_a_command() -> None:
    """It is all that a hook in another language needs."""
    text = (ROOT / "docs" / "hooks.md").read_text()
    least = Command(
        id="c", action=Action.STEP_UP, session="s", workflow="w", agent="a", at_ms=1, seen_ms=1,
        expires_ms=2, event_id="e", event_source="test", risk=0.5, reason="a test",
    )  # fmt: skip
    ((told,),) = (event.values() for event in [to_caep(least, "https://issuer.example")["events"]])
    sent = msgspec.json.decode(msgspec.json.encode(told["chainbrake"]))
    always = text.partition("\nWhat has nothing to say is left out: only ")[2].partition(" are always there")[
        0
    ]
    assert {*re.findall(r"`(\w+)`", always)} - {"_ms"} | {"at_ms", "seen_ms", "expires_ms"} == set(sent)
    assert first_cells("hooks.md", "field | what it says") == {*Command.__struct_fields__, "scope"}
    assert first_cells("hooks.md", "action | asks for") == {*Action} - {Action.OBSERVE}


def test_findings_that_no_detector_makes_have_their_row() -> None:
    """Whoever meets one on the dashboard looks it up."""
    known = {SELF_RELEASE, DISPOSITION, SELF_DISPOSITION, "stop_unacknowledged", "principal_surge"}
    assert first_cells("findings.md", "finding | says | where") == known
