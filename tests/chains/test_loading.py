"""What is loaded where: by the command line, by a replay, and only when it is needed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from detectors.chains.declaration import COUNT_MAX, STEPS_MAX, Declaration, StepDeclaration
from detectors.policy import Policy, read_policy
from stream.commands.program import app
from stream.configuration.chain_files import builtin_names, declarations
from stream.configuration.rule_files import load_declared
from stream.offline.replay import Replay
from stream.sigma.loading import load_sigma
from tests.builders import op, told
from tests.chains.sigma_rules import ORDERED, act

DOCS = Path(__file__).parents[2] / "docs"


def replayed(tmp_path: Path, *options: str) -> list[dict[str, object]]:
    """Rows of a replay of three acts of a session, `a`, `b` and `c`."""
    events = tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join(msgspec.json.encode(act(name, 10 * k)) for k, name in enumerate("abc")))
    result = CliRunner().invoke(app, ["replay", str(events), "--json", *options])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.slow
def test_a_replay_executes_sigma_and_chains(tmp_path: Path) -> None:
    """From options and from the policy alike; and says so in the version of what it decided by."""
    rules, chains = tmp_path / "rules.yml", tmp_path / "chains.yaml"
    rules.write_text(ORDERED)
    chains.write_text(
        "{name: mine, title: t, steps: [{id: a, operation: 'a'}, {id: c, operation: 'c'}], within: 1m}"
    )
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"sigma_files: [{rules}]\nchain_files: [{chains}]\n")
    by_option = replayed(tmp_path, "--sigma", str(rules), "--chains", str(chains))
    by_policy = replayed(tmp_path, "--policy", str(policy))
    for rows in (by_option, by_policy):
        found = {row["detector"]: row for row in rows if row["kind"] == "finding"}
        assert {"sigma:it", "mine"} <= set(found)
        assert re.fullmatch(r"default@[0-9a-f]{12}\+[0-9a-f]{12}", str(found["mine"]["policy"]))
    assert not {"sigma:it", "mine"} & {row.get("detector") for row in replayed(tmp_path)}


def test_a_replay_has_the_chains_that_come_with_the_program() -> None:
    """Without being told."""
    lines = [msgspec.json.encode(event) for event in (*told("P@0"), op("V", 9, session="s2", agent="a2"))]
    found = {row.get("detector") for row in Replay(Policy(), None).rows(lines)}
    assert "planner_executor" in found
    assert load_declared(Policy()).names == builtin_names()


@pytest.mark.parametrize(("option", "text", "said"), [
    ("--chains", "name: m\ntitle: t\nsteps: [{id: a, class: nothing}]\nwithin: 1m", ":3:17: steps.0.class:"),
    ("--sigma", "title: x\nlogsource: {product: w}\ndetection: {a: {b: c}, condition: a}", "rule x: log s"),
])  # fmt: skip
def test_a_mistake_ends_the_program_with_one_line(tmp_path: Path, option: str, text: str, said: str) -> None:
    """Exit code 2, and no traceback."""
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    command = [sys.executable, "-c", "from stream.cli import main; main()", "check", option, str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=DOCS.parent)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_the_ceiling_of_what_is_followed_over_workflows_is_remarked(tmp_path: Path) -> None:
    """With its place, of chains and of correlations: whoever writes `kill_session` may count on it."""
    path = tmp_path / "mine.yaml"
    for scope, said in (("principal", True), ("session", False)):
        path.write_text(f"name: m\ntitle: t\nscope: {scope}\nsteps: [{{id: a}}]\nwithin: 1m\n")
        result = CliRunner().invoke(app, ["check", "--chains", str(path)])
        assert result.exit_code == 0
        told = " ".join(result.output.split())
        assert (f"note: {path}:3:1: scope: follows each {scope} over all its workflows" in told) is said
        assert ("asks for a step-up at most, whatever `response` says" in told) is said
    for group, counted, said_too in (
        ("principal", 3, "a step-up at most"),
        ("agent", 65, "more than 64"),
        ("session", 3, ""),
    ):
        path.write_text(COUNTING.replace("GROUP", group).replace("COUNT", str(counted)))
        result = CliRunner().invoke(app, ["check", "--sigma", str(path)])
        assert result.exit_code == 0
        told = " ".join(result.output.split())
        assert (f"note: {path}:9:" in told and said_too in told) is bool(said_too)


COUNTING = """title: it
name: it
logsource: {product: chainbrake}
detection: {it: {op_class: discovery}, condition: it}
---
title: often
correlation:
  type: event_count
  group-by: [GROUP]
  rules: [it]
  timespan: 1m
  condition: {gte: COUNT}
"""


@pytest.mark.slow
def test_who_names_no_sigma_file_does_not_pay_for_pysigma() -> None:
    """It takes a third of a second to import."""
    code = (
        "import sys\nfrom detectors.policy import Policy\nfrom stream.offline.replay import Replay\n"
        "import stream.commands.program, stream.worker.engine\nReplay(Policy(), None)\n"
        "sys.exit('sigma' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=DOCS.parent).returncode == 0


def test_the_examples_of_the_pages_are_loaded() -> None:
    """Whoever copies one gets a chain, a policy, or rules."""
    chain, allowed, over, policy = re.findall(
        r"```yaml\n(.*?)```", (DOCS / "chains.md").read_text(), re.DOTALL
    )
    assert [found.name for found, _ in declarations("page", chain.encode())] == ["secret_of_the_gainer"]
    assert [found.name for found, _ in declarations("page", over.encode())] == ["looked_here_changed_there"]
    assert [found.name for found, _ in declarations("page", allowed.encode())] == ["allowed_by_who_did_it"]
    assert len(chain.splitlines()) <= 10, "it promises ten lines"
    assert read_policy(policy.encode(), Path("page")).chain_files
    (rules,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "sigma.md").read_text(), re.DOTALL)
    (hosted,) = load_sigma([("page", rules.encode())], Policy(), set(), [])
    assert hosted.name == "sigma:secret_then_admin"


def test_the_chains_page_names_every_key_and_its_bounds() -> None:
    """What it does not name nobody uses; what it names otherwise is refused, or is taken unawares."""
    page = (DOCS / "chains.md").read_text()
    for heading, kind in (("The chain", Declaration), ("A step", StepDeclaration)):
        rows = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].splitlines()
        first = " ".join(row.split(" | ")[0] for row in rows if row.startswith("| `"))
        named = set(re.findall(r"`(\w+)`", first))
        assert named == {field.encode_name for field in msgspec.structs.fields(kind)}
    assert f"1 unless you say otherwise, up to {COUNT_MAX}" in page
    assert f"1 to {STEPS_MAX} steps" in page
