"""`chainbrake models list`: read by headers, and what is wrong with a file is told."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from models.errors import ModelRegistryError
from stream.model_registry.objects import Objects
from stream.model_registry.registry import ModelRegistry
from tests.builders import TRUSTED
from tests.test_model_registry import PATH, STRANGER, artifact, said


def older(content: bytes) -> bytes:
    """The same, as if an earlier build had made it."""
    return content.replace(b'"version":5', b'"version":4', 1)


def test_a_header_is_read_without_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the whole file has it; what may be of any size is not fetched for it."""
    registry = ModelRegistry(Objects(str(tmp_path)), TRUSTED)
    version = registry.put(artifact(40), PATH).version
    whole = registry.read(version).baseline.header

    def fetched(*_: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(Objects, "read", fetched)
    assert registry.header(version) == whole


def test_a_header_that_does_not_come_first_or_is_large_is_found_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer's order of fields, and more agents than are looked for."""
    registry = ModelRegistry(Objects(str(tmp_path)), TRUSTED)
    content = artifact(40)
    version = registry.put(content, PATH).version
    parts = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    (file,) = (tmp_path / "baselines").iterdir()
    file.write_bytes(msgspec.json.encode({name: parts[name] for name in ("payload", "signature", "header")}))
    assert registry.header(version).sessions == 40
    file.write_bytes(content)
    monkeypatch.setattr("stream.model_registry.registry.HEADER_BYTES_MAX", 100)
    assert registry.header(version).sessions == 40


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda content: content[: len(content) // 2], "its end is missing"),
        (lambda content: content[:100], "not a baseline"),
        (lambda _: b"", "not a baseline"),
        (lambda content: content.replace(b'"signature"', b'"signiture"'), "not signed"),
        (lambda content: content.replace(b'"sessions":40', b'"sessions":41', 1), "changed since"),
        (lambda _: artifact(40, STRANGER), "not trusted here"),
        (older, "version 4; this build reads"),
        (lambda _: artifact(41), "holds baseline@"),
        (lambda content: content.replace(b'"format"', b'"farmot"', 1), "not a baseline"),
    ],
)
def test_what_is_wrong_with_a_baseline_is_in_the_list(
    tmp_path: Path, wrong: Callable[[bytes], bytes], told: str
) -> None:
    """One line for it, and the others are listed as ever."""
    registry = ModelRegistry(Objects(str(tmp_path)), TRUSTED)
    good, bad = (registry.put(artifact(number), PATH).version for number in (60, 40))
    file = tmp_path / "baselines" / f"{bad.removeprefix('baseline@')}.json"
    file.write_bytes(wrong(file.read_bytes()))
    for more in ((), ("--check",)):
        done = said("list", "--json", "--models", str(tmp_path), *more)
        rows = {row["version"]: row for row in map(json.loads, done.stdout.splitlines())}
        assert (done.exit_code, set(rows)) == (0, {good, bad})
        assert rows[good]["sessions"] == 60
        assert "refused" in rows[bad]
        if not more:
            assert told in rows[bad]["refused"]


def test_what_only_a_whole_reading_finds_is_found_on_demand(tmp_path: Path) -> None:
    """Content that does not fit its checksum."""
    registry = ModelRegistry(Objects(str(tmp_path)), TRUSTED)
    registry.put(artifact(40), PATH)
    (file,) = (tmp_path / "baselines").iterdir()
    file.write_bytes(file.read_bytes().replace(b"iam:GetRole", b"iam:GetRule"))
    assert "refused" not in said("list", "--models", str(tmp_path)).stdout
    assert "checksum does not fit" in said("list", "--json", "--models", str(tmp_path), "--check").stdout


MISSING = (
    ("list",),
    ("list", "--json"),
    ("diff", "abc"),
    ("evaluate", "live", "recorded.ndjson"),
    ("promote", "abc"),
    ("promote", "--off"),
    ("shadow", "abc"),
    ("rollback",),
    ("announce",),
)


@pytest.mark.parametrize("command", MISSING, ids=" ".join)
@pytest.mark.parametrize("named", ["option", "setting"])
def test_a_place_that_is_not_there_is_no_empty_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], named: str
) -> None:
    """Whoever mistypes it is told so, before a broker is asked; nothing is made there."""
    url = str(tmp_path / "mdoels")
    more = ("--models", url) if named == "option" else ()
    monkeypatch.setenv("CHAINBRAKE_MODELS", "" if more else url)
    done = said(*command, *more)
    assert isinstance(done.exception, ModelRegistryError)
    assert str(done.exception).startswith(f"registry of baselines {url}: there is nothing of that name")
    assert (done.stdout, Path(url).exists()) == ("", False)


def test_the_first_baseline_makes_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the user's own needs no baseline to be looked at; one that is named is there after the first."""
    monkeypatch.setenv("CHAINBRAKE_MODELS", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    done = said("list")
    assert (done.exit_code, "no baseline yet" in done.stdout) == (0, True)
    ModelRegistry(Objects(str(tmp_path / "there")), TRUSTED).put(artifact(40), PATH)
    assert said("list", "--models", str(tmp_path / "there")).exit_code == 0
    with pytest.raises(ModelRegistryError, match="there is nothing of that name"):
        ModelRegistry(Objects(f"memory://{tmp_path.name}"), TRUSTED).require()


def test_whoever_names_no_version_of_it_is_told_where_they_all_are(tmp_path: Path) -> None:
    """As a command that can be copied, wherever the registry is."""
    url = str(tmp_path / "a place")
    ModelRegistry(Objects(url), TRUSTED).put(artifact(40), PATH)
    for told, wrong in (("live", "nothing is live"), ("zz", "there is no baseline 'zz'")):
        with pytest.raises(ModelRegistryError, match=wrong) as error:
            ModelRegistry(Objects(url), TRUSTED).find(told)
        assert str(error.value).endswith(f"ll are in: chainbrake models list --models '{url}'")
