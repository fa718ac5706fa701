"""What a mistake in a chain file is answered with: its place, and what would be valid."""

from pathlib import Path

import pytest

from detectors.policy import Policy
from models.errors import RuleError
from stream.configuration.chain_files import declarations
from stream.configuration.rule_files import load_declared
from tests.builders import told
from tests.chains.test_language import CHAIN, fires

MISTAKES = {
    "a class": ("class: discovery", "class: discovry", "class: discovry", "did you mean discovery?"),
    "a key": ("class: discovery", "clas: discovery", "clas: ", "valid are after, agent"),
    "a key above": ("within: 1h", "withn: 1h", "withn", "valid are absent, by, confidence"),
    "a duration": ("within: 1h", "within: 1 hour", "within", "such as 90s, 10m or 2h"),
    "a long duration": ("within: 1h", "within: 99d", "within", "longer than 31d"),
    "an id": ("id: grant", "id: look", "id: look, class: [", "a step before is called look"),
    "a step to bind to": ("role_mapping]", "role_mapping], same: {target: lok.target}", "target: lok",
        "did you mean look?"),
    "a later step": ("discovery}", "discovery, same: {target: grant.target}}", "target: grant",
        "need not be done by then"),
    "a field": ("role_mapping]", "role_mapping], same: {tarjet: look.target}", "tarjet",
        "did you mean target?"),
    "no step": ("role_mapping]", "role_mapping], same: {target: target}", "target: target",
        "such as look.target"),
    "an effect": ("role_mapping]", "role_mapping], effects: admn", "effects", "did you mean admin?"),
    "a fact": ("role_mapping]", "role_mapping], facts: {isuer: x}", "facts", "did you mean issuer?"),
    "an order": ("role_mapping]", "role_mapping], after: look", "after", "order: any"),
    "distinct alone": ("role_mapping]", "role_mapping], distinct: target", "distinct", "needs a `count`"),
    "a window of the first step": ("discovery}", "discovery, within: 5m}", "within", "no step has to come"),
    "a count": ("role_mapping]", "role_mapping], count: 100", "count", "a number from 1 to 64"),
    "a comparison with what is different": (
        "discovery}\n  - {", "discovery, count: 2, distinct: target}\n  - {same: {target: look.target}, ",
        "distinct", "valid is another field"),
    "a response": ("within: 1h", "within: 1h\nresponse: kill", "response", "valid are observe, step_up"),
    "a release": ("within: 1h", "within: 1h\nresponse: release_session", "response", "no response to risk"),
    "a scope": ("within: 1h", "within: 1h\nscope: team", "scope", "valid are session, agent"),
    "no steps": ("within: 1h", "within: 1h\nsteps: []", "steps: []", "stands there twice"),
    "no name": ("name: mine", "", "title", "name is missing"),
    "a bad name": ("name: mine", "name: My Chain", "name", "valid are small letters"),
    "no YAML": ("within: 1h", "within: [", "", "no YAML"),
    "a duration that is a number": ("within: 1h", "within: 3600", "within", "it is a whole n"),
    "a step in one word": (
        "{id: look, class: discovery}", "discovery", "discovery", "such as {id: look, class:"),
    "steps by name": (
        "steps:", "steps: {look: {class: discovery}}\nabsent:", "steps", "a list of 1 to 8 steps"),
    "a bond in one word": (
        "role_mapping]", "role_mapping], same: target", "same", "pairs such as {target: look."),
    "a fact that is a number": (
        "role_mapping]", "role_mapping], facts: {count: 5}", "facts", "in quotes if"),
    "tags in one word": ("within: 1h", "within: 1h\ntags: T1098", "tags", "valid is a list of texts"),
    "an outcome": (
        "role_mapping]", "role_mapping], outcome: success", "outcome", "valid are ok, denied, error"),
    "nothing behind a key": ("class: discovery", "class: ", "class", "it is nothing; valid is a text"),
    "a key of another part": (
        "within: 1h", "within: 1h\nabsent:\n  - {count: 2}", "count", "valid are after, agent"),
    "nothing in between": (
        "within: 1h", "within: 1h\nabsent:\n  - {class: other, after: grant, before: look}",
        "before: look", "nothing lies between"),
    "nothing before the first": (
        "within: 1h", "within: 1h\nabsent:\n  - {class: other, before: look}",
        "before: look", "is the first step"),
    "an effect that is and is not": (
        "role_mapping]", "role_mapping], effects: admin, without: admin", "without",
        "no operation is both"),
    "what is the same and is not": (
        "role_mapping]",
        "role_mapping], same: {target: look.target}, differs: {target: look.target}", "target: look.target}}",
        "nothing is both"),
    "a step that comes before itself": (
        "class: discovery", "class: discovery, after: look", "after", "valid are grant"),
    "a key that is a list": ("within: 1h", "within: 1h\n? [a]\n: b", "[a]", "a key is a list"),
    "a kind": ("class: discovery", "kind: approvl", "kind: approvl", "did you mean approval?"),
    "a class of an approval": (
        "class: discovery", "kind: approval, class: discovery", "class: discovery",
        "no event of the kind approval has it; valid are operation, target"),
    "whoever decided an operation": (
        "class: discovery", "decided_by: ann", "decided_by", "no event of the kind operation has it"),
    "an effect of an approval": (
        "class: discovery", "kind: approval, effects: admin", "effects", "no event of the kind approval"),
    "a fact of an approval": (
        "class: discovery", "kind: approval, facts: {issuer: x}", "facts", "no event of the kind approval"),
    "a comparison with what no approval says": (
        "class: discovery}\n  - {", "kind: approval}\n  - {same: {target: look.system}, ",
        "target: look.system", "'system' is no field of look"),
    "a field of an operation that only an approval has": (
        "role_mapping]", "role_mapping], same: {decided_by: look.target}", "decided_by", "is no field"),
    "what an approval does not say in all steps": (
        "within: 1h", "within: 1h\nby: system\nabsent:\n  - {kind: approval}", "by",
        "'system' is no field of an approval"),
    "a Sigma rule": (
        "name: mine", "logsource: {product: aws}\ndetection: {}", "logsource", "valid is --sigma"),
}  # fmt: skip


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_told_with_file_line_and_column_and_what_would_be_valid(what: str) -> None:
    """So that it is mended without looking into the code."""
    right, wrong, at, valid = MISTAKES[what]
    text = CHAIN.replace(right, wrong, 1)
    before = text[: text.index(at)].splitlines(keepends=True) if at else text.splitlines(keepends=True)
    line, column = (len(before), len(before[-1]) + 1) if before[-1][-1:] != "\n" else (len(before) + 1, 1)
    with pytest.raises(RuleError) as refused:
        list(declarations("mine.yaml", text.encode()))
    assert str(refused.value).startswith(f"mine.yaml:{line}:{column}: ")
    assert valid in str(refused.value)


