"""Recorded events through the same judge as the worker's, without Kafka or Redis."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from detectors.arrival import believed
from detectors.judge import Judge
from detectors.policy import Policy
from models.baselines.baseline import Baseline
from models.command import Command
from models.errors import Unreadable, UnreadableEventError
from models.event import AnyEvent
from models.finding import Finding
from models.registry import EMPTY, Registry
from models.session import Workflow
from stream.enforcement.budget import Budget
from stream.ingest.pipeline import Pipeline
from stream.recorded import EVENTS, Arrival, Refused, arrivals, known_source

PRUNE_EVERY = 100_000


class Replay:
    """Folds lines and tells what came of them; state is as bounded as the worker's."""

    def __init__(
        self, policy: Policy, baseline: Baseline | None, source: str = EVENTS, registry: Registry = EMPTY
    ) -> None:
        self._policy = policy
        self.first_refused: Refused | None = None
        """The first line that could not be used."""
        self._judge = Judge(policy, baseline, registry)
        self._budget = Budget(policy.budget)
        self._source = known_source(source)
        self._pipeline = Pipeline(registry)
        self._workflows: dict[str, Workflow] = {}
        self._newest_ms = 0
        self._lines = 0
        self._position = -1
        self._counts: Counter[str] = Counter()
        self._dead_letters: Counter[str] = Counter()

    def rows(self, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        """One row per finding and command as they come; `input_index` is the 0-based line."""
        for arrival in arrivals(self._source, self._counted(lines), self._pipeline):
            if not isinstance(arrival, Arrival):
                self._dead_letters[arrival.reason] += 1
                self.first_refused = self.first_refused or arrival
                continue
            try:
                event = believed(arrival.event, arrival.seen_ms, self._policy)
            except UnreadableEventError as error:
                self._dead_letters[error.reason] += 1
                continue
            yield from self._folded(event, arrival.index, arrival.seen_ms)

    def _counted(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            self._lines += 1
            yield line

    def summary(self) -> dict[str, Any]:
        """What was counted."""
        tally = self._judge.tally
        resolved = self._pipeline.resolver.counted
        ingest = {
            "joined": resolved.joined,
            "provisional": resolved.provisional,
            "names_to_add": self._pipeline.names.flat(),
        }
        return {
            "kind": "summary",
            "lines": self._lines,
            "events": tally.events,
            "operations": tally.operations,
            "sessions": tally.sessions_begun,
            "findings": self._counts["finding"],
            "commands": self._counts["command"],
            "dead_letters": dict(sorted(self._dead_letters.items())),
            "duplicates": tally.duplicates + self._pipeline.duplicates,
            "late": tally.late,
            "unclassified": tally.unclassified,
            "not_enough_seen": tally.not_enough_seen,
            "policy": self._policy.version,
            **(ingest if self._source != EVENTS else {}),
        }

    def _folded(self, event: AnyEvent, index: int, seen_ms: int) -> Iterator[dict[str, Any]]:
        self._position += 1
        workflow = self._workflows.get(event.workflow)
        if workflow is None:
            workflow = self._workflows[event.workflow] = Workflow(event.workflow)
        self._newest_ms = max(self._newest_ms, event.at_ms)
        try:
            decision = self._judge.fold(workflow, event, self._position, seen_ms)
        except Exception:  # noqa: BLE001 - a mistake in one detector is a dead letter here, as in the worker
            self._dead_letters[Unreadable.JUDGE_FAILED] += 1
            return
        if self._position % PRUNE_EVERY == PRUNE_EVERY - 1:
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
