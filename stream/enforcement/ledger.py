"""The ledger: which command was acknowledged, by whom, with what result; and who still owes an answer.

A command nobody answered is sent again under its own id; after the last resend a stop is escalated, once,
under an id that follows from the first. What a person has released since is neither. An answer that nothing
was stopped (failed, unsupported, not found) does not end the waiting: another hook may do better.
"""

import time

import msgspec
import structlog

from detectors.policy import CommandSettings
from models.acknowledgement import LEDGER, Acknowledgement
from models.attested import Registered
from models.command import STOPS, Action, Command, stable_id
from models.errors import InputError
from models.event import Grade, Registration
from models.finding import Finding
from models.remediation import read_acknowledgement
from stream import metrics
from stream.kafka.messages import lifted, unkept
from stream.state.partition import Partition
from stream.state.store import Store
from stream.worker.outbox import Outbox

log = structlog.stdlib.get_logger(__name__)

AT_ONCE_MAX = 100
KEPT_S = 7 * 24 * 3_600
"""Answers are kept as long as commands are."""


class Ledger:
    """Joins commands and acknowledgements; any worker may hear an answer, the partition's owner chases."""

    def __init__(self, store: Store, settings: CommandSettings, ttl_ms: int) -> None:
        self._store = store
        self._settings = settings
        self._ttl_ms = ttl_ms

    async def hear(self, value: bytes | None) -> None:
        """Keep one acknowledgement."""
        try:
            ack = read_acknowledgement(value)
        except InputError as error:
            metrics.ACKS_UNREADABLE.inc()
            log.warning("not an acknowledgement", error=str(error), value=repr((value or b"")[:200]))
            return
        said = f"{ack.outcome}/{ack.certainty}"
        kept = msgspec.json.encode(ack)  # in our own words, whichever form it came in
        first, again = await self._store.acknowledge(ack.command, ack.hook, said, kept, KEPT_S)
        if again:
            return
        metrics.ACKS.labels(ack.outcome, ack.certainty).inc()
        if first and ack.seen_ms is not None:
            metrics.ACKNOWLEDGEMENT.observe(max(0.0, time.time() - ack.seen_ms / 1000))
        log.info("acknowledged", **msgspec.to_builtins(ack))

    async def chase(self, partition: Partition, outbox: Outbox) -> None:
        """Go through what is overdue in one partition. Raises `FencedError`."""
        now_ms = int(time.time() * 1000)
        for name, content in await self._store.overdue(partition.number, now_ms, AT_ONCE_MAX):
            answers = await self._store.acknowledgements(name)
            command = unkept(content) if content is not None else None
            stopped = [ack for ack in map(read_acknowledgement, answers.values()) if ack.stopped]
            if stopped or command is None:
                if stopped and isinstance(command, Command) and command.action in STOPS:
                    outbox.tell(carried_out(command, stopped))
                await self._store.close_command(partition.number, name)
            elif isinstance(command, Command):
                await self._again(partition, outbox, command, now_ms)

    async def _again(self, partition: Partition, outbox: Outbox, command: Command, now_ms: int) -> None:
        if lifted(await self._store.verdict(command.session), command):
            log.info("command not sent again: it was released", id=command.id, session=command.session)
            await self._store.close_command(partition.number, command.id)
            return
        if command.expires_ms <= now_ms:
            await self._give_up(partition, command, "it has expired")
            return
        resends = await self._store.put_off(
            partition.number, command.id, now_ms + self._settings.acknowledge_within_ms
        )
        if resends <= self._settings.resends_max:
            metrics.COMMANDS_RESENT.inc()
            log.info("command sent again", id=command.id, session=command.session, resends=resends)
            await outbox.send_again(command)
            return
        if command.action in STOPS and not command.escalates:
            await self._escalate(partition, outbox, command)
        await self._give_up(partition, command, f"sent {resends} times")

    async def _escalate(self, partition: Partition, outbox: Outbox, command: Command) -> None:
        metrics.COMMANDS_ESCALATED.inc()
        log.error("stop escalated", id=command.id, session=command.session, to=self._settings.escalate_to)
        within_ms = self._settings.acknowledge_within_ms
        messages: list[Command | Finding] = [
            escalated(command, self._settings.escalate_to),
            unacknowledged(command),
        ]
        await partition.owe_for(self._store, command.workflow, messages)
        await outbox.send(
            partition, await partition.save(self._store, [command.workflow], self._ttl_ms, within_ms)
        )

    async def _give_up(self, partition: Partition, command: Command, why: str) -> None:
        metrics.COMMANDS_UNACKNOWLEDGED.inc()
        log.error("command given up on", id=command.id, session=command.session, why=why)
        await self._store.close_command(partition.number, command.id)


def carried_out(command: Command, acks: list[Acknowledgement]) -> Registration:
    """What tells the judge that a stop was done: whatever the session does later is an alarm of its own."""
    return Registration(
        id=stable_id("stop done", command.id),
        source=LEDGER,
        at_ms=min(ack.at_ms for ack in acks),
        workflow=command.workflow,
        session=command.session,
        agent=command.agent,
        grade=Grade.ATTESTED,
        what=Registered.STOP_DONE,
        reference=command.id,
        decided_by=", ".join(ack.hook for ack in acks)[:256],
    )


def escalated(command: Command, to: Action) -> Command:
    """The stop that follows one that nobody acknowledged."""
    return msgspec.structs.replace(
        command,
        id=stable_id("escalation", command.id),
        action=to,
        escalates=command.id,
        reason=f"nobody acknowledged {command.action} {command.id}: {command.reason}",
    )


def unacknowledged(command: Command) -> Finding:
    """What the SOC reads of it."""
    return Finding(
        id=stable_id("unacknowledged", command.id),
        detector="stop_unacknowledged",
        confidence=1.0,
        reason=f"nobody acknowledged {command.action} of {command.session}: it may still be running",
        evidence=command.evidence,
        grade=Grade.ATTESTED,
        session=command.session,
        workflow=command.workflow,
        agent=command.agent,
        at_ms=command.at_ms,
        event_id=command.event_id,
        event_source=command.event_source,
        risk=command.risk,
        principal=command.principal,
        credential=command.credential,
        policy_version=command.policy_version,
        model_version=command.model_version,
    )
