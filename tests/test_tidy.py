"""The laws of the code, read from the code itself."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from detectors.catalog import NAMES
from detectors.thresholds import DetectorSettings
from stream import metrics
from tests.detectors.stories import FIRES, MUST_NOT

REPOSITORY = Path(__file__).parent.parent
BELOW = {
    "models": {"models"},
    "detectors": {"models", "detectors"},
    "stream": {"models", "detectors", "stream"},
}
"""What each package may import of ours: imports point down."""
PURE = ("models", "detectors")

PURE_IMPORTS = {
    *(
        "abc",
        "array",
        "ast",
        "bisect",
        "collections",
        "dataclasses",
        "datetime",
        "difflib",
        "enum",
        "fnmatch",
        "functools",
    ),
    *("hashlib", "heapq", "ipaddress", "itertools", "math", "operator", "pathlib", "re", "types", "typing"),
    "weakref",
    *("difflib", "unicodedata", "zlib"),
    *("models", "detectors", "msgspec", "numpy"),
}
"""All that models and detectors may import: no clock, no network, no chance. Errors name files: pathlib."""
LEARNING_IMPORTS = {"scipy", "sklearn"}
LEARNING = tuple(
    f"models/baselines/{name}.py" for name in ("pace_learning", "forest_learning", "resemblance_fit")
)
SIGNING_IMPORTS = {"cryptography"}
MORE_IMPORTS = {**dict.fromkeys(LEARNING, LEARNING_IMPORTS), "models/baselines/signing.py": SIGNING_IMPORTS}
"""A signature depends on its input alone: no chance in Ed25519."""
MEASURING = "stream/evaluation/statistics.py"
REPORTING_IMPORTS = {"jinja2", "matplotlib", "pyarrow"}
REPORTING = ("stream/evaluation/report/", "stream/recordings/parquet.py")

IMPURE_CALLS = {"now", "utcnow", "today", "time", "perf_counter", "monotonic", "urandom"}
IMPURE_CALLS |= {"open", "read_bytes", "read_text", "write_bytes", "write_text", "stat", "exists", "unlink"}
IMPURE_CALLS |= {"input", "print", "eval", "exec", "__import__", "shuffle", "default_rng", "seed"}

LINES_MAX = 400
FUNCTION_LINES_MAX = 60
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc"}
HEADINGS = ("## What it sees", "## What it misses", "## How to tune it")

OTHER_UNITS = re.compile(r"_(ms|us|millis|minutes|kb|mb|kilobytes|percent)(_|$)")
LABELS = {
    *(
        "result",
        "reason",
        "slot",
        "told",
        "of",
        "detector",
        "action",
        "verdict",
        "outcome",
        "certainty",
        "dependency",
        "policy",
        "model",
        "mode",
        "fold",
    ),
    *(
        "hook",
        "topic",
        "partition",
        "source",
        "level",
        "grade",
        "system_kind",
        "op_class",
        "state",
        "role",
        "mode",
    ),
}
"""Labels with few values; a session, an agent, an operation, a workflow or a target is never one."""

HOSTS = (
    *(
        "pypi.",
        "pythonhosted.",
        "repo1.maven.",
        "repo.maven.",
        "registry.npmjs.",
        "crates.io",
        "proxy.golang.",
    ),
    *("docker.io", "ghcr.io", "quay.io", "conda.anaconda.", "releases/download/"),
)
MACHINE_PATHS = re.compile(r"(?<![\w.$}~/-])/(?:work|root|farm)(?:/|(?![-.\w]))")


@cache
def tracked() -> tuple[Path, ...]:
    """All files in version control, or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return tuple(path for name in listed.stdout.splitlines() if (path := REPOSITORY / name).is_file())


@cache
def modules(*folders: str) -> tuple[Path, ...]:
    """All Python files, or those below these folders."""
    every = [path for path in tracked() if path.suffix == ".py"]
    return tuple(path for path in every if not folders or path.relative_to(REPOSITORY).parts[0] in folders)


@cache
def tree_of(path: Path) -> ast.Module:
    """The module, parsed."""
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    """The path as a reader would say it."""
    return path.relative_to(REPOSITORY).as_posix()


