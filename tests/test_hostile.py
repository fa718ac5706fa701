"""Commands as somebody in a hurry types them: what is wrong is one line and an exit code, no traceback."""

import os
import sys
from pathlib import Path

import pytest

from models.errors import InputError
from stream.configuration.settings import Settings
from stream.model_registry.objects import Objects
from stream.recordings.files import require_place, write_whole
from tests.builders import CHAIN as STOPPED
from tests.builders import artifact, told
from tests.chains.test_language import CHAIN
from tests.test_cli import Run, lines, run
from tests.test_model_registry import runs

__all__ = ["run"]  # the fixture


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user stands: events, a baseline, and much that is neither."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAINBRAKE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("CHAINBRAKE_KAFKA", "127.0.0.1:1")
    (tmp_path / "events.ndjson").write_bytes(lines(*(event for each in runs(40) for event in each)))
    (tmp_path / "b.json").write_bytes(artifact())
    (tmp_path / "half.json").write_bytes(artifact()[:5000])
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_bytes(b"hello\n")
    (tmp_path / "nothing").mkdir()
    return tmp_path


WRONG = [
    *(("score", name, "--baseline", "b.json") for name in ("empty", "text", "nothing", "none", "b.json", "")),
    *(("evaluate", name, "--baseline", "b.json") for name in ("empty", "text", "nothing", "none", "b.json")),
    *(("score", name, "--baseline", "b.json", "--json") for name in ("empty", "text")),
    *(("train", name, "--out", "o.json") for name in ("empty", "text", "nothing", "none", "")),
    *(("train", "events.ndjson", "--out", to) for to in ("", "-", "nothing", "text/o", "no/o", "/dev/null")),
    *(("evaluate", "events.ndjson", "--baseline", "b.json", "--out", to) for to in ("nothing", "/dev/null")),
    *(
        (command, "events.ndjson", "--baseline", wrong, *more)
        for command, more in (("score", ()), ("evaluate", ()), ("train", ("--out", "o.json")))
        for wrong in ("none", "half.json", "empty", "text", "nothing", "live", "baseline@0", "", "s3://a/b")
    ),
    *(("models", "add", name) for name in ("none", "half.json", "empty", "text", "nothing", "-", "")),
    *(
        ("models", *command, "--models", url)
        for command in (("list",), ("add", "b.json"), ("promote", "abc"), ("train", "events.ndjson"))
        for url in ("text", "nosuch://a/b", "gs://bucket/models")
    ),
    *(
        ("models", what, name)
        for what in ("promote", "shadow", "diff")
        for name in ("", "zz", "../x", "live")
    ),
    ("models", "announce"),
    ("models", "evaluate", "live", "events.ndjson"),
    ("models", "promote"),
    ("models", "shadow", "b", "--off"),
    ("release", "", "--workflow", "w", "--by", "ann"),
    ("dispose", "s", "--workflow", "w", "--about", "", "--by", "ann", "--false-positive"),
    ("dispose", "s", "--workflow", "w", "--about", "c", "--by", "ann"),
]


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_what_is_wrong_is_one_line_and_an_exit_code(run: Run, folder: Path, words: tuple[str, ...]) -> None:
    """Of the command line itself it is Typer's box; nothing is written that was not there."""
    before = sorted(path for path in folder.rglob("*") if path.is_file())
    ran = run(*words)
    assert ran.code == 2
    said = ran.err.splitlines()
    assert said[0].startswith("Usage:") or (len(said) == 1 and said[0].startswith("error: "))
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == before
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--detector", "unusual_velocty"), "did you mean unusual_velocity? valid are after_stop, "),
        (("--detector", "after_stop", "--detector", "looked_first"), "'looked_first' is no detector, chain"),
        (("--detector", "planner_executor:crossing"), "'planner_executor:crossing' is no detector, chain"),
        (("--detector", "looked_first", "--chains", "mine.yml"), ""),
        (("--detector", "planner_executor"), ""),
    ],
    ids=str,
)
def test_whose_finding_it_was_has_to_be_a_detector(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    """A worker counts a name that it does not know for nobody: the analyst would never be told."""
    sent: list[str] = []

    def send(_settings: object, _subject: object, _about: str, named: list[str], *, right: bool) -> str:
        assert not right
        sent.extend(named)
        return "e1"

    monkeypatch.setattr("stream.enforcement.release.send_disposition", send)
    (folder / "mine.yml").write_text(CHAIN.replace("name: mine", "name: looked_first"))
    ran = run("dispose", "s", "--workflow", "w", "--about", "c", "--by", "ann", "--false-positive", *words)
    assert (ran.code, sent) == ((2, []) if said else (0, [words[1]]))
    assert said in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("train", "events.ndjson", "--out", "o.json"),
        ("score", "events.ndjson", "--baseline", "b.json"),
        ("evaluate", "events.ndjson", "--baseline", "b.json"),
    ],
    ids=str,
)
def test_a_format_that_there_is_not_is_answered_with_those_that_there_are(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Those of whole runs, too, which are for learning alone; and nothing is made before it is looked at."""
    if words[0] == "train":  # the others read what is signed already
        monkeypatch.setenv("CHAINBRAKE_KEYS", str(folder / "keys"))
    ran = run(*words, "--source", "agent-run")
    assert ran.code == 2
    assert "'agent-run' is not known; did you mean agent-runs? known are aws.cloudtrail, " in ran.err
    assert ran.err.strip().endswith("scenario, agent-runs, hdfs")
    assert not (folder / "keys").exists()


def test_a_worker_is_given_what_a_replay_is_given(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has tried it on a recording runs it with the same words."""
    heard: list[Settings] = []
    monkeypatch.setattr("stream.worker.process.run_worker", lambda settings, **_: heard.append(settings))
    options = ("policy", "baseline", "registry", "chains", "sigma")
    ran = run("run", *(word for name in options for word in (f"--{name}", f"{name}.yml")))
    assert ran.code == 0, ran.err
    (settings,) = heard
    assert [getattr(settings, name) for name in options] == [f"{name}.yml" for name in options]


def test_the_provider_alone_is_answered_with_its_source(run: Run, folder: Path) -> None:
    """Nobody knows the second half of the name by heart."""
    said = run("replay", folder / "events.ndjson", "--source", "aws").err
    assert "did you mean aws.cloudtrail? known are " in said


def test_a_store_without_its_driver_says_what_brings_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is ours, and fsspec cannot know it."""
    monkeypatch.setitem(sys.modules, "s3fs", None)
    ran = run("models", "list", "--models", "s3://bucket/models")
    assert ran.code == 2
    assert "pip install 'chainbrake[s3]'" in ran.err


def test_a_backtest_of_a_wrong_source_says_what_could_not_be_read(run: Run, folder: Path) -> None:
    """As a replay does: an empty table looks like a quiet day."""
    path = folder / "events.ndjson"
    said = run("backtest", path, "--source", "okta.system_log").err
    assert said.startswith(f"first dead letter: line 0 (from 0) of {path} is no record of okta.system_log: ")
    assert run("backtest", folder / "events.ndjson", "--source", "okta.system_log", "--json").err == ""


def test_a_line_that_cannot_be_read_is_counted_in_its_own_file(run: Run, folder: Path) -> None:
    """Of many files, nobody could tell which one a number over all of them is about."""
    (logs := folder / "logs").mkdir()
    good, bad = logs / "a.ndjson", logs / "b.ndjson"
    good.write_bytes(chain := lines(*told(STOPPED)))
    bad.write_bytes(chain + b"{\n")
    place = f"line {len(told(STOPPED))} (from 0) of {bad}"
    for files in ([logs], [good, bad]):
        assert f"{place} is no record of events: not_json" in run("replay", *files).err
    assert f"{place} is no record of events: not_json" in run("backtest", good, bad).err
    assert f"; {place}: " in run("train", logs, "--out", folder / "o.json").err  # nobody to learn from


def test_a_revoked_token_is_named(run: Run, folder: Path) -> None:
    """A session may have several: two lines alike would look like one that is told twice."""
    (folder / "chain.ndjson").write_bytes(lines(*told(STOPPED)))
    (line,) = [line for line in run("replay", "chain.ndjson").out.splitlines() if "revoke_token" in line]
    assert " s1  cred-7  " in line


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    """A device that a baseline is written to would be gone for everybody; so would a pipe."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is no file"):
        write_whole(tmp_path / "pipe", b"x")
    with pytest.raises(InputError, match="is no file"):
        require_place(Path("/dev/null"))
    assert not (tmp_path / "pipe").is_file()


def test_half_of_a_file_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor what was there before it lost."""
    (tmp_path / "b.json").write_bytes(b"before")

    def full(path: Path, _: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        write_whole(tmp_path / "b.json", b"after")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"b.json": b"before"}


def test_the_root_of_a_store_keeps_its_name() -> None:
    """A slash at the end of another address says nothing."""
    assert Objects("memory://").url == "memory://"
    assert Objects("/").url == "/"
    assert Objects("memory://a/").url == "memory://a"
