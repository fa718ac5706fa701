"""What tells a look-alike from its twin, and a chain from everyday work, is in what the normalisers say.

Detectors see operations and nothing else of a record. The scenarios say which lines are only in the twin, and
which are the steps of a chain.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from models.attested import Effect, Fact
from models.event import OpClass, Operation
from stream.sources.github import audit as github_audit
from stream.sources.keycloak import admin as keycloak_admin
from stream.sources.kubernetes import audit as kubernetes_audit
from stream.sources.okta import system_log as okta_system_log
from stream.sources.sighting import Normalise
from tests.ingest.changing import encoded
from tests.ingest.saas import only, operation
from tests.recordings import SHARED

NORMALISERS: dict[str, Normalise] = {
    "okta.system_log": okta_system_log.normalise,
    "kubernetes.audit": kubernetes_audit.normalise,
    "keycloak.admin": keycloak_admin.normalise,
    "github.audit": github_audit.normalise,
}
LETTERS = {
    "D": {OpClass.DISCOVERY},
    "S": {OpClass.SECRET_READ},
    "V": {OpClass.PRIVILEGE_CHANGE, OpClass.ROLE_MAPPING},
    "T": {OpClass.TRUST_CHANGE},
    "C": {OpClass.CREDENTIAL_MINT},
    "L": {OpClass.GUARDRAIL_CHANGE},
}
STAND_INS = {
    ("S", "get configmaps"),
    ("V", "application.user_membership.add"),
    ("V", "workflows.created_workflow_run"),
}
"""Harmless stand-ins of the reordered variants, and the run that a push sets off: not what a letter says."""


def wide_admin(one: Operation) -> bool:
    """An administrator of everything is made."""
    return {Effect.ADMIN, Effect.WIDE} <= set(one.effects)


def admin(one: Operation) -> bool:
    """An administrator is made, or whoever may become one."""
    return Effect.ADMIN in one.effects


def adds(one: Operation) -> bool:
    """Something of a responder's that is no removal."""
    return Effect.EXPANDS in one.effects and one.facts.get(Fact.CLIENT) in protected_clients()


def impostor(one: Operation) -> bool:
    """Removals of a case by a client that is on nobody's list."""
    return Fact.CHANGE in one.facts and one.facts.get(Fact.CLIENT) not in protected_clients()


SEPARATES: dict[tuple[str, str], Callable[[Operation], bool]] = {
    ("L03", "admin"): admin,
    ("L04", "stowaway"): admin,
    ("L06", "bind"): wide_admin,
    ("L07", "apiserver"): admin,
    ("L10", "drift"): lambda one: wide_admin(one) and Fact.CHANGE not in one.facts,
    ("L11", "cluster"): wide_admin,
    ("L14", "adds_key"): adds,
    ("L14", "impostor"): impostor,
}
"""By look-alike and twin: what only the twin's operations show."""


SHOWN: dict[str, tuple[Callable[[Operation], bool], ...]] = {
    "C09": (
        lambda one: {Effect.MINTS, Effect.LONG_LIVED} <= set(one.effects) and Fact.MINTED in one.facts,
        admin,
    ),
    "C10": (
        lambda one: one.target_kind in {"policy_rule", "network_zone"},
        lambda one: Effect.WEAKENS in one.effects and one.target_kind == "factor",
    ),
    "C11": (
        lambda one: Effect.TRUST_PATH in one.effects and Fact.ISSUER in one.facts,
        lambda one: one.target_kind == "application" and Fact.ISSUER in one.facts,
    ),
    "C14": (lambda one: {Effect.SECRET_VALUE, Effect.WIDE} <= set(one.effects), wide_admin),
    "C19": (
        lambda one: one.target_kind == "own_rights",
        lambda one: {Effect.SECRET_VALUE, Effect.WIDE} <= set(one.effects),
        wide_admin,
        lambda one: one.target_kind == "workload" and Fact.BENEFICIARY in one.facts,
    ),
    "C20": (lambda one: {Effect.SECRET_VALUE, Effect.WIDE} <= set(one.effects),),
    "C22": (
        lambda one: {Effect.MINTS, Effect.ADMIN, Effect.WIDE} <= set(one.effects),
        lambda one: one.op_class is OpClass.GUARDRAIL_CHANGE and Effect.WEAKENS in one.effects,
        lambda one: one.target_kind == "branch" and Effect.WEAKENS in one.effects,
    ),
    "C23": (lambda one: Effect.WEAKENS in one.effects and one.target_kind == "factor",),
}
"""By chain: what its steps in our sources show, each at least once."""


@cache
def index() -> list[dict[str, Any]]:
    """What the scenarios are."""
    path = SHARED / "scenarios" / "index.json"
    if not path.is_file():
        pytest.skip("no corpora beside the repository")
    content: list[dict[str, Any]] = json.loads(path.read_bytes())
    return content


@cache
def protected_clients() -> frozenset[str]:
    """Clients of the directory that a deployment would have registered as its own responders."""
    registry = json.loads((SHARED / "scenarios" / "registry.json").read_bytes())
    return frozenset(each.get("client", "") for each in registry["protected"])


def operations(scenario: dict[str, Any], lines: list[int] | None = None) -> Iterator[tuple[int, Operation]]:
    """The operations of a scenario's lines that are of our sources, and their line numbers."""
    with gzip.open(SHARED / "scenarios" / scenario["file"], "rt") as content:
        for at, line in enumerate(content):
            item = json.loads(line)
            if item["source"] in NORMALISERS and (lines is None or at in lines):
                yield at, operation(only(NORMALISERS[item["source"]](encoded(item["record"]))))


@pytest.mark.parametrize(("family", "twin"), SEPARATES)
def test_a_twin_shows_what_its_look_alike_does_not(family: str, twin: str) -> None:
    """Otherwise no detector could be quiet about the one and act on the other."""
    separates = SEPARATES[family, twin]
    scenarios = {each["id"]: each for each in index()}
    twins = [each for each in scenarios.values() if (each["family"], each.get("twin")) == (family, twin)]
    assert twins
    for each in twins:
        here = [one for _, one in operations(each, each["diff"]["only_here"])]
        assert any(map(separates, here)), each["id"]
        assert not any(separates(one) for _, one in operations(scenarios[each["twin_of"]])), each["twin_of"]


@pytest.mark.parametrize("family", SHOWN)
def test_a_chain_shows_what_sets_it_apart(family: str) -> None:
    """How far, how high, how long and from where: not only which class."""
    chains = [each for each in index() if (each["family"], each["kind"]) == (family, "malicious")]
    assert chains
    for each in chains:
        steps = [one for _, one in operations(each, [step["event"] for step in each["steps"]])]
        assert all(any(map(shows, steps)) for shows in SHOWN[family]), each["id"]


@pytest.mark.corpus
def test_every_step_of_a_chain_has_the_class_of_its_letter() -> None:
    """As the catalogue of chains has it; a member added to a group is a role given."""
    wrong = set()
    for scenario in index():
        letters = {step["event"]: step["class"] for step in scenario["steps"]}
        for at, one in operations(scenario, list(letters)):
            stand_in = (letters[at], one.operation) in STAND_INS
            if one.op_class not in LETTERS[letters[at]] and not stand_in:
                wrong.add((letters[at], one.operation, one.op_class.value, scenario["id"]))
    assert not wrong
