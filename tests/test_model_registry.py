"""The registry of baselines: what is kept, who put what to work, and what is refused."""

import json
import os
import sys
import tempfile
from errno import ENOSPC
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from typer.testing import CliRunner

from models.baselines.baseline import Baseline, read_artifact, write_artifact
from models.baselines.learning import learn
from models.baselines.signing import Signer
from models.errors import ArtifactError, InputError, ModelRegistryError
from models.event import Operation
from stream.commands.program import app
from stream.configuration.baseline_files import load_baseline
from stream.configuration.settings import Settings
from stream.model_registry import announcing
from stream.model_registry.announcement import Act, Announcement, Slot, decode, encode
from stream.model_registry.diff import difference
from stream.model_registry.hearing import overtaken
from stream.model_registry.objects import Objects
from stream.model_registry.registry import ModelRegistry, standing
from tests.builders import AGENT, SIGNER, START_MS, TRUSTED

PATH = Path("baseline.json")
STRANGER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
CHAINBRAKE = str(Path(sys.executable).with_name("chainbrake"))


def runs(sessions: int, agent: str = AGENT, pause_ms: int = 1_000) -> list[list[Operation]]:
    """Honest sessions of three steps."""
    return [
        [
            Operation(
                id=f"{agent}-{number}-{step}",
                source="test",
                at_ms=START_MS + number * 3_600_000 + step * pause_ms,
                workflow=f"w{number}",
                session=f"s{number}",
                agent=agent,
                agent_role="deployer",
                operation=("iam:ListRoles", "iam:GetRole", "s3:GetObject")[step],
            )
            for step in range(3)
        ]
        for number in range(sessions)
    ]


def artifact(sessions: int, signer: Signer = SIGNER, agent: str = AGENT) -> bytes:
    """A baseline's file; another number of sessions makes another version."""
    header, payload = learn(runs(sessions, agent), {})
    return write_artifact(header, payload, signer)


def loaded(content: bytes) -> Baseline:
    """The same, read."""
    return read_artifact(content, PATH, TRUSTED)


