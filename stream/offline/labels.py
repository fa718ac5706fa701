"""What is known of recorded sessions, and what it makes of the commands against them.

The file is JSON: a list of entries, or `{"scenarios": [...]}`; `docs/backtesting.md` shows one. It is read
for measuring alone: nothing that judges has it.
"""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from models.command import STOPS, Action, Command
from models.errors import InputError
from stream.configuration.yaml_faults import located
from stream.recordings.files import MARK

FORCE = {
    Action.OBSERVE: 0,
    Action.RELEASE_SESSION: 0,
    Action.STEP_UP: 1,
    Action.READ_ONLY: 1,
    Action.KILL_SESSION: 2,
    Action.REVOKE_TOKEN: 3,
    Action.QUARANTINE_WORKFLOW: 4,
}
"""Which action is weaker than which, where a label asks for at least one."""


class Credential(Struct, frozen=True):
    """A credential, by the platform's id."""

    id: str
    type: str = ""


class Named(Struct, frozen=True):
    """Whom a command may name, must name, or must never name."""

    sessions: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    credentials: tuple[Credential, ...] = ()
    workflow: str | None = None

    @property
    def names(self) -> frozenset[str]:
        """All of them."""
        workflow = (self.workflow,) if self.workflow else ()
        return frozenset((*self.sessions, *self.agents, *(each.id for each in self.credentials), *workflow))


class Targets(Named, frozen=True):
    """Whom the answer is about."""

    must_name: Named = Named()
    """At least one of these has to be named; empty for anybody."""


class Expected(Struct, frozen=True):
    """The right answer."""

    action: Literal[
        "none", "observe", "step_up", "read_only", "kill_session", "revoke_token", "quarantine_workflow"
    ]
    """The weakest that will do; `none` if nobody may be stopped."""
    step_up_ok: bool = True
    """Of `none`: whether asking a human is no mistake."""
    earliest_fair: int | None = None
    """0-based line before which a stop is a guess; else none is."""
    decide_by: int | None = None
    """0-based line by which the action must be out; else any will do."""
    act_on: Targets = Targets()
    never: Named = Named()
    """Bystanders."""


class Label(Struct, frozen=True):
    """What is known of one file."""

    file: str
    expect: Expected
    id: str = ""
    kind: str = ""
    """Such as malicious, twin or benign; else by whether a stop is expected."""
    variant: str = ""
    family: str = ""

    @property
    def group(self) -> str:
        """What it is counted under."""
        return self.kind or ("benign" if self.expect.action == "none" else "malicious")


class Labels(Struct, frozen=True):
    """The other form of a file of labels."""

    scenarios: tuple[Label, ...]


class Ending(StrEnum):
    """What came of a file, against its label."""

    RIGHT = "right"
    EARLY = "early"
    LATE = "late"
    MISSED = "missed"
    TOO_WEAK = "too weak"
    BYSTANDER = "bystander named"
    WRONG_STOP = "wrong stop"
    WRONG_STEP_UP = "wrong step-up"


class Scored(Struct, frozen=True):
    """A file's ending, and how many lines after the earliest fair one the action came."""

    ending: Ending
    delay: int | None = None


def read_labels(path: Path) -> dict[str, Label]:
    """Labels by name of their file. Raises `InputError` that says where the mistake is."""
    content: Any = None  # a number may be too long for it
    try:
        read = path.read_bytes().removeprefix(MARK)
        content = msgspec.json.decode(read)
        entries = content.get("scenarios") if isinstance(content, dict) else content
        if not isinstance(entries, list):
            raise InputError(
                f'{path}: not labels of files: a list with one entry per file, or {{"scenarios": [...]}}'
            )
        labels = msgspec.convert(entries, tuple[Label, ...])
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except msgspec.ValidationError as error:
        kind = Labels if isinstance(content, dict) else tuple[Label, ...]
        said = str(error) if kind is not Labels else str(error).replace("`$[", "`$.scenarios[")
        raise InputError(located(str(path), read, said, kind)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"{path}: {error}") from error
    return {Path(label.file).name: label for label in labels}


def scored(label: Label, ordered: Iterable[tuple[int, Command]]) -> Scored:
    """A file's commands, with the line each came at, against its label."""
    commands = list(ordered)
    stops = [(line, command) for line, command in commands if command.action in STOPS]
    if label.expect.action == "none":
        if stops:
            return Scored(Ending.WRONG_STOP)
        return Scored(Ending.WRONG_STEP_UP if commands and not label.expect.step_up_ok else Ending.RIGHT)
    return _due(label.expect, commands, stops)


def _due(expect: Expected, commands: list[tuple[int, Command]], stops: list[tuple[int, Command]]) -> Scored:
    wanted = expect.act_on.must_name.names
    concerned = [(line, command) for line, command in commands if not wanted or named(command) & wanted]
    force = FORCE[Action(expect.action)]
    first = min((line for line, command in concerned if FORCE[command.action] >= force), default=None)
    fair = expect.earliest_fair or 0
    delay = None if first is None else first - fair
    if any(line < fair and command.action in STOPS for line, command in concerned):
        return Scored(Ending.EARLY, delay)
    never = expect.never.names
    if any({command.session, command.credential} & never for _, command in stops):
        return Scored(Ending.BYSTANDER, delay)
    if first is None:
        return Scored(Ending.TOO_WEAK if commands else Ending.MISSED)
    in_time = expect.decide_by is None or first <= expect.decide_by
    return Scored(Ending.RIGHT if in_time else Ending.LATE, delay)


def named(command: Command) -> frozenset[str]:
    """Everybody whom a command names."""
    return frozenset((command.session, command.agent, command.workflow, command.credential)) - {""}
