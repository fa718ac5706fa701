"""What is known of recorded sessions, read for measuring alone: nothing that learns or scores has it.

Where the format tells it, it is taken from the recording: `kind` of agent runs, `label` of HDFS blocks,
`index.json` beside scenarios; among our own events analysts say it (dispositions). Else a file of labels says
it, a session, a scenario or a disposition an entry.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from models.errors import InputError
from models.event import Disposition
from models.session import called
from stream.offline.labels import Label
from stream.recordings.files import WIDE_BYTES_MAX, Lines
from stream.runs.agent_runs import SESSIONS
from stream.runs.recorded_run import RecordedRun

INDEX = "index.json"
KIND = str(Disposition.__struct_config__.tag)


class Kind(StrEnum):
    """What a session was."""

    BENIGN = "benign"
    MALICIOUS = "malicious"
    RESISTED = "resisted"
    """It met an attack and did not give in: an alarm is no mistake, and not needed."""


class Truth(Struct, frozen=True):
    """What is known of one session."""

    kind: Kind
    first_bad: int | None = None
    """0-based operation of the session from which on it was under attack, or attacked; None for unknown."""
    first_bad_line: int | None = None
    """The same as a line of the file."""
    goal: str = ""
    """What whoever attacked it wanted: one name for all sessions of one attack. Empty for unknown."""


WORDS = {
    **dict.fromkeys(("benign", "normal", "honest", "false"), Kind.BENIGN),
    **dict.fromkeys(("malicious", "abnormal", "hijacked", "injected_success", "true"), Kind.MALICIOUS),
    **dict.fromkeys(("resisted",), Kind.RESISTED),
}
"""How files say it."""


class SessionLabel(Struct, frozen=True):
    """One entry of a file of labels."""

    session: str
    label: str
    workflow: str = ""
    first_bad: Annotated[int, Meta(ge=0)] | None = None
    goal: Annotated[str, Meta(max_length=256)] = ""


class Labels:
    """What is known, by file, workflow and session as far as each is told."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Truth] = {}
        self._benign_files: set[str] = set()
        self.complete = False
        """Whether the recordings tell it themselves: then one of which they do not is no honest one."""
        self._met: set[tuple[str, str, str]] = set()
        """Of what is known, that which a run was found for."""
        self._given: set[tuple[str, str, str]] = set()
        """Of what is known, that which a file of labels says alone."""
        self._said: dict[tuple[str, str], dict[str, Disposition]] = {}
        """Workflow and session: the last word of analysts, by what it is about."""

    def __bool__(self) -> bool:
        return bool(self._known or self._benign_files or self._said)

    def add(
        self, session: str, truth: Truth, *, workflow: str = "", file: str = "", given: bool = False
    ) -> None:
        """One session; what is added later counts. `given`: by a file of labels, and not by a recording."""
        key = file, workflow, session
        if given and key not in self._known:
            self._given.add(key)
        self._known[key] = truth

    def add_file(self, label: Label, *, given: bool = False) -> None:
        """A scenario: whoever should be stopped in it, and whoever must not be."""
        expect, file = label.expect, Path(label.file).name
        if expect.action == "none":
            self._benign_files.add(file)
            return
        for session in expect.never.sessions:
            self.add(session, Truth(Kind.BENIGN), file=file, given=given)
        for session in expect.act_on.sessions:
            truth = Truth(Kind.MALICIOUS, first_bad_line=expect.earliest_fair)
            self.add(session, truth, file=file, given=given)

    def add_disposition(self, said: Disposition) -> None:
        """An analyst's word; what is said later of the same command or finding counts."""
        words = self._said.setdefault((said.workflow, said.session), {})
        known = words.get(said.about)
        if known is None or known.at_ms <= said.at_ms:
            words[said.about] = said

    @property
    def unmet(self) -> int:
        """Sessions that the file of labels names, and that nobody asked about."""
        return len(self._given - self._met)

    @property
    def by_analysts(self) -> bool:
        """Whether nobody but analysts calls a session honest: they looked at what had alarmed alone."""
        told = any(truth.kind is Kind.BENIGN for truth in self._known.values())
        return bool(self._said) and not told and not self._benign_files

    def of(self, run: RecordedRun) -> Truth | None:
        """What is known of a run; None for nothing. A label outweighs what analysts said on the way."""
        workflow = run.operations[0].workflow if run.operations else ""
        file = Path(run.file).name
        keys = ((file, "", run.session), ("", workflow, run.session), ("", "", run.session))
        known = [key for key in keys if key in self._known]
        self._met.update(known)
        if known:
            return _placed(self._known[known[0]], run)
        if file in self._benign_files:
            return Truth(Kind.BENIGN)
        return _disposed(run, self._said.get((workflow, run.session), {}).values())


