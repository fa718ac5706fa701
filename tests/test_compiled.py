"""A compiled fold judges exactly as the pure one does, and nobody runs it by mistake."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks.digest import Digest
from benchmarks.traffic import train_baseline
from stream.build import fold_build
from tools.compiled_fold import COMPILED, compile_into, missing

REPOSITORY = Path(__file__).parent.parent
START_MS = 1_780_000_000_000
EVENTS = 30_000
PLAIN = {"ByCohort", "Detector", "Generic", "MutableMapping", "NamedTuple"}

pytestmark = pytest.mark.timeout(900)  # compiling alone takes a minute of a quiet core


def modules() -> list[Path]:
    """All that are compiled."""
    return [path for pattern in COMPILED for path in sorted(REPOSITORY.glob(pattern))]


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.stem)
def test_a_compiled_module_declares_no_record(path: Path) -> None:
    """Mypyc drops what is said beside the name of its base class: `frozen`, `array_like`, `gc=False`."""
    declared = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    assert {ast.unparse(base).partition("[")[0] for node in declared for base in node.bases} <= PLAIN
    assert not any(node.keywords or node.decorator_list for node in declared)


def test_every_pattern_names_something() -> None:
    """A module that was renamed would silently be compiled no more."""
    assert all(list(REPOSITORY.glob(pattern)) for pattern in COMPILED)


def test_what_is_edited_is_what_runs() -> None:
    """No compiled file lies beside the source: it would be loaded in its place, however old."""
    assert fold_build() == "pure"
    assert not [*REPOSITORY.glob("models/**/*.so"), *REPOSITORY.glob("detectors/**/*.so")]


def test_where_it_cannot_be_compiled_one_line_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is left behind: the program runs without."""
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    with pytest.raises(SystemExit, match=r"cannot compile: .*Python\.h.*runs without"):
        compile_into(tmp_path, REPOSITORY)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program, compiled."""
    reason = missing()
    if reason:
        pytest.skip(f"cannot compile: {reason}")
    folder = tmp_path_factory.mktemp("compiled")
    assert compile_into(folder, REPOSITORY)
    return folder


def digest(program: Path, baseline: Path) -> Digest:
    """What that copy of the program makes of the events."""
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.digest", baseline, str(EVENTS)],
        env=os.environ | {"PYTHONPATH": f"{program}{os.pathsep}{REPOSITORY}", "PYTHONSAFEPATH": "1"},
        capture_output=True,
        check=True,
    )
    return msgspec.json.decode(ran.stdout, type=Digest)


@pytest.mark.corpus
def test_both_builds_find_order_and_remember_the_same(compiled: Path, tmp_path: Path) -> None:
    """Bit by bit: findings, commands, counts and what is stored."""
    baseline = train_baseline(tmp_path, START_MS, events=30_000)
    fast, pure = digest(compiled, baseline), digest(REPOSITORY, baseline)
    assert (fast.fold, pure.fold) == ("compiled", "pure")
    assert pure.findings > EVENTS // 20, "too little is found to compare"
    assert (fast.findings, fast.commands, fast.digest) == (pure.findings, pure.commands, pure.digest)
