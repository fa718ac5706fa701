"""Compiles the fold with mypyc, into a wheel that is asked for so, or into a folder: nothing else changes.

    CHAINBRAKE_COMPILED=1 pip wheel .        # the wheel holds what is compiled beside its source
    python -m tools.compiled_fold FOLDER     # a copy of the program, compiled in place

An editable install is never compiled: what is edited is what runs (`docs/decisions/0009-a-compiled-fold.md`).
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILED = (
    "models/baselines/expected.py",
    "models/baselines/forest_walk.py",
    "models/baselines/habits.py",
    "models/baselines/origins.py",
    "models/baselines/rates.py",
    "models/baselines/resemblance.py",
    "models/baselines/sequences.py",
    "models/baselines/shape.py",
    "models/baselines/shape_model.py",
    "models/baselines/surprise.py",
    "models/baselines/table.py",
    "models/baselines/unpacking.py",
    "detectors/allowed.py",
    "detectors/approvals.py",
    "detectors/asking.py",
    "detectors/judge.py",
    "detectors/making.py",
    "detectors/naming.py",
    "detectors/people.py",
    "detectors/risk.py",
    "detectors/steps.py",
    "detectors/warrants.py",
    "detectors/witnesses.py",
    "detectors/chains/absences.py",
    "detectors/chains/binding.py",
    "detectors/chains/counting.py",
    "detectors/chains/fields.py",
    "detectors/chains/following.py",
    "detectors/chains/matcher.py",
    "detectors/chains/read_then_write.py",
    "detectors/chains/registers.py",
    "detectors/learned/[!_]*.py",
    "detectors/rules/[!_]*.py",
)
"""What every event goes through. Records (`Struct`) and enums are in none of them: mypyc would leave out
what is said beside the name of their base class, and Python's own are as fast."""

PACKAGES = ("models", "detectors", "stream")
GROUP = "chainbrake"
ASKED = "CHAINBRAKE_COMPILED"
HERE = Path(__file__).parent
SLOTS = HERE / "slots.h"


class CompiledFold(BuildHookInterface[Any]):
    """Adds what is compiled to a wheel, where the environment asks for it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it puts a wheel together."""
        if version != "standard" or os.environ.get(ASKED) != "1":
            return
        self._folder = TemporaryDirectory(prefix="chainbrake-compiled-")
        build_data["pure_python"], build_data["infer_tag"] = False, True
        folder = Path(self._folder.name)
        for path in compile_into(folder, Path(self.root)):
            build_data["force_include"][str(path)] = path.relative_to(folder).as_posix()

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - hatchling's
        """Called when the wheel is there."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def compile_into(folder: Path, source: Path) -> list[Path]:
    """Copy the program into the folder and compile it there; the files that came of it."""
    reason = missing()
    if reason:
        sys.exit(f"cannot compile: {reason}. chainbrake runs without: leave {ASKED} out.")
    for package in PACKAGES:
        shutil.copytree(
            source / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.so")
        )
    subprocess.run(
        [sys.executable, Path(__file__).resolve(), "--in-place"],
        cwd=folder,
        env=os.environ | {"CC": compiler()},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    shutil.rmtree(folder / "build")
    return sorted(folder.rglob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"))


def compiler() -> str:
    """The C compiler that was named, the one that Python was made with, or the one of the wheel `ziglang`."""
    named = os.environ.get("CC") or str(sysconfig.get_config_var("CC") or "cc")
    for command in (named, "cc"):
        if shutil.which(shlex.split(command)[0]):
            return command
    return shlex.join([sys.executable, "-m", "ziglang", "cc"]) if find_spec("ziglang") else ""


def missing() -> str:
    """What is needed to compile and not there; empty if all is."""
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return "Python's own headers (Python.h) are not installed"
    if not find_spec("mypyc") or not find_spec("setuptools"):
        return "neither mypyc nor setuptools may be missing; constraints-compile.txt has both"
    return "" if compiler() else "there is no C compiler; the wheel ziglang has one"


def _in_place() -> None:
    """Compile what lies in the folder that this runs in: both tools go by the current folder alone."""
    from mypyc.build import include_dir, mypycify  # noqa: PLC0415 - whoever installs need not have it
    from setuptools import setup  # noqa: PLC0415 - same

    paths = sorted(path.as_posix() for pattern in COMPILED for path in Path().glob(pattern))
    extensions = mypycify(
        ["--ignore-missing-imports", *paths], opt_level="3", debug_level="0", group_name=GROUP
    )
    flags = ["-include", str(SLOTS.resolve()), "-Wno-unused-function"]
    for extension in extensions:
        extension.include_dirs.append(include_dir())
        extension.extra_compile_args = [*extension.extra_compile_args, *flags]  # one list is all of theirs
    setup(name=GROUP, packages=[], ext_modules=extensions, script_args=["build_ext", "--inplace"])


if __name__ == "__main__":
    if sys.argv[1:] == ["--in-place"]:
        _in_place()
    else:
        compile_into(Path(sys.argv[1]), HERE.parent)