@pytest.mark.parametrize("nothing", ["", "\n", "# a remark\n", "---\n---\n"])
def test_a_file_with_nothing_in_it_is_a_mistake(nothing: str) -> None:
    """Not a silence: whoever names a file wants something of it."""
    with pytest.raises(RuleError, match=r"^mine.yaml:1:1: nothing in it; valid is a chain"):
        list(declarations("mine.yaml", nothing.encode()))


def test_bytes_that_are_no_text_have_a_place() -> None:
    """As anything else that is no YAML."""
    with pytest.raises(RuleError, match=r"^mine.yaml:3:8: no YAML: .*; valid is UTF-8"):
        list(declarations("mine.yaml", CHAIN.encode().replace(b"looked", b"\xe9")))


def test_a_count_among_which_others_may_come_is_refused_where_it_cannot_be_followed() -> None:
    """In any order, with something absent, or behind a third step: said, not approximated."""
    steps = ["{id: look, class: discovery, count: 2}", "{id: grant, class: privilege_change}"]
    start = "name: mine\ntitle: t\norder: any\nwithin: 1h\n"
    assert fires(f"{start}steps: [{', '.join(steps)}]", *told("D@0 V@1 D@2"))
    for more, steps_ in (
        ("absent: [{class: exchange}]\n", steps),
        ("", [steps[0].replace("count", "after: third, count"), steps[1], "{id: third, class: exchange}"]),
    ):
        with pytest.raises(RuleError, match=r"mine.yaml:\d+:\d+: .*grant could come among .*valid is"):
            list(declarations("mine.yaml", f"{start}{more}steps: [{', '.join(steps_)}]".encode()))


@pytest.mark.slow
def test_files_that_would_eat_the_loader_are_refused() -> None:
    """Aliases of aliases, depth, size, bytes that are no text."""
    laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefg", "bcdefgh", strict=True)
    )
    for content in (laughs.encode(), b"[" * 5_000, b"x" * 2_000_000, b"\xff\xfe\x00", b"a: &a [*a]"):
        with pytest.raises(RuleError):
            list(declarations("mine.yaml", content))


@pytest.mark.parametrize("name", ["planner_executor", "unapproved_change", "principal_surge", "self_release"])
def test_a_name_that_something_else_is_told_by_is_refused(tmp_path: Path, name: str) -> None:
    """A built-in chain, a detector, or what the judge itself tells of: risk and metrics go by it."""
    path = tmp_path / "mine.yaml"
    path.write_text(CHAIN.replace("name: mine", f"name: {name}"))
    with pytest.raises(RuleError, match=f"another detector is called {name}; valid is a new name"):
        load_declared(Policy(), str(path))
