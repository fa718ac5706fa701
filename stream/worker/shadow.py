"""A second baseline, asked beside the live one: what it would have ordered, and what only one of them would.

It has a state of its own, in memory only. A workflow begins as a copy of the live one, and again whenever the
two have lost each other: after a restart, a hand-over, or when either was dropped. Nothing that it decides
leaves the worker; it is counted and logged.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from zlib import crc32

import msgspec
import structlog
from msgspec import Struct

from detectors.decision import Decision
from detectors.judge import Judge
from models.command import Action, Command
from models.event import AnyEvent
from models.session import Workflow
from stream import metrics
from stream.state.partition import Partition
from stream.worker.intake import Arrived
from stream.worker.joining import Told, joined, rounds

log = structlog.stdlib.get_logger(__name__)

SETTLE_S = 60.0
"""How long one may be ahead of the other with the same verdict before it counts as its own."""

LOGGED_MAX = 20
"""Differences told of in the log per settling; all are counted."""

PARTS = 1 << 32

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Workflow).decode


class Verdict(Struct, frozen=True):
    """One that the other has not come to yet."""

    told: str
    """By whom: live or shadow."""
    command: Command
    since_s: float


class Comparison:
    """Verdicts of two, matched by session and action."""

    def __init__(self, count: Callable[[Action, str], None]) -> None:
        self._open: dict[tuple[str, str, Action], Verdict] = {}
        self._count = count

    def note(self, told: str, command: Command, now_s: float) -> None:
        """One of them has come to a verdict."""
        key = (command.workflow, command.session, command.action)
        other = self._open.get(key)
        if other is None:
            self._open[key] = Verdict(told, command, now_s)
        elif other.told != told:
            del self._open[key]
            self._count(command.action, "both")

    def settle(self, now_s: float) -> list[Verdict]:
        """Those that the other did not come to in time."""
        late = {key: each for key, each in self._open.items() if now_s - each.since_s >= SETTLE_S}
        for key, each in late.items():
            del self._open[key]
            self._count(each.command.action, each.told)
        return list(late.values())


class Shadow:
    """One baseline's judge, beside the live one."""

    def __init__(self, judge: Judge, share: float, workflows_max: int) -> None:
        """`share` of the workflows is followed, and always the same ones."""
        self.judge = judge
        self._below = int(share * PARTS)
        self._workflows_max = workflows_max
        self._workflows: OrderedDict[str, Workflow] = OrderedDict()
        """Those idle longest first."""
        self._comparison = Comparison(lambda action, told: metrics.SHADOW_VERDICTS.labels(action, told).inc())
        self._published = 0
        self._failed = 0
        """Events since the last settling: a traceback for each would delay the live one."""

    def prepare(self, partition: Partition, events: list[Arrived]) -> list[Arrived]:
        """Before the live one judges these: those that are followed, with a state to go on from."""
        ours, live, below = self._workflows, partition.workflows, self._below
        followed = [event for event in events if below == PARTS or crc32(event[0].workflow.encode()) < below]
        for name in {event.workflow for event, _, _ in followed}:
            known = ours.get(name)
            if known is None or known.position != live[name].position:
                ours[name] = _decode(_encode(live[name]))
            ours.move_to_end(name)
        return followed

    def follow(self, followed: list[Arrived], decided: list[tuple[str, Decision]]) -> None:
        """After the live one has decided."""
        ours, now_s = self._workflows, time.monotonic()
        names = {event.workflow for event, _, _ in followed}
        for name, ordered in decided:
            if name in names:
                for command in ordered.commands:
                    self._comparison.note("live", command, now_s)
        for event, record, seen_ms in followed:
            self._compare(self._decision(ours[event.workflow], event, record, seen_ms), now_s)
        while len(ours) > self._workflows_max:
            ours.popitem(last=False)
            metrics.SHADOW_DROPPED.inc()

    def join(self, told: Told, decided: list[tuple[str, Decision]]) -> None:
        """After the live one has judged what was noted of chains over workflows."""
        ours, now_s = self._workflows, time.monotonic()
        for name, ordered in decided:
            if name in ours:
                for command in ordered.commands:
                    self._comparison.note("live", command, now_s)
        for name, each, others in rounds(told):
            workflow = ours.get(name)
            if workflow is not None and each in workflow.noted:
                decision = joined(self.judge.crossing, workflow, each, others, each.note.hit.step.at_ms)
                self._compare(decision, now_s)
        for name, _ in told.noted:
            if name in ours:
                ours[name].noted.clear()

    def _compare(self, decision: Decision | None, now_s: float) -> None:
        if decision is not None:
            for finding in decision.findings:
                metrics.SHADOW_FINDINGS.labels(finding.detector).inc()
            for command in decision.commands:
                self._comparison.note("shadow", command, now_s)

    def _decision(self, workflow: Workflow, event: AnyEvent, record: Any, seen_ms: int) -> Decision | None:
        try:
            return self.judge.fold(workflow, event, record.offset, seen_ms)
        except Exception:  # it must not stop the live one
            if not self._failed:
                log.exception("shadow failed", offset=record.offset, partition=record.partition)
            self._failed += 1
            return None

    def publish(self) -> None:
        """Count what has settled, and tell of differences."""
        events = self.judge.tally.events
        metrics.SHADOW_EVENTS.inc(events - self._published)
        self._published = events
        if self._failed > 1:
            log.error("shadow failed on more events", events=self._failed - 1)
        self._failed = 0
        for each in self._comparison.settle(time.monotonic())[:LOGGED_MAX]:
            command = each.command
            log.info(
                "only one of live and shadow orders this",
                told=each.told,
                action=command.action,
                session=command.session,
                workflow=command.workflow,
                model=command.model_version,
                reason=command.reason,
            )
