"""Recorded events through the same judge as the worker's, without Kafka or Redis."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from detectors.arrival import believed
from detectors.chains.hosted import Declared
from detectors.decision import Decision
from detectors.judge import Judge
from detectors.notebook import Notebook
from detectors.policy import Policy
from models.baselines.baseline import Baseline
from models.command import Command
from models.errors import Unreadable, UnreadableEventError
from models.finding import Finding
from models.registry import EMPTY, Registry
from models.session import Workflow
from stream.configuration.rule_files import load_declared
from stream.enforcement.budget import Budget
from stream.ingest.pipeline import Pipeline
from stream.recordings.recorded import EVENTS, Arrival, Refused, arrivals, known_source, placed

PRUNE_EVERY = 100_000


class Replay:
    """Folds lines and tells what came of them; state is as bounded as the worker's."""

    def __init__(
        self,
        policy: Policy,
        baseline: Baseline | None,
        source: str = EVENTS,
        registry: Registry = EMPTY,
        declared: Declared | None = None,
    ) -> None:
        """`declared`: chains and Sigma rules; None for those that the policy names."""
        self._policy = policy
        self.first_refused: Refused | None = None
        """The first line that could not be used."""
        declared = load_declared(policy) if declared is None else declared
        self._judge = Judge(policy, baseline, registry, declared)
        self._notebook = Notebook(self._judge.crossing)
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
        for arrival in self.arrivals(lines):
            folded = self.fold(arrival)
            if folded is None:
                continue
            for finding in folded.findings:
                yield _finding_row(finding, arrival.index)
            for command in folded.commands:
                yield _command_row(command, arrival.index)

    def arrivals(self, lines: Iterable[bytes]) -> Iterator[Arrival]:
        """The events of the lines that can be judged, with the session each belongs to."""
        for arrival in arrivals(self._source, self._counted(lines), self._pipeline):
            if not isinstance(arrival, Arrival):
                self._dead_letters[arrival.reason] += 1
                self.first_refused = self.first_refused or placed(arrival, lines)
                continue
            try:
                event = believed(arrival.event, arrival.seen_ms, self._policy)
            except UnreadableEventError as error:
                self._dead_letters[error.reason] += 1
                continue
            yield arrival if event is arrival.event else replace(arrival, event=event)

    def workflow(self, name: str) -> Workflow | None:
        """What is remembered of a workflow so far."""
        return self._workflows.get(name)

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

    def fold(self, arrival: Arrival) -> Decision | None:
        """Judge one event; what it led to, within the budget of stops. None if nothing is due."""
        event = arrival.event
        self._position += 1
        workflow = self._workflows.get(event.workflow)
        if workflow is None:
            workflow = self._workflows[event.workflow] = Workflow(event.workflow)
        if event.at_ms > self._newest_ms:  # noqa: PLR1730 - a call to `max` for every event shows in the profile
            self._newest_ms = event.at_ms
        try:
            decision = self._judge.fold(workflow, event, self._position, arrival.seen_ms)
            if workflow.noted:
                decision = self._joined(workflow, arrival.seen_ms, decision)
        except Exception:  # noqa: BLE001 - a mistake in one detector is a dead letter here, as in the worker
            self._dead_letters[Unreadable.JUDGE_FAILED] += 1
            return None
        if self._position % PRUNE_EVERY == PRUNE_EVERY - 1:
            self._forget()
        return None if decision is None else self._admitted(workflow, decision)

    def _joined(self, workflow: Workflow, seen_ms: int, decision: Decision | None) -> Decision | None:
        """The decision, with what comes of chains over workflows."""
        for more in self._notebook.decided(workflow, seen_ms):
            decision = more if decision is None else decision + more
        return decision

    def _admitted(self, workflow: Workflow, decision: Decision) -> Decision:
        """The decision, with those stops degraded that the budget has no room for."""
        self._counts["finding"] += len(decision.findings)
        self._counts["command"] += len(decision.commands)
        admitted: list[Command] = []
        for earned in decision.commands:
            command = self._budget.admit(earned)
            if command.action is not earned.action:
                workflow.sessions[command.session].verdict = command.action  # as the worker does
            admitted.append(command)
        return Decision(decision.findings, tuple(admitted))

    def _forget(self) -> None:
        """Drop what the store would have let expire."""
        oldest_ms = self._newest_ms - self._policy.memory_ms
        for name in [name for name, workflow in self._workflows.items() if workflow.last_ms < oldest_ms]:
            del self._workflows[name]
        self._notebook.forget(oldest_ms)


def _finding_row(finding: Finding, index: int) -> dict[str, Any]:
    return {
        "kind": "finding",
        "detector": finding.detector,
        "confidence": finding.confidence,
        "grade": finding.grade,
        "tags": finding.tags,
        **({"elsewhere": finding.elsewhere} if finding.elsewhere else {}),
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
