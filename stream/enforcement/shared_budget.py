"""The stop budget that all workers share, counted in the store; `budget.py` says what it is."""

import asyncio
from collections import OrderedDict

from detectors.policy import BudgetSettings
from models.command import Command
from stream.enforcement.budget import MINUTES_MAX, counts, degraded, minute_of
from stream.state.store import Store

TELL_AFTER_S = 0.01
"""Asking takes as long as sending does, and would go before it."""


class SharedBudget:
    """The budget of all workers, counted in the store.

    While less than half of a minute's budget is used, a stop does not wait for the count: `tell` follows
    the stop, and what the store answers is known to the next one. From half on, every stop waits for it.
    """

    def __init__(self, store: Store, settings: BudgetSettings) -> None:
        self._store = store
        self._settings = settings
        self._minutes: OrderedDict[int, Minute] = OrderedDict()
        self._untold: list[tuple[int, str]] = []

    async def admit(self, command: Command) -> Command:
        """The command as it may leave."""
        if not counts(command):
            return command
        number = minute_of(command)
        minute = self._minutes.setdefault(number, Minute())
        if len(self._minutes) > MINUTES_MAX:
            self._minutes.popitem(last=False)
        told = command.session in minute.sessions
        minute.sessions.add(command.session)
        stopped = max(minute.known, len(minute.sessions))
        if stopped * 2 >= self._settings.stops_per_minute_max:
            await self._count(number, command.session)
            stopped = minute.known
        elif not told:
            self._untold.append((number, command.session))
        return degraded(command, stopped, self._settings)

    async def tell(self) -> None:
        """Count in the store what was admitted without waiting for it, once the stop has left."""
        await asyncio.sleep(TELL_AFTER_S)
        untold, self._untold = self._untold, []
        for number, session in untold:
            await self._count(number, session)

    async def _count(self, number: int, session: str) -> None:
        counted = await self._store.count_stops(number, session)
        minute = self._minutes.get(number)
        if minute is not None:
            minute.known = max(minute.known, counted)


class Minute:
    """What one worker knows of a minute: the sessions it stopped itself, and the store's last answer."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.known = 0
