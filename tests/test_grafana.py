"""Metrics, dashboard, rules and the operating page agree: no panel is dead, no alert without a word."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import fields

from grafana.build import DASHBOARD, SOURCE_UID, rendered
from stream import metrics
from stream.configuration.settings import PREFIX, Settings

REPOSITORY = Path(__file__).parent.parent
GRAFANA = REPOSITORY / "grafana"
PROMETHEUS = GRAFANA / "prometheus"
OPERATING, DEPLOYING = ((REPOSITORY / "docs" / page).read_text() for page in ("operating.md", "deploying.md"))
BOARD: dict[str, Any] = json.loads(DASHBOARD.read_text())
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool on the path")


def panels() -> list[dict[str, Any]]:
    """Every panel that shows something."""
    return [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """Title and PromQL of every query of the dashboard, its variables included."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in BOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["definition"]


def named(expression: str) -> set[str]:
    """Our metrics in an expression; recorded ones are spelt with a colon."""
    return set(re.findall(r"\bchainbrake_\w+", expression))


def exposed() -> set[str]:
    """Every name a scrape of ours can bring, label values or none."""
    found = set()
    for family in metrics.REGISTRY.collect():
        if family.type == "counter":
            found.add(f"{family.name}_total")
        elif family.type == "histogram":
            found |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
        else:
            found.add(family.name)
    return found


