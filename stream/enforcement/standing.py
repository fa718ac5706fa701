"""What was ordered, what hooks made of it, and what stands: followed from the topics alone, as a hook does.

Nothing here needs the store: whoever may read the commands and their answers may know.
"""

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct, field

from models.acknowledgement import Acknowledgement
from models.caep import from_caep
from models.command import Action, Command
from models.errors import InputError
from models.finding import Finding
from models.ocsf import from_ocsf
from models.remediation import read_acknowledgement


class Standing(StrEnum):
    """What became of a command by now."""

    IN_FORCE = "in_force"
    LIFTED = "lifted"
    EXPIRED = "expired"
    SHADOW = "shadow"
    """It never was in force."""
    RELEASE = "release"
    """It is none: it lifts others."""


class Ordered(Struct):
    """One command, however often it was sent."""

    command: Command
    sent: int = 1
    lifted_by: Command | None = None
    answers: dict[str, Acknowledgement] = field(default_factory=dict)
    """By hook: its newest."""
    disposition: Finding | None = None
    """An analyst's last word on it."""

    @property
    def is_shadow(self) -> bool:
        """Whether it is a verdict that would have been: nobody is to act on it, nor to answer."""
        return self.command.shadow

    @property
    def is_carried_out(self) -> bool:
        """Whether a hook did it, or did it in part."""
        return any(answer.stopped for answer in self.answers.values())

    def standing(self, now_ms: int) -> Standing:
        """What became of it."""
        if self.command.action is Action.RELEASE_SESSION:
            return Standing.RELEASE
        if self.is_shadow:
            return Standing.SHADOW
        if self.lifted_by is not None:
            return Standing.LIFTED
        return Standing.IN_FORCE if now_ms < self.command.expires_ms else Standing.EXPIRED


class Account:
    """Hears a commands topic from some time on, then what is said of commands."""

    def __init__(self) -> None:
        self.unreadable = 0
        """Records that are not what they should be."""
        self._ordered: dict[str, Ordered] = {}
        self._by_session: dict[tuple[str, str], list[Ordered]] = {}
        self._lifting: dict[str, Command] = {}

    def __iter__(self) -> Iterator[Ordered]:
        """Every command, in the order in which they were sent first."""
        return iter(self._ordered.values())

    def hear(self, value: bytes) -> None:
        """One record of the commands topic, in its order."""
        try:
            command = from_caep(value)
        except InputError:
            self.unreadable += 1
            return
        known = self._ordered.get(command.id)
        if known is not None:
            known.sent += 1
            return
        ordered = self._ordered[command.id] = Ordered(command)
        before = self._by_session.setdefault((command.workflow, command.session), [])
        if command.action is Action.RELEASE_SESSION:
            self._lifting.update(dict.fromkeys(command.lifts, command))
            for each in before:
                each.lifted_by = each.lifted_by or command
            before.clear()
            return
        before.append(ordered)
        ordered.lifted_by = self._lifting.get(command.id) or self._lifting.get(command.escalates)

    def answered(self, value: bytes) -> None:
        """One record of the answers, in its order; of commands that were not heard nothing is kept."""
        try:
            answer = read_acknowledgement(value)
        except InputError:
            self.unreadable += 1
            return
        about = self._ordered.get(answer.command)
        if about is not None:
            about.answers[answer.hook] = answer

    def judged(self, value: bytes) -> None:
        """One record of the findings, in its order: what people say of a command is among them."""
        try:
            finding = from_ocsf(value)
        except InputError:
            self.unreadable += 1
            return
        about = self._ordered.get(finding.about) if finding.verdict is not None else None
        if about is not None:
            about.disposition = finding
