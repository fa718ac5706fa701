"""Recordings beside the repository (`../shared/data`), and how many mutations of records are tried."""

import os
from pathlib import Path

from hypothesis import settings

BESIDE = [folder / "shared" / "data" for folder in Path(__file__).parents[2:]]
SHARED = next((folder for folder in BESIDE if folder.is_dir()), BESIDE[0])
"""Beside the repository, or beside what a work tree of it is in."""

MUTATIONS = settings(max_examples=int(os.environ.get("TEST_MUTATIONS", "200")), derandomize=True)
"""`make corpus` asks for many more."""
