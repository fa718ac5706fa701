"""Vocabulary files are right, their pages are those of the files, and the linter sees what is wrong."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from models.errors import VocabularyError
from models.event import OpClass
from models.vocabulary.lint import faults
from models.vocabulary.vocabulary import Content, Vocabulary, read_vocabulary
from stream.commands.program import app
from stream.reference.vocabulary_pages import FOLDER, INDEX, pages, write_pages
from stream.sources import vocabularies
from stream.sources.vocabularies import check_vocabulary, load_vocabulary, providers

DOCS = Path(__file__).parent.parent / "docs"
PAGES = pages()


@pytest.mark.parametrize("provider", providers())
def test_every_file_is_without_fault(provider: str) -> None:
    """What `chainbrake check` says of it."""
    assert check_vocabulary(provider).content.provider == provider


@pytest.mark.slow
def test_check_looks_through_every_file() -> None:
    """And says how much each one knows."""
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 0
    for provider in providers():
        assert f"vocabulary {provider} " in result.output


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_that_of_its_file(name: str) -> None:
    """Renew with: make schema."""
    assert (DOCS / FOLDER / name).read_text() == PAGES[name]


def test_there_is_a_page_per_provider_and_an_index(tmp_path: Path) -> None:
    """Pages of providers that are gone go as well."""
    assert {path.name for path in (DOCS / FOLDER).iterdir()} == {
        *(f"{name}.md" for name in providers()),
        INDEX,
    }
    write_pages(tmp_path)
    (tmp_path / FOLDER / "gone.md").write_text("old")
    write_pages(tmp_path)
    assert {path.name: path.read_text() for path in (tmp_path / FOLDER).iterdir()} == PAGES


def content(**changed: Any) -> Content:
    """A file without fault, with these fields instead."""
    fields: dict[str, Any] = {
        "provider": "made_up",
        "version": "2026-01-31",
        "sources": ["its manual"],
        "system": "made-up",
        "system_kind": "iam",
        "operations": {"role.grant": {"op_class": "role_mapping", "effects": ["expands"]}},
        "patterns": [{"match": "role.list*", "entry": {"op_class": "discovery"}}],
    }
    return msgspec.convert(fields | changed, Content)


def entry(**fields: Any) -> dict[str, Any]:
    """The only operation of a file."""
    return {"operations": {"it": fields}}


def ordinary(*matches: Any) -> dict[str, Any]:
    """Patterns that mean nothing about identity."""
    return {"patterns": [{"match": match, "entry": {"op_class": "other"}} for match in matches]}


FAULTY: dict[str, tuple[dict[str, Any], str]] = {
    "no date": ({"version": "yesterday"}, "is no date"),
    "no source": ({"sources": [""]}, "sources are empty"),
    "a wildcard in a name": ({"operations": {"a*": {"op_class": "other"}}}, "make it a pattern"),
    "names that contradict": (
        {"operations": {"grantRole": {"op_class": "other"}, "GrantRole": {"op_class": "role_mapping"}}},
        "differs in nothing but capitals",
    ),
    "unclassified": (entry(op_class="unclassified"), "for what is not in the file"),
    "a read that expands": (
        entry(op_class="discovery", effects=["expands"]),
        "does not go with the effect expands",
    ),
    "nothing that expands": (
        entry(op_class="other", effects=["expands"]),
        "does not go with the effect expands",
    ),
    "nothing that is a secret": (entry(op_class="other", effects=["secret_value"]), "effect secret_value"),
    "a change from outside": (entry(op_class="trust_change", effects=["untrusted"]), "effect untrusted"),
    "a removal that adds": (
        entry(op_class="role_mapping", effects=["removes", "expands"]),
        "cannot only take away",
    ),
    "long-lived what": (entry(op_class="credential_mint", effects=["long_lived"]), "nothing is"),
    "an effect twice": (entry(op_class="other", effects=["wide", "wide"]), "stands there twice"),
    "no reason": (entry(op_class="secret_read", source_level="List"), "why?"),
    "a path with a gap": (entry(op_class="other", target=["a..b"]), "empty step"),
    "a sweep": (ordinary("*"), "nobody has looked at"),
    "nearly a sweep": (ordinary("a?*"), "nobody has looked at"),
    "a pattern behind a wider one": (ordinary("user.*", "user.get*"), "never decides, for user.* stands"),
    "the same pattern twice": (ordinary("user.*", "user.*"), "never decides, for user.* stands"),
    "one of several behind another": (
        ordinary(["user.*", "group.*"], ["xyz.*", "group.a*"]),
        "for group.* stands",
    ),
    "behind one that begins with a wildcard": (ordinary("*.list", "user.*.list"), "for *.list stands"),
    "a pattern behind a name": (ordinary("role.grant"), "an operation has that name"),
}


@pytest.mark.parametrize(("changed", "says"), FAULTY.values(), ids=FAULTY)
def test_the_linter_says_what_is_wrong(changed: dict[str, Any], says: str) -> None:
    """One fault, one sentence, with the name that has it."""
    assert list(faults(content())) == []
    (fault,) = faults(content(**changed))
    assert says in fault


@pytest.mark.parametrize(
    "matches",
    [
        ("user.get*", "user.*"),
        ("user.*", "group.*"),
        ("*.list", "user.*"),
        ("a.?", "a.*"),
        ("user.get", "user.*"),
    ],
    ids=str,
)
def test_the_linter_leaves_patterns_that_can_decide(matches: tuple[str, ...]) -> None:
    """The narrower one first is how it is meant."""
    patterns = [{"match": match.replace("a.", "abc."), "entry": {"op_class": "other"}} for match in matches]
    assert list(faults(content(patterns=patterns))) == []


def test_a_name_that_stands_there_twice_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the last would count; so would a file under another provider's name."""
    text = msgspec.json.encode(content()).decode()
    grant = '"role.grant":{"op_class":"role_mapping","effects":["expands"]}'
    assert grant in text
    (tmp_path / "other.json").write_text(text.replace(grant, f'{grant},"role.grant":{{"op_class":"other"}}'))
    monkeypatch.setattr(vocabularies, "files", lambda _package: tmp_path)
    with pytest.raises(VocabularyError) as raised:
        check_vocabulary("other")
    assert "role.grant: it stands there twice" in str(raised.value)
    assert "its provider is 'made_up'" in str(raised.value)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"provider": 5}', b'{"operations": {"a": {"op_clas": 1}}}']
)
def test_what_is_no_vocabulary_is_refused(text: bytes) -> None:
    """With the path of what is wrong."""
    with pytest.raises(VocabularyError):
        read_vocabulary(text, "made up")