@pytest.fixture(params=["folder", "memory"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> ModelRegistry:
    """An empty one: in a folder, and in what fsspec has for a store that is none."""
    url = str(tmp_path / "models") if request.param == "folder" else f"memory://{tmp_path.name}"
    return ModelRegistry(Objects(url), TRUSTED)


def test_a_baseline_that_was_put_is_found_and_read(registry: ModelRegistry) -> None:
    """By its version, by its first digits; putting it twice changes nothing."""
    content = artifact(40)
    version = registry.put(content, PATH).version
    assert registry.put(content, PATH).version == version
    assert registry.versions() == [version]
    assert registry.find(version) == registry.find(version[9:13]) == version
    assert registry.read(version).content == content


def test_what_is_not_there_is_said(registry: ModelRegistry) -> None:
    """None, several, and slots that nothing fills."""
    first, second = (registry.put(artifact(number), PATH).version for number in (40, 41))
    assert first != second
    for told in ("ffff0000ffff", "", "baseline@", "live", "shadow"):
        with pytest.raises(ModelRegistryError):
            registry.find(told)
    with pytest.raises(ModelRegistryError, match="CHAINBRAKE_MODELS"):
        registry.read("baseline@000000000000")


def test_nothing_gets_in_that_workers_would_refuse(registry: ModelRegistry) -> None:
    """Unsigned by anybody trusted, changed, of another format: the registry is as it was."""
    good = artifact(40)
    for wrong in (artifact(40, STRANGER), good.replace(b"iam:GetRole", b"iam:GetRule"), b"{}", b""):
        with pytest.raises(ArtifactError):
            registry.put(wrong, PATH)
    assert registry.versions() == []


def test_a_file_changed_in_the_registry_is_not_read(tmp_path: Path) -> None:
    """Whoever can write into the folder still cannot make a baseline."""
    registry = ModelRegistry(Objects(str(tmp_path)), TRUSTED)
    version = registry.put(artifact(40), PATH).version
    other = artifact(41)
    (file,) = (tmp_path / "baselines").iterdir()
    file.write_bytes(other)
    with pytest.raises(ModelRegistryError, match=r"holds baseline@"):
        registry.read(version)
    file.write_bytes(other[:-20])
    with pytest.raises(ArtifactError):
        registry.read(version)


def test_a_file_that_workers_refuse_is_not_called_kept(tmp_path: Path) -> None:
    """Half copied, or signed by a key that nobody trusts any more: adding it again cannot mend that."""
    registry = ModelRegistry(Objects(str(tmp_path)), TRUSTED)
    content = artifact(40)
    version = registry.put(content, PATH).version
    (file,) = (tmp_path / "baselines").iterdir()
    for wrong in (content[:500], b"", artifact(40, STRANGER)):
        file.write_bytes(wrong)
        with pytest.raises(ModelRegistryError, match=r"workers refuse it: .*Remove"):
            registry.put(content, PATH)
    file.unlink()
    assert registry.put(content, PATH).version == version


def test_a_file_where_a_folder_should_be_is_no_promotion_by_somebody_else(tmp_path: Path) -> None:
    """Nor is anything said to be kept that is not."""
    (tmp_path / "history").write_text("")
    registry = ModelRegistry(Objects(str(tmp_path)), TRUSTED)
    registry.put(artifact(40), PATH)
    with pytest.raises(ModelRegistryError, match="Not a directory"):
        registry._objects.create("history/1.json", b"")  # noqa: SLF001
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "baselines").write_text("")
    with pytest.raises(ModelRegistryError, match="Not a directory"):
        ModelRegistry(Objects(str(tmp_path / "other")), TRUSTED).put(artifact(40), PATH)


def test_what_is_announced_must_be_the_very_file(registry: ModelRegistry) -> None:
    """The same payload signed anew is not what was announced."""
    version = registry.put(artifact(40), PATH).version
    said = registry.fill(Slot.LIVE, version, "ann", "first")
    assert registry.announced(said).baseline.version == version
    with pytest.raises(ModelRegistryError, match="not the file"):
        registry.announced(replace(said, sha256="0" * 64))


def test_promotion_and_rollback_are_a_stack(registry: ModelRegistry) -> None:
    """Back to what was live before, and before the first to none; a history of all of it."""
    one, two, three = (registry.put(artifact(number), PATH).version for number in (40, 41, 42))
    for version in (one, two, three):
        registry.fill(Slot.LIVE, version, "ann", "")
    assert registry.find("live") == three
    assert registry.roll_back("bob", "too many").version == two
    assert registry.roll_back("bob", "still").version == one
    registry.fill(Slot.LIVE, three, "ann", "mended")
    assert registry.roll_back("bob", "").version == one
    last = registry.roll_back("bob", "")
    assert (last.version, last.act, last.previous) == (None, Act.ROLLBACK, one)
    with pytest.raises(ModelRegistryError, match="nothing is live"):
        registry.roll_back("bob", "")
    history = registry.history()
    assert [entry.number for entry in history] == list(range(1, len(history) + 1))
    assert standing(history) == []


def test_nothing_needs_be_live(registry: ModelRegistry) -> None:
    """However many were promoted before; there is nothing to go back to then."""
    one, two = (registry.put(artifact(number), PATH).version for number in (40, 41))
    for version in (one, two):
        registry.fill(Slot.LIVE, version, "ann", "")
    off = registry.fill(Slot.LIVE, None, "ann", "keys were stolen")
    assert (off.act, off.version, off.previous) == (Act.EMPTY, None, two)
    with pytest.raises(ModelRegistryError, match="nothing is live"):
        registry.roll_back("ann", "")
    assert registry.fill(Slot.LIVE, one, "ann", "").previous is None


def test_slots_do_not_disturb_each_other(registry: ModelRegistry) -> None:
    """A shadow that comes and goes is no step of the live one."""
    one, two = (registry.put(artifact(number), PATH).version for number in (40, 41))
    registry.fill(Slot.LIVE, one, "ann", "")
    registry.fill(Slot.SHADOW, two, "ann", "")
    registry.fill(Slot.SHADOW, None, "ann", "")
    assert registry.find("live") == one
    assert registry.roll_back("ann", "").version is None
    with pytest.raises(ModelRegistryError, match="already"):
        registry.fill(Slot.SHADOW, None, "ann", "")


def test_of_two_who_promote_at_the_same_time_one_is_told(tmp_path: Path) -> None:
    """The second entry of a number is refused, whoever read the history before."""

    class Slow(Objects):
        """Somebody else's entry lands between its reading and its writing."""

        def create(self, name: str, content: bytes) -> bool:
            if name.startswith("history") and not (tmp_path / name).exists():
                assert super().create(name, encode(other))
            return super().create(name, content)

    version = ModelRegistry(Objects(str(tmp_path)), TRUSTED).put(artifact(40), PATH).version
    other = Announcement(slot=Slot.LIVE, act=Act.EMPTY, number=1, version=None, by="bob", at_ms=1)
    with pytest.raises(ModelRegistryError, match="somebody else"):
        ModelRegistry(Slow(str(tmp_path)), TRUSTED).fill(Slot.LIVE, version, "ann", "")
    assert [entry.by for entry in ModelRegistry(Objects(str(tmp_path)), TRUSTED).history()] == ["bob"]


@pytest.mark.parametrize("by", ["", "a" * 257])
def test_somebody_must_answer_for_it(registry: ModelRegistry, by: str) -> None:
    """No name, or one that no record takes."""
    version = registry.put(artifact(40), PATH).version
    with pytest.raises(InputError, match="by"):
        registry.fill(Slot.LIVE, version, by, "")
    assert registry.history() == []


@pytest.mark.parametrize("value", [None, b"", b"{}", b"[" * 100_000, b"\xff", b'{"slot":"best"}'])
def test_an_announcement_that_is_none_is_an_error_of_ours(value: bytes | None) -> None:
    """The worker passes it over; it must not end it."""
    with pytest.raises(InputError):
        decode(value)


def test_an_announcement_that_was_overtaken_is_passed_over() -> None:
    """By the registry's own count; another registry counts anew."""
    said = Announcement(slot=Slot.LIVE, act=Act.EMPTY, number=5, version=None, registry="a", by="b", at_ms=1)
    assert overtaken(replace(said, number=4), said)
    assert not overtaken(said, said)
    assert not overtaken(said, None)
    assert not overtaken(replace(said, number=1, registry="b"), said)
    lost = replace(said, number=1, at_ms=said.at_ms + 1)
    assert not overtaken(lost, said), "the registry began anew in its old place"


def test_a_registry_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    """No traceback of some store's client."""
    (tmp_path / "file").write_text("")
    for url in ("nosuchstore://bucket", str(tmp_path / "file")):
        with pytest.raises(ModelRegistryError):
            ModelRegistry(Objects(url), TRUSTED).put(artifact(40), PATH)


def test_a_bucket_that_is_not_there_is_a_message(tmp_path: Path) -> None:
    """S3 raises what a folder raises for a missing file."""
    objects = Objects(f"memory://{tmp_path.name}")

    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError("The specified bucket does not exist")

    objects._files = SimpleNamespace(pipe_file=missing)  # noqa: SLF001
    with pytest.raises(ModelRegistryError, match="bucket does not exist"):
        objects.create("history/1.json", b"")


def test_a_difference_names_who_is_known_now_and_what_moved() -> None:
    """Cohorts, counts and limits; nothing between a baseline and itself."""
    old, new = loaded(artifact(40)), loaded(artifact(60, agent="newcomer"))
    found = difference(old, new, 0.01, 1e-4)
    assert "agent newcomer" in found.gained
    assert f"agent {AGENT}" in found.lost
    assert found.header["sessions"] == (40, 60)
    assert found.header["metrics known sessions"] == (40.0, 60.0)
    same = difference(old, old, 0.01, 1e-4)
    assert (same.gained, same.lost, same.changes, same.header) == ([], [], [], {})
    assert same.unmoved > 0


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry for the commands, and no broker anywhere."""
    monkeypatch.setenv("CHAINBRAKE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("CHAINBRAKE_KAFKA", "127.0.0.1:1")
    return tmp_path


def said(*arguments: str) -> Any:
    """What a command of `models` prints."""
    return CliRunner().invoke(app, ["models", *arguments])


def test_commands_add_list_and_compare(place: Path) -> None:
    """What a data scientist does before anything is put to work."""
    for number in (40, 60):
        (place / f"{number}.json").write_bytes(artifact(number))
        assert said("add", str(place / f"{number}.json")).exit_code == 0
    rows = [json.loads(line) for line in said("list", "--json").stdout.splitlines()]
    assert sorted(row["sessions"] for row in rows) == [40, 60]
    old, new = (next(row["version"] for row in rows if row["sessions"] == n) for n in (40, 60))
    told = json.loads(said("diff", new, old, "--json").stdout)
    assert (told["old"], told["new"]) == (old, new)
    assert old in said("list").stdout


def test_what_stands_in_the_history_was_told_though_the_next_step_fails(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shadow is promoted, and somebody else is quicker in taking it out of its slot."""
    registry = ModelRegistry(Objects(str(place / "models")), TRUSTED)
    version = registry.put(artifact(40), PATH).version
    registry.fill(Slot.SHADOW, version, "ann", "")
    announced: list[Announcement] = []

    class Heard:
        """What the broker would have."""

        def __init__(self, _: object) -> None: ...
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...
        def tell(self, announcement: Announcement) -> None:
            announced.append(announcement)
            if announcement.slot is Slot.LIVE:
                number = announcement.number + 1
                (place / "models" / "history" / f"{number:08}.json").write_bytes(b"")

    monkeypatch.setattr(announcing, "Announcer", Heard)
    assert said("promote", version).exit_code != 0
    assert [(entry.slot, entry.version) for entry in announced] == [(Slot.LIVE, version)]


@pytest.mark.slow
def test_every_command_takes_a_baseline_of_the_registry(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name that commands and findings give it, and by its slot; a file of that name comes first."""
    registry = ModelRegistry(Objects(str(place / "models")), TRUSTED)
    version, other = (registry.put(artifact(number), PATH).version for number in (40, 60))
    registry.fill(Slot.LIVE, version, "ann", "")
    for told in (version, version[:14], "live"):
        done = CliRunner().invoke(app, ["check", "--baseline", told])
        assert done.exit_code == 0
        assert version in done.stdout
    for told in ("shadow", "baseline@", "baseline@ffffffffffff"):
        with pytest.raises(ModelRegistryError):
            load_baseline(Settings(baseline=told, models=str(place / "models")))
    monkeypatch.chdir(place)
    (place / "live").write_bytes(registry.read(other).content)
    found = load_baseline(Settings(baseline="live", models=str(place / "models")))
    assert found is not None
    assert found.version == other


def nothing_fits(*_paths: object) -> None:
    """A disk on which nothing more fits."""
    raise OSError(ENOSPC, os.strerror(ENOSPC))


def test_what_was_learned_is_not_lost_with_a_registry_that_takes_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept, and the message says where; what can be told before the work begins, is."""
    recording, left = place / "day.ndjson", place / "tmp"
    lines = [msgspec.json.encode(event) for run in runs(40) for event in run]
    recording.write_bytes(b"\n".join(lines) + b"\n")
    (place / "models").mkdir()
    (place / "models" / "baselines").write_text("a file, no folder")
    left.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(left))
    refused = said("train", str(recording), "--models", "nosuchstore://bucket")
    assert isinstance(refused.exception, ModelRegistryError)
    no_folder = said("train", str(recording))
    assert "Not a directory" in str(no_folder.exception)
    (place / "models" / "baselines").unlink()
    with monkeypatch.context() as read_only:
        read_only.setattr(os, "access", lambda path, _mode: path != place / "models")
        assert "Permission denied" in str(said("train", str(recording)).exception)
    assert list(left.iterdir()) == []
    with monkeypatch.context() as full:
        full.setattr(os, "link", nothing_fits)
        failed = said("train", str(recording))
    assert isinstance(failed.exception, ModelRegistryError)
    assert "What was learned: chainbrake models add" in str(failed.exception)
    (kept,) = left.glob("*/baseline.json")
    assert said("add", str(kept)).exit_code == 0
    assert said("train", str(recording)).exit_code == 0
    assert list(left.glob("*/baseline.json")) == [kept]
