"""Stores what was judged and sends what it earned: commands at once, everything else little by little.

A flush goes in small bites with pauses between them. What it writes is as much as the judging reads, and done
in one go it would keep the event loop, the store and the cores from a command for as long as a second.
"""

import asyncio
import time

from detectors.decision import Decision
from detectors.policy import Policy
from stream import metrics
from stream.configuration.settings import Settings
from stream.enforcement.shared_budget import SharedBudget
from stream.kafka.messages import Message, Record
from stream.state.partition import Partition
from stream.state.store import Store
from stream.worker.outbox import Outbox

PAUSE_TIMES = 4
"""A flush that is in no hurry rests for so many times as long as it wrote."""


class Saver:
    """The one place where a partition's state is written, and where what it owes leaves."""

    def __init__(self, settings: Settings, policy: Policy, store: Store, outbox: Outbox) -> None:
        self._chunk = settings.flush_chunk
        self._policy = policy
        self._store = store
        self._outbox = outbox
        self._budget = SharedBudget(store, policy.budget)

    async def owe(self, partition: Partition, decided: list[tuple[str, Decision]]) -> None:
        """Put down what has to leave, and which workflows earned a command. Under `partition.judging`."""
        for name, decision in decided:
            commands = []
            for earned in decision.commands:
                command = await self._budget.admit(earned)
                if command.action is not earned.action:
                    session = partition.workflows[name].sessions[command.session]
                    session.verdict = command.action  # so that a stop can be earned again
                commands.append(command)
            partition.owe(name, (*commands, *decision.findings))
            if commands:
                partition.urgent[name] = None

    async def hurry(self, partition: Partition) -> None:
        """Store and send what earned commands; what is earned meanwhile goes together.

        Raises `FencedError`.
        """
        while partition.urgent:
            names = list(partition.urgent)
            partition.urgent.clear()
            await self._save_and_send(partition, names)
            self._outbox.spawn(self._budget.tell())

    async def flush(self, partition: Partition, within_s: float = 0.0) -> None:
        """Store everything that changed, the position last.

        It may rest for `within_s` in all, to leave room for commands; else it is done as soon as can be.
        Raises `FencedError`.
        """
        stored = False
        while partition.behind and not stored:
            failures, reached = partition.failures, partition.reached
            wrote_s = 0.0
            if partition.letters:
                await asyncio.gather(*partition.letters)
            names = partition.dirty()
            for start in range(0, len(names), self._chunk):
                began_s = time.perf_counter()
                await self._save_and_send(partition, names[start : start + self._chunk])
                took_s = time.perf_counter() - began_s
                wrote_s += took_s
                if within_s:
                    await asyncio.sleep(min(took_s * PAUSE_TIMES, within_s * self._chunk / len(names)))
                    if not partition.owned:
                        return  # let go meanwhile, with a flush of its own
            stored = await partition.save_position(self._store, reached, failures)
            metrics.FLUSH.observe(wrote_s)

    async def _save_and_send(self, partition: Partition, names: list[str]) -> None:
        """Save, then send: a command that was sent is known to whoever takes over."""
        records: list[Record] = []

        def prepare(messages: list[Message]) -> None:
            records.extend(self._outbox.records(messages))

        memory_ms, within_ms = self._policy.memory_ms, self._policy.commands.acknowledge_within_ms
        messages = await partition.save(self._store, names, memory_ms, within_ms, prepare)
        await self._outbox.hand_over(partition, messages, records or self._outbox.records(messages))