def test_the_exact_name_decides_then_the_first_pattern_then_nothing() -> None:
    """And the same again when it is asked again."""
    patterns = [
        {"match": ["role.list.own", "role.show*"], "entry": {"op_class": "other"}},
        {"match": "role.list*", "entry": {"op_class": "discovery"}},
    ]
    vocabulary = Vocabulary(content(patterns=patterns))
    for _ in range(2):
        assert vocabulary.look_up("role.grant").op_class is OpClass.ROLE_MAPPING
        assert vocabulary.look_up("role.list.own").op_class is OpClass.OTHER
        assert vocabulary.look_up("role.shown").op_class is OpClass.OTHER
        assert vocabulary.look_up("role.list.all").op_class is OpClass.DISCOVERY
        assert vocabulary.look_up("Role.grant").op_class is OpClass.UNCLASSIFIED


def test_a_flood_of_invented_names_costs_no_memory() -> None:
    """Answers are kept up to a bound, and stay right beyond it."""
    vocabulary = Vocabulary(content())
    for number in range(20_000):
        assert vocabulary.look_up(f"role.list{number}").op_class is OpClass.DISCOVERY
    assert len(vars(vocabulary)["_known"]) <= 16_384 + 1


def test_what_is_read_once_is_kept() -> None:
    """A normaliser looks up at every record."""
    assert load_vocabulary("aws") is load_vocabulary("aws")
