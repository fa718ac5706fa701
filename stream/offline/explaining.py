"""One session's story: what it did, what was noticed, how its risk rose, and what would have stopped that.

The whole recording is judged as it came; on the way, whatever concerns the session is written down.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from msgspec import Struct, field

from detectors.approvals import covering, objections
from detectors.chains.hosted import Declared
from detectors.decision import Decision
from detectors.explain import Weighing, weighed
from detectors.judge import Judge
from detectors.policy import Level, Policy
from detectors.severity import JUDGED
from detectors.steps import step_of, strengthened
from detectors.warrants import Warrants
from models.baselines.baseline import Baseline
from models.command import RANK, STOPS, Action, Command
from models.errors import InputError
from models.event import AnyEvent, Delegation, Join, Operation
from models.finding import Finding
from models.registry import Registry
from models.session import Session, Workflow
from stream.configuration.rule_files import load_declared
from stream.offline.replay import Replay
from stream.offline.what_if import Tried, WhatIf
from stream.recordings.recorded import Arrival, told_of

HELD_MAX = 300_000
"""Events kept to ask "what if"; beyond it, only those of the session's own workflow."""

NAMES_MAX = 100_000
"""Of sessions, to offer those near one that is not there."""
NAMES_SHOWN = 5


class Step(Struct, kw_only=True):
    """One event of the session, or one of another session that brought something to light about it."""

    index: int
    """0-based line."""
    event: AnyEvent
    warrant: str
    """What vouched for it."""
    risk: float
    stopping_risk: float
    """The part of it that may stop."""
    findings: tuple[Finding, ...]
    commands: tuple[Command, ...]


class Decisive(Struct, kw_only=True):
    """The strongest thing that was ordered, and what it rested on."""

    index: int
    command: Command
    weighing: Weighing
    changes: list[Operation]
    """Unvouched changes that it rests on."""
    unused: list[tuple[str, tuple[str, ...]]]
    """Approvals that were there, and why each did not count for the last change."""


class Story(Struct, kw_only=True):
    """All of it."""

    session: str
    workflows: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    decisive: Decisive | None = None
    highest: Weighing | None = None
    """Against the mildest level that stops, when the session was nearest to it."""
    tried: list[Tried] = field(default_factory=list)
    untried: str = ""
    """Why nothing was tried, if so."""
    learned: bool = False
    """Whether there was a baseline."""

    @property
    def stopped(self) -> bool:
        """Whether a stop was ordered against it."""
        return self.decisive is not None and self.decisive.command.action in STOPS


