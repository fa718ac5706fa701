"""Recorded events through the same judge as the worker's, without Kafka or Redis."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from detectors.arrival import believed
from detectors.judge import Judge
from detectors.policy import Policy
from models.baselines.baseline import Baseline
from models.cloudevent import read_line
from models.command import Command
from models.errors import Unreadable, UnreadableEventError
from models.event import AnyEvent
from models.finding import Finding
from models.session import Workflow
from stream.enforcement.budget import Budget

PRUNE_EVERY = 100_000


class Replay:
    """Folds lines and tells what came of them; state is as bounded as the worker's."""

    def __init__(self, policy: Policy, baseline: Baseline | None) -> None:
        self._policy = policy
        self._judge = Judge(policy, baseline)
        self._budget = Budget(policy.budget)
        self._workflows: dict[str, Workflow] = {}
        self._newest_ms = 0
        self._lines = 0
        self._counts: Counter[str] = Counter()
        self._dead_letters: Counter[str] = Counter()

    def rows(self, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        """One row per finding and command as they come; `input_index` is the 0-based line."""
        for index, line in enumerate(lines):
            self._lines += 1
            if not line:
                continue
            try:
                event = read_line(line)
                seen_ms = event.at_ms if event.seen_ms is None else event.seen_ms
                event = believed(event, seen_ms, self._policy)
            except UnreadableEventError as error:
                self._dead_letters[error.reason] += 1
                continue
            yield from self._folded(event, index, seen_ms)

    def summary(self) -> dict[str, Any]:
        """What was counted."""
        tally = self._judge.tally
        return {
            "kind": "summary",
            "lines": self._lines,
            "events": tally.events,
            "operations": tally.operations,
            "sessions": tally.sessions_begun,
            "findings": self._counts["finding"],
            "commands": self._counts["command"],
            "dead_letters": dict(sorted(self._dead_letters.items())),
            "duplicates": tally.duplicates,
            "late": tally.late,
            "unclassified": tally.unclassified,
            "not_enough_seen": tally.not_enough_seen,
            "policy": self._policy.version,
        }

    def _folded(self, event: AnyEvent, index: int, seen_ms: int) -> Iterator[dict[str, Any]]:
        workflow = self._workflows.get(event.workflow)
        if workflow is None:
            workflow = self._workflows[event.workflow] = Workflow(event.workflow)
        self._newest_ms = max(self._newest_ms, event.at_ms)
        try:
            decision = self._judge.fold(workflow, event, index, seen_ms)
        except Exception:  # noqa: BLE001 - a mistake in one detector is a dead letter here, as in the worker
            self._dead_letters[Unreadable.JUDGE_FAILED] += 1
            return
        if index % PRUNE_EVERY == PRUNE_EVERY - 1:
            self._forget()
        if decision is None:
            return
        for finding in decision.findings:
            self._counts["finding"] += 1
            yield _finding_row(finding, index)
        for earned in decision.commands:
            self._counts["command"] += 1
            command = self._budget.admit(earned)
            if command.action is not earned.action:
                workflow.sessions[command.session].verdict = command.action  # as the worker does
            yield _command_row(command, index)

    def _forget(self) -> None:
        """Drop what the store would have let expire."""
        oldest_ms = self._newest_ms - self._policy.memory_ms
        for name in [name for name, workflow in self._workflows.items() if workflow.last_ms < oldest_ms]:
            del self._workflows[name]


def _finding_row(finding: Finding, index: int) -> dict[str, Any]:
    return {
        "kind": "finding",
        "detector": finding.detector,
        "confidence": finding.confidence,
        "grade": finding.grade,
        "tags": finding.tags,
        **_shared(finding, index),
    }


def _command_row(command: Command, index: int) -> dict[str, Any]:
    return {
        "kind": "command",
        "action": command.action,
        "expires_ms": command.expires_ms,
        "contributions": command.contributions,
        "credential_kind": command.credential_kind,
        "shadow": command.shadow,
        "degraded_from": command.degraded_from,
        **_shared(command, index),
    }


def _shared(record: Finding | Command, index: int) -> dict[str, Any]:
    return {
        "id": record.id,
        "session": record.session,
        "workflow": record.workflow,
        "agent": record.agent,
        "principal": record.principal,
        "credential": record.credential,
        "at_ms": record.at_ms,
        "event_id": record.event_id,
        "input_index": index,
        "risk": record.risk,
        "evidence": record.evidence,
        "reason": record.reason,
        "policy": record.policy_version,
        "model": record.model_version,
    }
