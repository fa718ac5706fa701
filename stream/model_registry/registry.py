"""The registry of baselines: files by version, and a history of which of them were put to work.

Nothing in it is ever changed or removed by chainbrake: a file is written once under its version, an entry of
the history once under its number. So two people who promote at the same time cannot undo each other: the
second is told. Baselines are vouched for by their signature, wherever they lie; who may write here, or on the
topic, chooses only among those.
"""

import time
from hashlib import sha256
from pathlib import Path
from shlex import quote

import msgspec
from msgspec import Struct

from models.baselines.baseline import Baseline, Header, read_artifact, read_header, version_of
from models.baselines.signing import Trusted
from models.errors import ArtifactError, ChainbrakeError, InputError, ModelRegistryError
from stream.model_registry.announcement import Act, Announcement, Slot, decode, encode, last_of
from stream.model_registry.objects import Objects

BASELINES, HISTORY = "baselines", "history"
PREFIX, SUFFIX = "baseline@", ".json"
HEADER_BYTES_MAX = 256 * 1024
"""A header with all the agents that are told of; a larger one is read with its file."""
ENDS = b"}}"
"""Of the payload and of the file."""
DIGITS = 8
"""Of an entry's name, so that names sort as numbers do."""


class Kept(Struct, frozen=True):
    """A baseline of the registry, read and trusted."""

    baseline: Baseline
    content: bytes


