"""The containers follow the Compose specification, reach no other machine, and start in order."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema

from benchmarks.deployment import LARGE_PAGES

REPOSITORY = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CONFIGURATION = [REPOSITORY / "docker-compose.yml", *(REPOSITORY / "grafana").rglob("*.yml")]

each_service = pytest.mark.parametrize("name", SERVICES)


def mounts(name: str) -> list[tuple[str, str]]:
    """Return (source, target) of a service's volumes."""
    split = [volume.split(":") for volume in SERVICES[name].get("volumes", [])]
    return [(parts[0], parts[1]) for parts in split]


def in_bytes(size: str) -> float:
    """Return a size as Docker and Valkey write it: 512m, 2g, 1gb."""
    number, unit = re.fullmatch(r"(\d+)([mg])b?", size, re.IGNORECASE).groups()  # type: ignore[union-attr]
    return int(number) * {"m": 2**20, "g": 2**30}[unit.lower()]


def memory_limit(name: str) -> float:
    """Return what a container may take, in bytes."""
    return in_bytes(SERVICES[name]["deploy"]["resources"]["limits"]["memory"])


def pins(name: str) -> dict[str, str]:
    """Return name -> version of a constraints file."""
    lines = (REPOSITORY / name).read_text().splitlines()
    found = (re.match(r"([a-z0-9-]+)==(\S+)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def test_the_image_asks_for_large_pages_as_the_page_says_and_the_benchmarks_do() -> None:
    """What was measured is what runs."""
    image, page = ((REPOSITORY / name).read_text() for name in ("Dockerfile", "docs/deploying.md"))
    told = " ".join(f"{name}={value}" for name, value in LARGE_PAGES.items())
    assert f"\nENV {told}\n" in image
    assert f"`{told}`" in page


def test_the_file_follows_the_compose_specification() -> None:
    """A misspelt key would otherwise be ignored, or show only where there is a Docker."""
    jsonschema.validate(COMPOSE, get_builtin_schema("vendor.compose-spec"))


@each_service
def test_every_mounted_path_exists(name: str) -> None:
    """Docker silently makes an empty folder of a missing one."""
    for source, _ in mounts(name):
        if source.startswith("."):
            assert (REPOSITORY / source).exists(), source
        else:
            assert source in COMPOSE["volumes"], source


@each_service
def test_every_published_port_is_bound_to_this_machine(name: str) -> None:
    """A port without an address is open to the network, past the host's own firewall."""
    for port in SERVICES[name].get("ports", []):
        assert str(port).startswith("127.0.0.1:"), port


@each_service
def test_every_dependency_is_a_service_that_can_fulfil_it(name: str) -> None:
    """Waiting for the health of a service that has no check is waiting for ever."""
    for needed, terms in SERVICES[name].get("depends_on", {}).items():
        assert needed in SERVICES
        if terms["condition"] == "service_healthy":
            assert "test" in SERVICES[needed]["healthcheck"], needed
        else:
            assert SERVICES[needed]["restart"] == "no", needed


@each_service
def test_every_image_is_pinned_to_a_version(name: str) -> None:
    """What was tried is what runs."""
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+(\.\d+)?", SERVICES[name]["image"]), SERVICES[name]["image"]


@each_service
def test_every_service_has_a_limit_and_says_when_it_restarts(name: str) -> None:
    """One that leaks must not take the machine along."""
    assert SERVICES[name]["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert "restart" in SERVICES[name]


def test_the_memory_that_is_given_is_enough_for_the_state_that_is_kept() -> None:
    """28 kB a workflow, twice where a shadow judges, too (docs/deploying.md); a store's file is rewritten."""
    workflows = int(SERVICES["worker"]["environment"]["CHAINBRAKE_WORKFLOWS_MAX"])
    assert 300e6 + 2 * 28e3 * workflows < memory_limit("worker")
    command = SERVICES["valkey"]["command"]
    assert 2 * in_bytes(command[command.index("--maxmemory") + 1]) <= memory_limit("valkey")


@pytest.mark.parametrize("path", CONFIGURATION, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_file_holds_a_credential(path: Path) -> None:
    """Nothing to leak, nothing to forget to change."""
    assert not re.search(r"(?i)password\s*:|secret\s*:|token\s*:|://[^/\s]+@", path.read_text())


def test_grafana_finds_the_dashboards_where_they_are_mounted() -> None:
    """The provider's path is the mount's."""
    provisioning = REPOSITORY / "grafana" / "provisioning" / "dashboards" / "chainbrake.yml"
    (provider,) = yaml.safe_load(provisioning.read_text())["providers"]
    assert ("./grafana/dashboards", provider["options"]["path"]) in mounts("grafana")


def test_the_image_installs_what_was_tested() -> None:
    """Its constraints are a part of those that the tests ran with."""
    assert pins("constraints-image.txt").items() <= pins("constraints.txt").items()
