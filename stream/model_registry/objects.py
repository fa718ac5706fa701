"""Bytes by name that are written once: a folder, or whatever else fsspec reaches (an object store)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, ENOTDIR
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
from fsspec.implementations.local import LocalFileSystem

from models.errors import ModelRegistryError


class Objects:
    """Nothing is ever changed here, so readers meet whole files and writers cannot undo each other."""

    def __init__(self, url: str) -> None:
        """`url`: a folder, or an address such as `s3://bucket/baselines`. Raises `ModelRegistryError`."""
        bare = url.rstrip("/")
        self.url = bare if bare and not bare.endswith(":") else url  # the root of all folders, or of a store
        with self._told():
            self._files: Any
            self._files, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        self._root = root.rstrip("/")

    def read(self, name: str) -> bytes:
        """Its content. Raises `FileNotFoundError`, and `ModelRegistryError` for anything else."""
        with self._told():
            return bytes(self._files.cat_file(f"{self._root}/{name}"))

    def part(self, name: str, begin: int, end: int | None = None) -> bytes:
        """Some of its content: from the end where `begin` is negative. Raises as `read` does."""
        with self._told():
            return bytes(self._files.cat_file(f"{self._root}/{name}", start=begin, end=end))

    def names(self, folder: str) -> list[str]:
        """What is in a folder, sorted; half-written files are not."""
        with self._told():
            try:
                found = self._files.ls(f"{self._root}/{folder}", detail=False)
            except FileNotFoundError:
                return []
        names = sorted(str(path).rpartition("/")[2] for path in found)
        return [name for name in names if name and not name.startswith(".")]

    def require(self) -> None:
        """That the place is there. Raises `FileNotFoundError`, and `ModelRegistryError` as `read` does."""
        with self._told():
            self._files.info(self._root or "/")

    def require_writable(self, folder: str) -> None:
        """Where it can be told before anything is written. Raises `ModelRegistryError`."""
        if not isinstance(self._files, LocalFileSystem):
            return
        wanted = Path(f"{self._root}/{folder}").absolute()
        with self._told():
            there = next(path for path in (wanted, *wanted.parents) if path.exists())
            if not there.is_dir():
                raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR))
            if not os.access(there, os.W_OK):
                raise PermissionError(EACCES, os.strerror(EACCES))

    def create(self, name: str, content: bytes) -> bool:
        """Write what is not there yet; False if somebody has. It is there whole, or not at all."""
        path = f"{self._root}/{name}"
        with self._told():
            try:
                if isinstance(self._files, LocalFileSystem):
                    _create(Path(path), content)
                else:
                    self._files.pipe_file(path, content, mode="create")
            except FileExistsError:
                return False
            except FileNotFoundError as error:  # no such bucket
                raise ModelRegistryError(f"registry of baselines {self.url}: {error}") from error
        return True

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, FileExistsError, ModelRegistryError):
            raise
        except ImportError as error:
            driver = "pip install 'chainbrake[s3]'" if self.url.startswith("s3:") else "its driver of fsspec"
            raise ModelRegistryError(f"{self.url}: {error}; needed is {driver}") from error
        except Exception as error:  # every kind of store raises errors of its own
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise ModelRegistryError(f"registry of baselines {self.url}: {reason}") from error


def _create(path: Path, content: bytes) -> None:
    """Under another name first; a link, unlike a move, never replaces what is there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # no folder: not to be taken for the file that somebody else wrote
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(path.parent)) from error
    part = path.with_name(f".{path.name}.{uuid4().hex[:12]}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
