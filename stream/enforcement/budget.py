"""The stop budget: a limit on the damage we can do ourselves.

Counted are the sessions stopped in one minute of arrival time. Over the limit a stop degrades to step-up,
with what it would have been and why: less force, never silence. Counting ids, not calls, makes it safe to
count a command again after a crash.
"""

from collections import OrderedDict

from msgspec.structs import replace

from detectors.policy import BudgetSettings
from models.command import STOPS, Action, Command

MINUTE_MS = 60_000
MINUTES_MAX = 16


def minute_of(command: Command) -> int:
    """The minute a stop is counted in."""
    return command.seen_ms // MINUTE_MS


def counts(command: Command) -> bool:
    """Whether a command draws on the budget."""
    return command.action in STOPS and not command.shadow


def degraded(command: Command, stopped: int, settings: BudgetSettings) -> Command:
    """The command as it may leave, `stopped` sessions being counted in its minute, its own included."""
    if stopped <= settings.stops_per_minute_max:
        return command
    reason = (
        f"{command.action} was due, but {stopped} sessions were stopped in this minute and the budget is "
        f"{settings.stops_per_minute_max}: a human must look; {command.reason}"
    )
    return replace(command, action=Action.STEP_UP, degraded_from=command.action, reason=reason)


class Budget:
    """The budget of one process, for a replay; workers share theirs in the store."""

    def __init__(self, settings: BudgetSettings) -> None:
        self._settings = settings
        self._minutes: OrderedDict[int, set[str]] = OrderedDict()

    def admit(self, command: Command) -> Command:
        """The command as it may leave."""
        if not counts(command):
            return command
        stopped = self._minutes.setdefault(minute_of(command), set())
        stopped.add(command.session)
        if len(self._minutes) > MINUTES_MAX:
            self._minutes.popitem(last=False)
        return degraded(command, len(stopped), self._settings)