class Explaining:
    """Judges a recording with an eye on one session."""

    def __init__(
        self,
        policy: Policy,
        baseline: Baseline | None,
        source: str,
        registry: Registry,
        session: str,
        workflow: str | None = None,
        declared: Declared | None = None,
    ) -> None:
        """`workflow` is the only one that is told of, if given; `declared` as `Replay` has it."""
        self._policy = policy
        self._declared = load_declared(policy) if declared is None else declared
        self._replay = Replay(policy, baseline, source, registry, self._declared)
        self._again = Judge(policy, baseline, registry, self._declared)
        self._warrants = Warrants(policy.approvals, registry)
        self._approvers = registry.content.approvers
        self._only = workflow
        self._source = source
        self._elsewhere = ""
        """Another workflow in which the session is, if only one is looked at."""
        self._held: dict[str, list[Arrival]] = {}
        self._held_count = 0
        self._sessions: dict[str, None] = {}
        self._story = Story(session=session, learned=baseline is not None)

    def story(self, lines: Iterable[bytes]) -> Story:
        """The session's story. Raises `InputError` if no event of it is there."""
        story = self._story
        for arrival in self._replay.arrivals(lines):
            if self._only is None or arrival.event.workflow == self._only:
                self._take(arrival)
            else:  # told of nowhere, and judged: chains over workflows rest on it, and the budget of stops
                self._replay.fold(arrival)
                if arrival.event.session == story.session:
                    self._elsewhere = arrival.event.workflow
        if not story.steps:
            raise InputError(self._missed())
        if story.decisive is not None:
            self._ask(story.decisive)
        return story

    def _missed(self) -> str:
        """Why there is no story, and what to ask for instead."""
        name, refused = self._story.session, self._replay.first_refused
        within = "here" if self._only is None else f"in workflow {self._only}"
        if self._elsewhere:
            return f"no event of session {name!r} {within}; it is in workflow {self._elsewhere}"
        near = get_close_matches(name, self._sessions, NAMES_SHOWN, 0.0)
        missed = f"no event of session {name!r} {within}; there are {', '.join(near) or 'none'}"
        return missed if refused is None else f"{missed}; {told_of(refused, self._source)}"

    def _take(self, arrival: Arrival) -> None:
        event, session = arrival.event, self._story.session
        if len(self._sessions) < NAMES_MAX:
            self._sessions[event.session] = None
        self._hold(arrival)
        decision = self._replay.fold(arrival) or Decision((), ())
        findings = tuple(each for each in decision.findings if each.session == session)
        commands = tuple(each for each in decision.commands if each.session == session)
        if not (findings or commands or _concerns(event, session)):
            return
        if event.workflow not in self._story.workflows:
            self._story.workflows.append(event.workflow)
        workflow = self._replay.workflow(event.workflow) or Workflow(event.workflow)
        known = workflow.sessions.get(session) or Session(id=session)
        now_ms = max(event.at_ms, known.last_ms)
        stop = self._weighed(known, now_ms, self._stop_level())
        whole = self._weighed(known, now_ms, self._policy.levels[0])
        self._story.steps.append(
            Step(
                index=arrival.index,
                event=event,
                warrant=self._vouched(workflow, event),
                risk=whole.risk,
                stopping_risk=stop.risk,
                findings=findings,
                commands=commands,
            )
        )
        if self._story.highest is None or stop.risk > self._story.highest.risk:
            self._story.highest = stop
        for command in commands:
            self._weigh_command(arrival.index, command, workflow, known, now_ms)

    def _hold(self, arrival: Arrival) -> None:
        name = arrival.event.workflow
        if self._held_count < HELD_MAX or name in self._story.workflows:
            self._held.setdefault(name, []).append(arrival)
            self._held_count += 1

    def _stop_level(self) -> Level:
        levels = self._policy.levels
        return next((level for level in levels if STOPS.intersection(level.actions)), levels[-1])

    def _weighed(self, known: Session, at_ms: int, level: Level) -> Weighing:
        return weighed(known.alarms, level, self._policy, at_ms, self._declared)

    def _vouched(self, workflow: Workflow, event: AnyEvent) -> str:
        if not isinstance(event, Operation) or event.op_class not in JUDGED:
            return ""
        session = workflow.sessions.get(event.session) or Session(id=event.session)
        grant = covering(workflow, _step(event, session), self._policy.approvals)
        return self._warrants.find(workflow, event, grant)

    def _weigh_command(
        self, index: int, command: Command, workflow: Workflow, known: Session, now_ms: int
    ) -> None:
        """Keep the first of the strongest commands, with what it rested on."""
        decisive = self._story.decisive
        if command.action is Action.RELEASE_SESSION or (
            decisive is not None and _force(command) <= _force(decisive.command)
        ):
            return
        changes = self._changes(command, known)
        self._story.decisive = Decisive(
            index=index,
            command=command,
            weighing=self._weighed(known, now_ms, self._level_of(command)),
            changes=changes,
            unused=self._unused(workflow, changes[-1]) if changes else [],
        )

    def _level_of(self, command: Command) -> Level:
        """The level whose action it is, before anything spoke against it."""
        due = command.degraded_from or command.action
        levels = self._policy.levels
        return next(
            (
                level
                for level in levels
                if due in level.actions or (due in STOPS and level is self._stop_level())
            ),
            levels[-1],
        )

    def _changes(self, command: Command, known: Session) -> list[Operation]:
        """The changes that it rests on and nothing vouched for, in the order of their arrival."""
        evidence = {command.event_id, *(name for alarm in known.alarms.values() for name in alarm.evidence)}
        vouched = {step.event.id for step in self._story.steps if step.warrant}
        found: dict[tuple[str, str], Operation] = {}
        for arrival in self._held.get(command.workflow, ()):
            event = arrival.event
            if isinstance(event, Operation) and event.op_class in JUDGED and event.id in evidence - vouched:
                found[event.source, event.id] = event
        return list(found.values())

    def _unused(self, workflow: Workflow, change: Operation) -> list[tuple[str, tuple[str, ...]]]:
        session = workflow.sessions.get(change.session) or Session(id=change.session)
        step = _step(change, session)
        return [
            (f"{grant.operation} on {grant.target}, by {grant.decided_by}", why)
            for grant in workflow.grants
            if (why := objections(grant, workflow, step, self._policy.approvals))
        ]

    def _ask(self, decisive: Decisive) -> None:
        arrivals = self._held.get(decisive.command.workflow, [])
        if self._held_count >= HELD_MAX:
            self._story.untried = f"more than {HELD_MAX} events; --workflow looks at one workflow alone"
        elif not decisive.changes:
            self._story.untried = "it rests on no change that an approval or a plan could name"
        else:
            asked = WhatIf(self._again, arrivals, decisive.command, decisive.index, self._story.session)
            self._story.tried = asked.tried(decisive.changes, self._policy.approvals, self._approvers)
            if not self._story.tried:
                self._story.untried = "judged without the other workflows, the stop does not come about"


def as_json(story: Story) -> dict[str, Any]:
    """The story as one object; times in milliseconds since 1970, risks from 0 to 1."""
    decisive = story.decisive
    return {
        "kind": "explanation",
        "session": story.session,
        "workflows": story.workflows,
        "stopped": story.stopped,
        "steps": [_step_row(step) for step in story.steps],
        "decisive": None
        if decisive is None
        else {
            "input_index": decisive.index,
            "command": decisive.command,
            "weighing": decisive.weighing,
            "changes": decisive.changes,
            "approvals_that_did_not_count": [
                {"approval": name, "because": why} for name, why in decisive.unused
            ],
        },
        "highest": story.highest,
        "what_if": story.tried,
        "not_tried": story.untried,
        "baseline": story.learned,
    }


def _step_row(step: Step) -> dict[str, Any]:
    return {
        "input_index": step.index,
        "event": step.event,
        "warrant": step.warrant,
        "risk": round(step.risk, 6),
        "stopping_risk": round(step.stopping_risk, 6),
        "findings": step.findings,
        "commands": step.commands,
    }


def _step(event: Operation, session: Session) -> Any:
    return step_of(event, session, *strengthened(event))


def _concerns(event: AnyEvent, session: str) -> bool:
    if isinstance(event, Delegation) and event.parent_session == session:
        return True
    return event.session == session or (isinstance(event, Join) and event.into_session == session)


def _force(command: Command) -> int:
    """All stops are one: what matters is the first of them."""
    return RANK[Action.REVOKE_TOKEN] if command.action in STOPS else RANK[command.action]