def imports(path: Path) -> set[str]:
    """Top-level packages that a module imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: a relative import"
            found.add((node.module or "").partition(".")[0])
    return found


def called(node: ast.Call) -> str:
    """The last name of what is called."""
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


@pytest.mark.parametrize("package", BELOW)
def test_imports_point_down(package: str) -> None:
    """Stream acts, detectors judge, models describe: nothing below knows what stands above it."""
    for path in modules(package):
        above = imports(path) & {"models", "detectors", "stream", "tests", "demo", "sandbox", "benchmarks"}
        assert above <= BELOW[package], f"{name_of(path)} imports {above - BELOW[package]}"


@pytest.mark.parametrize("path", modules(*PURE), ids=name_of)
def test_what_judges_is_pure(path: Path) -> None:
    """No clock, no network, no chance, no file, nothing asynchronous: time comes in with the event."""
    allowed = PURE_IMPORTS | MORE_IMPORTS.get(name_of(path), set())
    assert imports(path) <= allowed, f"{name_of(path)} imports {imports(path) - allowed}"
    for node in ast.walk(tree_of(path)):
        where = f"{name_of(path)}:{getattr(node, 'lineno', 0)}"
        asynchronous = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith
        assert not isinstance(node, asynchronous), f"{where} is asynchronous"
        assert not isinstance(node, ast.Global), f"{where} changes a global"
        if isinstance(node, ast.Call):
            assert called(node) not in IMPURE_CALLS, f"{where} calls {called(node)}"


@pytest.mark.parametrize("path", modules("models", "detectors", "stream"), ids=name_of)
def test_only_learning_needs_the_learning_libraries(path: Path) -> None:
    """A worker loads plain data; it starts without scikit-learn."""
    if name_of(path) not in {*LEARNING, MEASURING}:
        assert not imports(path) & LEARNING_IMPORTS


@pytest.mark.parametrize("path", modules("models", "detectors", "stream"), ids=name_of)
def test_only_reports_and_parquet_need_the_extra(path: Path) -> None:
    """Whoever installs chainbrake for a worker has none of it."""
    if not name_of(path).startswith(REPORTING):
        assert not imports(path) & REPORTING_IMPORTS


@pytest.mark.slow
def test_a_worker_starts_without_what_only_scientists_need() -> None:
    """Neither the command line nor the worker pulls it in, by whatever way."""
    unwanted = LEARNING_IMPORTS | REPORTING_IMPORTS
    code = (
        f"import sys, stream.commands.program, stream.worker.process; print(*{unwanted!r} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.slow
def test_help_does_not_wait_for_what_only_some_commands_need() -> None:
    """Numbers, signatures, object stores, detectors and clients take half a second to load."""
    unwanted = {"numpy", "cryptography", "fsspec", "detectors.catalog", "structlog", "kafka", "redis"}
    code = f"import sys, stream.commands.program; print(*{unwanted!r} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("path", [path for path in modules() if path.name == "__init__.py"], ids=name_of)
def test_a_package_says_one_sentence_and_imports_nothing(path: Path) -> None:
    """Names are imported from the module that defines them: there are no import cycles to untangle."""
    body = tree_of(path).body
    assert len(body) == 1, "more than a docstring"
    text = ast.get_docstring(tree_of(path)) or ""
    assert text.endswith("."), "no sentence"
    assert "\n" not in text, "more than one line"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_is_short_and_has_a_telling_name(path: Path) -> None:
    """A file holds one idea, and a function fits a screen."""
    assert path.stem not in VAGUE_NAMES
    assert len(path.read_text().splitlines()) <= LINES_MAX
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, f"{node.name} has {length} lines"


@pytest.mark.parametrize("name", NAMES)
def test_a_detector_has_a_page_settings_and_both_kinds_of_story(name: str) -> None:
    """What it sees, what it misses, how to tune it; sessions that fire, and look-alikes that must not."""
    page = (REPOSITORY / "docs" / "detectors" / f"{name}.md").read_text()
    for heading in HEADINGS:
        assert f"\n{heading}\n" in page, heading
    assert name in DetectorSettings.__struct_fields__
    for setting in getattr(DetectorSettings(), name).__struct_fields__:
        assert f"`{setting}`" in page, f"the page does not say what {setting} does"
    assert FIRES[name], "no session that fires"
    assert MUST_NOT[name], "no look-alike that must not"


def test_settings_pages_and_stories_are_of_detectors_that_exist() -> None:
    """What was removed leaves nothing behind."""
    assert set(DetectorSettings.__struct_fields__) == set(NAMES)
    assert {path.stem for path in (REPOSITORY / "docs" / "detectors").glob("*.md")} == set(NAMES)
    assert set(FIRES) == set(MUST_NOT) == set(NAMES)


def test_no_file_names_a_download_address_or_a_machine() -> None:
    """What is here runs wherever it is cloned, from whichever mirror is configured there."""
    for path in tracked():
        try:
            content = path.read_text()
        except UnicodeDecodeError:
            continue
        if path == Path(__file__):
            continue
        for number, line in enumerate(content.splitlines(), 1):
            found = [host for host in HOSTS if host in line] + MACHINE_PATHS.findall(line)
            assert not found, f"{name_of(path)}:{number}: {line.strip()[:160]}"


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("constraints*.txt")), ids=name_of)
def test_every_pin_has_its_hashes(path: Path) -> None:
    """What is installed is, to the byte, what was tried."""
    pins = re.split(r"\n(?=\S)", path.read_text().strip())
    assert pins
    for pin in pins:
        assert re.match(r"[A-Za-z0-9._-]+==\S+", pin), pin.splitlines()[0]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", pin), pin.splitlines()[0]


def the_metrics() -> dict[str, MetricWrapperBase]:
    """Name in the module: the metric."""
    return {name: value for name, value in vars(metrics).items() if isinstance(value, MetricWrapperBase)}


@pytest.mark.parametrize("metric", the_metrics().values(), ids=the_metrics())
def test_a_metric_follows_the_conventions_and_has_bounded_labels(metric: MetricWrapperBase) -> None:
    """Counters end in _total, times are in seconds, and no label grows with the traffic."""
    (family,) = metric.describe()
    assert re.fullmatch(r"chainbrake_[a-z][a-z0-9_]*", family.name)
    assert not OTHER_UNITS.search(family.name), "not a base unit"
    assert not family.name.endswith("_total"), "the client adds _total"
    if isinstance(metric, Histogram):
        assert family.name.endswith(("_seconds", "_bytes"))
    else:
        assert isinstance(metric, Counter | Gauge)
    assert family.documentation
    assert set(metric._labelnames) <= LABELS  # noqa: SLF001 - the client has no public way to ask
