"""A worker's own copy of the baseline that was live last: it starts although the registry does not answer.

The copy is vouched for as every baseline is, by its signature; what is announced it is only if the announced
checksum says so.
"""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import structlog

from models.baselines.baseline import Baseline, read_artifact
from models.baselines.signing import Trusted
from models.errors import ChainbrakeError, SettingsError
from stream.configuration.keys import trusted_keys
from stream.configuration.settings import Settings, user_folder
from stream.model_registry.announcement import Act, Announcement

log = structlog.stdlib.get_logger(__name__)

COPIES = Path("chainbrake", "baselines")
LIVE = "live.json"


class Copies:
    """One file, written anew with every baseline that is put to work. What it lacks is no error."""

    def __init__(self, folder: Path | None, trusted: Callable[[], Trusted]) -> None:
        """`folder`: none keeps nothing."""
        self._path = folder / LIVE if folder is not None else None
        self._trusted = trusted

    def exactly(self, said: Announcement) -> Baseline | None:
        """The announced one, if that is what was kept."""
        content = self._content()
        if content is None or sha256(content).hexdigest() != said.sha256:
            return None
        found = self._read(content)
        return found if found is not None and found.version == said.version else None

    def instead(self, said: Announcement) -> Baseline | None:
        """What was live here last, where the announced one cannot be had; not what that took back."""
        content = self._content()
        found = self._read(content) if content is not None else None
        if found is None or (said.act is not Act.FILL and said.previous == found.version):
            return None
        return found

    def keep(self, content: bytes) -> None:
        """Instead of what was kept before; whole, or not at all."""
        if self._path is None:
            return
        part = self._path.with_name(f".{uuid4().hex[:12]}.part")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                part.write_bytes(content)
                part.replace(self._path)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            log.warning(
                "no copy of the live baseline is kept: without its registry a worker starts without it",
                path=str(self._path),
                setting="CHAINBRAKE_MODELS_COPIES",
                error=error.strerror,
            )

    def _content(self) -> bytes | None:
        try:
            return self._path.read_bytes() if self._path is not None else None
        except OSError:
            return None

    def _read(self, content: bytes) -> Baseline | None:
        assert self._path is not None
        try:
            return read_artifact(content, self._path, self._trusted())
        except ChainbrakeError as error:
            log.warning("copy of the last live baseline cannot be used", error=str(error))
            return None


def copies_of(settings: Settings) -> Copies:
    """Of a deployment's workers on this machine; below the user's cache (XDG), unless a folder is set."""
    folder: Path | None = None
    if settings.models_copies:
        folder = Path(settings.models_copies)
    else:
        with suppress(SettingsError):
            folder = user_folder("XDG_CACHE_HOME", ".cache", "MODELS_COPIES") / COPIES / settings.topic_prefix
    return Copies(folder, lambda: trusted_keys(settings))
