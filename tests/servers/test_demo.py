"""The demo is a promise to whoever tries chainbrake first: it works, and it says what it showed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "demo"]
DEMO_S_MAX = 180.0
STOP_S_MAX = 30.0


def environment(tmp_path: Path, **changed: str) -> dict[str, str]:
    """Ours, with temporary files where we can look for what is left of them."""
    return {**os.environ, "TMPDIR": str(tmp_path), **changed}


@pytest.mark.timeout(DEMO_S_MAX + STOP_S_MAX)
def test_the_demo_stops_the_rogue_and_nobody_else(tmp_path: Path) -> None:
    """Its exit code is its own verdict on that."""
    done = subprocess.run(
        DEMO,
        cwd=REPOSITORY,
        env=environment(tmp_path, CHAINBRAKE_TOPIC_PREFIX="set-in-this-shell"),
        capture_output=True,
        text=True,
        timeout=DEMO_S_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-4000:]
    assert "STOPPED: incident-help" in done.stdout
    assert "incident-help was stopped" in done.stdout
    assert "403 refused" in done.stdout
    assert "/metrics" in done.stdout
    assert list(tmp_path.glob("chainbrake-demo-*")) == []


@pytest.mark.timeout(DEMO_S_MAX + STOP_S_MAX)
def test_a_demo_that_is_kept_ends_with_ctrl_c_and_leaves_nothing_running(tmp_path: Path) -> None:
    """It names every address, and then stops all of it."""
    with subprocess.Popen(
        DEMO,
        cwd=REPOSITORY,
        env=environment(tmp_path, DEMO_KEEP="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("gateway "):
                break
        os.killpg(process.pid, signal.SIGINT)  # as a terminal would
        assert process.wait(timeout=STOP_S_MAX) == 0, said
    for part in ("Kafka ", "Valkey ", "worker ", "gateway "):
        assert any(line.startswith(part) for line in said.splitlines()), said
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path) in _read(path)]
    assert left == []


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""
