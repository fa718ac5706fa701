"""The reference pages say what the code does."""

import json
import re
from pathlib import Path

import jsonschema
import msgspec
import pytest

from detectors.policy import Level, Policy, read_policy
from models.cloudevent import read_line
from models.event import AnyEvent
from stream.recordings.recorded import SCENARIO
from stream.reference.schema import PAGES, SCHEMA_PAGE, event_schema, refreshed
from stream.sources.known import SOURCES
from tests.builders import approval, delegation, end, op, release, told

DOCS = Path(__file__).parent.parent / "docs"
SCHEMA = json.loads(event_schema())
EVENTS: list[AnyEvent] = [
    *told("D@0 P@1 S@2 R@3 V@4:denied T@5:error C@6 L@7 X@8 U@9"),
    *(op("V", 0), approval(0), delegation(0, "s1", "s2"), release(0), end(0)),
]


def test_the_committed_schema_is_the_generated_one() -> None:
    """Producers build on it: a change of the type shows in review. Renew with: make schema."""
    assert (DOCS / SCHEMA_PAGE).read_text() == event_schema()


@pytest.mark.parametrize("name", PAGES)
def test_the_tables_are_the_generated_ones(name: str) -> None:
    """No field and no key is missing, no default is of yesterday. Renew with: make schema."""
    page = (DOCS / name).read_text()
    assert "<!-- table: " in page
    assert page == refreshed(page)


def test_the_schema_is_a_schema_and_explains_every_field() -> None:
    """In the dialect it names."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for definition in SCHEMA["$defs"].values():
        for name, field in definition.get("properties", {}).items():
            assert name == "kind" or field["description"]


def test_every_source_can_be_found() -> None:
    """By the name that the command line takes."""
    page = (DOCS / "sessions.md").read_text().partition("## Sources")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([a-z_.]+)`", row)}
    assert named == {*SOURCES, SCENARIO}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.id)
def test_what_is_written_follows_the_schema(event: AnyEvent) -> None:
    """With defaults left out, and spelt out."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.validate(json.loads(msgspec.json.encode(event)))


@pytest.mark.parametrize(
    "changed",
    [{"at_ms": -1}, {"workflow": ""}, {"kind": "wish"}, {"agent": "a" * 257}, {"outcome": "perhaps"}],
    ids=str,
)
def test_what_the_reader_refuses_the_schema_refuses(changed: dict[str, object]) -> None:
    """A producer finds its mistake before we do."""
    fields = json.loads(msgspec.json.encode(op("V", 0))) | changed
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(fields)


def test_the_examples_of_the_event_page_are_read() -> None:
    """Whoever copies one gets an event."""
    page = (DOCS / "event.md").read_text()
    structured = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    binary = re.findall(r"value\s+(\{.*?\})\n```", page, re.DOTALL)
    assert structured
    assert binary
    for example in [*structured, *binary]:
        read_line(example.replace("\n", " ").encode())


def test_the_examples_of_the_policy_page_are_obeyed() -> None:
    """And the table of default levels is that of the code."""
    page = (DOCS / "policy.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert read_policy(example.encode(), Path("policy.yaml")).name == "production"
    for level in Policy().levels:
        assert _row(level) in page


def _row(level: Level) -> str:
    hours = level.lifetime_ms // 3_600_000
    return f"| {level.name} | {level.risk_min:.2f} | {', '.join(level.actions)} | {hours} h |"