class ModelRegistry:
    """Baselines in one place, and what was done with them."""

    def __init__(self, objects: Objects, trusted: Trusted) -> None:
        self.url = objects.url
        self._objects = objects
        self._trusted = trusted

    def require(self) -> None:
        """Raises `ModelRegistryError` for a place that is not there: a slip, and no empty registry."""
        try:
            self._objects.require()
        except FileNotFoundError as error:
            raise ModelRegistryError(
                f"registry of baselines {self.url}: there is nothing of that name. Is it meant? The first "
                f"baseline makes it: chainbrake models train FILE…, or models add BASELINE"
            ) from error

    def require_writable(self) -> None:
        """Raises `ModelRegistryError` where a baseline cannot be kept: to be asked before one is learned."""
        self._objects.require_writable(BASELINES)

    def put(self, content: bytes, path: Path) -> Baseline:
        """Keep a baseline. Once is enough: the same again changes nothing.

        Raises `ArtifactError` for one that workers would refuse, `ModelRegistryError`; also where a file lies
        in its place that they would refuse: half copied, or signed with a key of former days.
        """
        baseline = read_artifact(content, path, self._trusted)
        if not self._objects.create(_file(baseline.version), content):
            try:
                self.read(baseline.version)
            except ChainbrakeError as error:
                raise ModelRegistryError(
                    f"{baseline.version} is there already, and workers refuse it: {error}. "
                    f"Remove {self.url}/{_file(baseline.version)}, then add it again"
                ) from error
        return baseline

    def versions(self) -> list[str]:
        """Of all baselines in it, sorted."""
        names = self._objects.names(BASELINES)
        return [f"{PREFIX}{name.removesuffix(SUFFIX)}" for name in names if name.endswith(SUFFIX)]

    def find(self, told: str) -> str:
        """The version that is meant: `live`, `shadow`, a version or its first digits.

        Raises `ModelRegistryError` for none and for several.
        """
        if told in tuple(Slot):
            last = self.last(Slot(told))
            if last is None or last.version is None:
                raise ModelRegistryError(
                    f"{self.url}: nothing is {told}; name a version. All are in: {self._list}"
                )
            return last.version
        digits = told.removeprefix(PREFIX)
        found = [
            version for version in self.versions() if digits and version[len(PREFIX) :].startswith(digits)
        ]
        if len(found) != 1:
            wrong = "several begin with" if found else "there is no baseline"
            raise ModelRegistryError(f"{self.url}: {wrong} {told!r}; all are in: {self._list}")
        return found[0]

    @property
    def _list(self) -> str:
        return f"chainbrake models list --models {quote(self.url)}"

    def read(self, version: str) -> Kept:
        """A baseline by its version. Raises `ArtifactError` for one that is not to be trusted."""
        where = f"{self.url}/{_file(version)}"
        try:
            content = self._objects.read(_file(version))
        except FileNotFoundError as error:
            raise ModelRegistryError(
                f"{where}: there is no {version}. Is that this deployment's registry? "
                f"It is set with CHAINBRAKE_MODELS"
            ) from error
        baseline = read_artifact(content, Path(where), self._trusted)
        if baseline.version != version:
            raise ModelRegistryError(f"{where}: holds {baseline.version}")
        return Kept(baseline, content)

    def header(self, version: str) -> Header:
        """What a baseline's header says, signed by somebody trusted; the rest is not fetched.

        So nobody has looked whether it fits the checksum, only whether it is there to its end. Raises as
        `read` does.
        """
        name = _file(version)
        where = Path(f"{self.url}/{name}")
        try:
            header = read_header(self._objects.part(name, 0, HEADER_BYTES_MAX), where, self._trusted)
            cut_off = header is not None and self._objects.part(name, -len(ENDS)) != ENDS
        except FileNotFoundError as error:
            raise ModelRegistryError(f"{where}: there is no {version}") from error
        if header is None:
            return self.read(version).baseline.header
        if cut_off:
            raise ArtifactError(f"{where}: its end is missing; fetch or train it again")
        if version_of(header) != version:
            raise ModelRegistryError(f"{where}: holds {version_of(header)}")
        return header

    def announced(self, announcement: Announcement) -> Kept:
        """The baseline of an announcement that names one. What is announced never chooses where to read.

        Raises as `read` does, and for a file that is not the announced one.
        """
        assert announcement.version is not None
        kept = self.read(announcement.version)
        if sha256(kept.content).hexdigest() != announcement.sha256:
            raise ModelRegistryError(
                f"{self.url}/{_file(announcement.version)}: not the file that was announced as "
                f"{announcement.version} from {announcement.registry}"
            )
        return kept

    def history(self) -> list[Announcement]:
        """All that was done, oldest first. Raises `ModelRegistryError` for an entry that cannot be read."""
        entries = []
        for name in self._objects.names(HISTORY):
            try:
                entries.append(decode(self._objects.read(f"{HISTORY}/{name}")))
            except (InputError, FileNotFoundError) as error:
                raise ModelRegistryError(f"{self.url}/{HISTORY}/{name}: {error}") from error
        return sorted(entries, key=lambda entry: entry.number)

    def last(self, slot: Slot) -> Announcement | None:
        """What was done to a slot last."""
        return last_of(self.history(), slot)

    def fill(self, slot: Slot, version: str | None, by: str, reason: str) -> Announcement:
        """Put a baseline to work; None empties the slot. It is in the history then, and not announced yet."""
        return self._note(slot, Act.FILL if version else Act.EMPTY, version, by, reason)

    def roll_back(self, by: str, reason: str) -> Announcement:
        """Put the live one back to what was live before it; before the first of all there was none."""
        stack = standing(self.history())
        if not stack:
            raise ModelRegistryError(f"{self.url}: nothing is live, so nothing can be rolled back")
        return self._note(Slot.LIVE, Act.ROLLBACK, stack[-2] if len(stack) > 1 else None, by, reason)

    def _note(self, slot: Slot, act: Act, version: str | None, by: str, reason: str) -> Announcement:
        digest = sha256(self.read(version).content).hexdigest() if version is not None else ""
        entries = self.history()
        last = last_of(entries, slot)
        before = last.version if last is not None else None
        if before == version:
            raise ModelRegistryError(
                f"{self.url}: {version or 'nothing'} is {slot} already; if workers do not have it, "
                f"tell them again: chainbrake models announce"
            )
        entry = Announcement(
            slot=slot,
            act=act,
            number=entries[-1].number + 1 if entries else 1,
            version=version,
            sha256=digest,
            registry=self.url[:1024],
            previous=before,
            by=by,
            reason=reason,
            at_ms=int(time.time() * 1000),
        )
        content = encode(_checked(entry))
        if not self._objects.create(f"{HISTORY}/{entry.number:0{DIGITS}}{SUFFIX}", content):
            raise ModelRegistryError(
                f"{self.url}: somebody else put a baseline to work just now; look at it with "
                f"chainbrake models list, then decide again"
            )
        return entry


def standing(history: list[Announcement]) -> list[str]:
    """Versions that were live and not rolled back from, the last one live now; empty after an `EMPTY`."""
    stack: list[str] = []
    for entry in history:
        if entry.slot is not Slot.LIVE:
            continue
        if entry.act is Act.ROLLBACK:
            stack.pop()
        elif entry.version is None:
            stack.clear()
        else:
            stack.append(entry.version)
    return stack


def _checked(entry: Announcement) -> Announcement:
    """Raises `InputError` for a name or a reason that is too long, or empty."""
    try:
        return msgspec.convert(msgspec.to_builtins(entry), Announcement)
    except msgspec.ValidationError as error:
        raise InputError(f"cannot put it to work: {error}") from error


def _file(version: str) -> str:
    return f"{BASELINES}/{version.removeprefix(PREFIX)}{SUFFIX}"
