"""The chains that come with the program, on their stories, and their pages."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from detectors.policy import Policy
from models.attested import Effect
from models.event import AnyEvent, Operation
from stream.configuration.chain_files import builtin_declarations, builtin_names
from stream.configuration.rule_files import load_declared
from tests.builders import Stories, op, rotation, trained
from tests.chains.hosting import judging
from tests.chains.stories import FIRES, MUST_NOT, OTHER, SHARED
from tests.chains.test_joining import Over

PAGES = Path(__file__).parents[2] / "docs" / "chains"
HEADINGS = ("## What it sees", "## What it misses", "## How to tune it")


def cases(stories: Stories) -> list[object]:
    """One test case a story."""
    return [
        pytest.param(name, events, id=f"{name}: {sentence}")
        for name, told in stories.items()
        for sentence, events in told.items()
    ]


def found_by(name: str, events: list[AnyEvent]) -> list[str]:
    """Detectors that fire with this chain alone."""
    chains = [chain for chain in load_declared(Policy()).chains if chain.name == name]
    return judging(chains).fold(events).detectors


@pytest.mark.parametrize(("name", "events"), cases(FIRES))
def test_it_fires(name: str, events: list[AnyEvent]) -> None:
    """Alone, so that no other speaks for it."""
    assert set(found_by(name, events)) == {name}


@pytest.mark.parametrize(("name", "events"), cases(MUST_NOT))
def test_it_does_not_fire_on_a_look_alike(name: str, events: list[AnyEvent]) -> None:
    """Silence."""
    assert found_by(name, events) == []


@pytest.mark.parametrize(("admin", "found"), [(False, []), (True, ["planner_executor"])])
def test_a_split_that_is_ordinary_for_the_executor_is_let_be(*, admin: bool, found: list[str]) -> None:
    """Where it was learned; what is grave is nobody's habit."""
    key = rotation("s2", agent="agent-8")[-1]
    assert isinstance(key, Operation)
    if admin:
        key = replace(key, effects=(*key.effects, Effect.ADMIN))
    events: list[AnyEvent] = [op("P", 0, target=key.target), key]
    chains = [chain for chain in load_declared(Policy()).chains if chain.name == "planner_executor"]
    assert judging(chains, baseline=trained()).fold(events).detectors == found
    assert judging(chains).fold(events).detectors == ["planner_executor"]


@pytest.mark.parametrize("name", builtin_names())
def test_a_chain_has_a_page_and_both_kinds_of_story(name: str) -> None:
    """What it sees, what it misses, how to tune it, and its tags."""
    page = (PAGES / f"{name}.md").read_text()
    for heading in HEADINGS:
        assert f"\n{heading}\n" in page, heading
    (chain,) = [each for each in builtin_declarations() if each.name == name]
    assert all(tag in page for tag in chain.tags)
    assert chain.within in page
    assert f"{chain.confidence:.2f}" in page
    assert FIRES[name]
    assert MUST_NOT[name]


def test_pages_and_stories_are_of_chains_that_exist() -> None:
    """What was removed leaves nothing behind."""
    assert {path.stem for path in PAGES.glob("*.md")} == set(builtin_names())
    assert set(FIRES) == set(MUST_NOT) == set(builtin_names())


def test_agents_that_share_an_account_are_found_over_workflows() -> None:
    """Each in a workflow of its own, which is how they mostly are; two accounts are no shared one."""
    chains = [chain for chain in load_declared(Policy()).chains if chain.name == "shared_by_several"]
    one, other = op("V", 0, **SHARED), op("V", 60, workflow="w2", **SHARED, **OTHER)
    assert Over(chains).fold([one, other]).detectors == ["shared_by_several:crossing"]
    assert Over(chains).fold([one, replace(other, principal="svc-other")]).detectors == []
    assert Over(chains).fold([one, replace(other, agent=one.agent)]).detectors == []