def _disposed(run: RecordedRun, said: Iterable[Disposition]) -> Truth | None:
    """One stop that was right outweighs all false alarms; nobody vouches for a session of their own."""
    acting = {called(name) for each in run.operations for name in (each.session, each.agent, each.principal)}
    words = [each.true_positive for each in said if called(each.decided_by) not in acting]
    if not words:
        return None
    return Truth(Kind.MALICIOUS if any(words) else Kind.BENIGN)


def _placed(truth: Truth, run: RecordedRun) -> Truth:
    if truth.first_bad_line is None:
        return truth
    later = [place for place, line in enumerate(run.lines) if line >= truth.first_bad_line]
    return Truth(truth.kind, min(later, default=None), truth.first_bad_line, truth.goal)


def labels_of(source: str, paths: list[str], given: Path | None) -> Labels:
    """What the recordings say of themselves, and then what the file of labels says.

    In its place may stand a folder of agent runs, for what that says of itself.
    """
    labels = Labels()
    for path in paths:
        _add(labels, source, path)
    if source == "scenario":
        beside = dict.fromkeys(Path(path).with_name(INDEX) for path in paths)
        for index in (each for each in beside if each.is_file() and given is None):
            _read(index, labels, given=False)
    if given is not None and given.is_dir():
        _add(labels, "agent-runs", str(given))
    elif given is not None:
        _read(given, labels, given=True)
    return labels


def _add(labels: Labels, source: str, path: str) -> None:
    for session, truth in _told(source, path):
        labels.add(session, truth)
        labels.complete = True


def _told(source: str, path: str) -> Iterator[tuple[str, Truth]]:
    """Session and truth, of a format that tells it; whatever was cut short by an error counts for nothing."""
    if source == "agent-runs":
        for row in _objects(str(Path(path) / SESSIONS)):
            exposed, kind = row.get("exposed_at"), row.get("kind")
            if row.get("error"):
                continue
            if kind == "injected_failed" and exposed is not None:
                yield str(row.get("s")), Truth(Kind.RESISTED, exposed)
            elif kind in {"benign", "injected_success"}:
                yield (
                    str(row.get("s")),
                    Truth(WORDS[kind], exposed, goal=str(row.get("injection_task") or "")),
                )
    elif source == "hdfs":
        for row in _objects(path):
            if row.get("label") in WORDS:
                yield str(row.get("s")), Truth(WORDS[row["label"]])


def _read(path: Path, labels: Labels, *, given: bool) -> None:
    """A file of labels: of sessions, or of scenarios. Raises `InputError` that says where the mistake is."""
    for place, row in enumerate(_objects(str(path))):
        entries = row["scenarios"] if isinstance(row.get("scenarios"), list) else [row]
        for entry in entries:
            try:
                if entry.get("kind") == KIND:
                    labels.add_disposition(msgspec.convert(entry, Disposition))
                elif "session" in entry:
                    told = msgspec.convert(entry, SessionLabel)
                    truth = Truth(WORDS[told.label.lower()], told.first_bad, goal=told.goal)
                    labels.add(told.session, truth, workflow=told.workflow, given=given)
                else:
                    labels.add_file(msgspec.convert(entry, Label), given=given)
            except KeyError as error:
                raise InputError(f"{path}: entry {place}: {error} is none of {', '.join(WORDS)}") from error
            except (msgspec.ValidationError, TypeError) as error:
                raise InputError(f"{path}: entry {place}: {error}") from error


def _objects(path: str) -> Iterator[dict[str, Any]]:
    for place, line in enumerate(Lines([path], WIDE_BYTES_MAX)):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: line {place}: {error}") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}: line {place}: not an object")
        yield row
