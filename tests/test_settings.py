"""Settings: what is no setting is told by its name, before anything is asked of a server."""

from pathlib import Path

import pytest

from models.errors import InputError, PolicyError, RegistryError, SettingsError
from stream.enforcement.gateway import run_gateway
from stream.settings import Settings, load_policy, load_registry, read_settings

NOWHERE = "127.0.0.1:1"


@pytest.mark.parametrize("servers", ["", "a:9092,", "localhost:abc", "http://a:1", "[::1", "a b:1"])
def test_an_address_of_the_broker_that_is_none_is_named(servers: str) -> None:
    """The client raises whatever it trips over."""
    with pytest.raises(SettingsError, match=r"is not host:port\[,host:port\]"):
        read_settings({"CHAINBRAKE_KAFKA": servers})


@pytest.mark.parametrize("servers", ["a", "a:9092", " a:1 , b:2", "[::1]:9092", "::1", "fe80::1"])
def test_an_address_of_the_broker_is_taken(servers: str) -> None:
    """As the client takes it."""
    assert read_settings({"CHAINBRAKE_KAFKA": servers}).kafka == servers


@pytest.mark.parametrize("setting", ["policy", "registry"])
@pytest.mark.parametrize("content", ["levels: 3\nnetworks: 3", None], ids=["broken", "missing"])
def test_a_gateway_with_a_broken_file_says_so_before_it_asks_for_a_broker(
    tmp_path: Path, setting: str, content: str | None
) -> None:
    """Nobody should look for the broker first, and be told of the file once that is up."""
    path = tmp_path / "file.yml"
    if content is not None:
        path.write_text(content)
    settings = read_settings({}, kafka=NOWHERE, **{setting: str(path)})
    with pytest.raises(InputError, match=str(path)):
        run_gateway(settings, "127.0.0.1", 0, "gateway")


def test_a_gateway_without_a_name_is_refused() -> None:
    """Nobody could read what it acknowledges."""
    with pytest.raises(SettingsError, match="--name ''"):
        run_gateway(Settings(kafka=NOWHERE), "127.0.0.1", 0, "")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("budget: {protected_agents: [a]}\nname: x\nbudget: {stops_per_minute_max: 5}\n", "3:1: budget"),
        ("name: x\ndetectors:\n  after_stop: {enabled: false}\n  after_stop: {}\n", "4:3: after_stop"),
        ('{"name": "x", "name": "y"}', "1:15: name"),
    ],
)
def test_a_policy_that_says_something_twice_is_refused(tmp_path: Path, text: str, place: str) -> None:
    """The first would be forgotten in silence: with it, whom it protects."""
    path = tmp_path / "policy.yml"
    path.write_text(text)
    with pytest.raises(PolicyError, match=f"{path}:{place} stands there twice"):
        load_policy(str(path))


def test_a_registry_that_says_something_twice_is_refused(tmp_path: Path) -> None:
    """A key, or an agent: only one of both would count."""
    path = tmp_path / "registry.yml"
    path.write_text("approvers: [a]\nissuers: [b]\napprovers: [c]\n")
    with pytest.raises(RegistryError, match=f"{path}:3:1: approvers stands there twice"):
        load_registry(str(path))
    path.write_text("agents: [{id: a, aws_role: x}, {id: a, aws_role: y}]\n")
    with pytest.raises(RegistryError, match=r"agents\[1\]\.id: 'a' is entered twice"):
        load_registry(str(path))
    path.write_text("agents: &all [{id: a}]\n")
    assert load_registry(str(path)).summary.startswith("1 agents")