def table(page: str, heading: str) -> list[list[str]]:
    """The rows of the table under a heading of the page."""
    section = re.split(r"(?m)^#+ ", page.split(f"# {heading}\n", 1)[1], maxsplit=1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def promtool(*arguments: str) -> None:
    """Run it; its own words on failure."""
    command = ["promtool", *arguments]
    done = subprocess.run(command, cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_what_its_code_makes() -> None:
    """An edit of the JSON alone would be lost with the next build: `python -m grafana.build`."""
    assert DASHBOARD.read_text() == rendered()


def test_every_metric_has_a_panel() -> None:
    """What is measured can be seen."""
    shown = {name for _, expression in queries() for name in named(expression)}
    for family in metrics.REGISTRY.collect():
        assert any(name.startswith(family.name) for name in shown), f"{family.name} is in no panel"


def test_panels_ask_only_for_what_there_is() -> None:
    """A metric that was renamed leaves no panel empty."""
    for title, expression in queries():
        assert named(expression) <= exposed(), f"{title} asks for {named(expression) - exposed()}"


def test_rules_ask_only_for_what_there_is() -> None:
    """An alert on a metric that was renamed never fires."""
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    for rule in RULES:
        asked = named(rule["expr"])
        assert asked <= exposed(), f"{rule} asks for {asked - exposed()}"
        assert set(re.findall(r"\bchainbrake:[\w:]+", rule["expr"])) <= recorded, rule


def test_label_values_that_rules_and_panels_select_exist() -> None:
    """A reason or an action that was renamed would silently select nothing."""
    known: dict[tuple[str, str], set[str]] = {}
    for family in metrics.REGISTRY.collect():
        for sample in family.samples:
            for label, value in sample.labels.items():
                known.setdefault((sample.name, label), set()).add(value)
    every = [expression for _, expression in queries()] + [rule["expr"] for rule in RULES]
    for expression in every:
        for name, selectors in re.findall(r"\b(chainbrake_\w+)\{([^}]*)\}", expression):
            for label, values in re.findall(r'(\w+)=~?"([^"$]*)"', selectors):
                if name not in ("chainbrake_build_info", "chainbrake_baseline_info"):
                    assert set(values.split("|")) <= known[name, label], expression


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_says_what_to_do_and_in_which_unit(panel: dict[str, Any]) -> None:
    """At 3 a.m. nobody knows what a number means."""
    assert len(panel["description"]) > 40
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for alert in re.findall(r"\b(?:[A-Z][a-z]+){2,}\b", panel["description"]):
        assert alert in ALERTS, alert


def test_panels_lie_side_by_side() -> None:
    """No two overlap, none leaves the board, and their ids are their own."""
    cells: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        taken = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not taken & cells, panel["title"]
        cells |= taken
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_the_dashboard_opens_with_the_provisioned_data_source() -> None:
    """Whoever starts the containers sees data, not a question for a data source."""
    provisioned = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())
    assert SOURCE_UID in {source["uid"] for source in provisioned["datasources"]}
    assert BOARD["templating"]["list"][0]["current"]["value"] == SOURCE_UID
    assert not re.search(r"https?://", DASHBOARD.read_text())


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(name: str) -> None:
    """A page without a runbook is a riddle."""
    rule = ALERTS[name]
    assert re.fullmatch(r"(?:[A-Z][a-z]+){2,}", name)
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["labels"]["service"] == "chainbrake"
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/operating.md#{name.lower()}"
    assert f'alertname="{name}"' in (PROMETHEUS / "rules_test.yml").read_text(), "has no test"


def test_every_alert_has_its_paragraph_and_every_paragraph_its_alert() -> None:
    """The runbook neither lacks an alert nor explains one that is gone."""
    section = OPERATING.split("\n## Alerts\n", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"(?m)^### (.+)$", section) == [*ALERTS]


def test_the_page_tells_every_metric_as_the_worker_does() -> None:
    """Name, type and text of the table are those of the registry, in its order."""
    told = [
        [f"`{family.name}{'_total' if family.type == 'counter' else ''}`", family.type, family.documentation]
        for family in metrics.REGISTRY.collect()
    ]
    assert table(OPERATING, "Metrics") == told


def test_the_page_tells_every_setting_and_its_default() -> None:
    """Names and defaults of the table are those of `Settings`."""
    told = {row[0].strip("`"): row[1].strip("`") for row in table(DEPLOYING, "Settings") if row[2]}
    assert told == {f"{PREFIX}{field.name.upper()}": str(field.default) for field in fields(Settings)}


def test_the_page_tells_every_kind_of_redis_key() -> None:
    """The table and the lists of those who write them name the same keys and types."""
    folder = REPOSITORY / "stream" / "state"
    written = "".join((folder / name).read_text() for name in ("store.py", "lineage.py"))
    listed = re.findall(r"(?m)^    (cb:\S+)\s+(\w+)", written)
    assert {(row[0].strip("`"), row[1]) for row in table(DEPLOYING, "Redis")} == set(listed)


def test_the_page_calls_a_panel_what_the_dashboard_calls_it() -> None:
    """Somebody looks for these words at 3 a.m."""
    alerts = OPERATING.partition("\n## Alerts\n")[2].partition("\n## Metrics\n")[0]
    quoted = set(re.findall(r'"([A-Z][^"\n]+)"', alerts))
    assert quoted
    assert quoted <= {panel["title"] for panel in BOARD["panels"]}


def test_the_pages_call_a_line_of_the_log_what_the_worker_calls_it() -> None:
    """Somebody searches for it."""
    told = {
        " ".join(words.split()) for words in re.findall(r"`([a-z]+(?:\s[a-z:]+)+)`", OPERATING + DEPLOYING)
    }
    others = ("chainbrake ", "docker ", "make ", "appendfsync ", "appendonly ")
    lines = {words for words in told if not words.startswith(others)}
    code = "".join(path.read_text() for path in (REPOSITORY / "stream").rglob("*.py"))
    assert lines
    assert {words for words in lines if f'"{words}' not in code} == set()


@needs_promtool
def test_prometheus_accepts_its_configuration_and_the_rules() -> None:
    """Prometheus does not start with a broken file."""
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "rules.yml")


@needs_promtool
def test_every_alert_fires_when_it_should_and_not_otherwise() -> None:
    """The stories are in `rules_test.yml`."""
    promtool("test", "rules", "rules_test.yml")
