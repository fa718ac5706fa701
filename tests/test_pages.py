"""The pages for people lead somewhere: links, files of the code, commands and their options."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from stream.cli import app

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
