"""The fold: one event into its workflow, and a decision if one is due.

Pure: the same workflow and the same event give the same answer, whoever folds it, and when. `workflow` is
changed in place, since this runs for every event and a copy per event costs more than all detectors.
"""

from collections.abc import Callable

from msgspec import Struct

from detectors.approvals import covering
from detectors.catalog import Knowledge, by_kind, by_op_class, detectors
from detectors.decision import Decision, Decisions
from detectors.policy import Policy
from detectors.severity import JUDGED, listed
from detectors.warrants import Warrants
from models.acknowledgement import LEDGER
from models.attested import Fact, Registered
from models.baselines.baseline import Baseline
from models.event import (
    READS,
    AnyEvent,
    Approval,
    ApprovalRequest,
    Delegation,
    Event,
    Grade,
    OpClass,
    Operation,
    Outcome,
    Registration,
    Release,
    SessionEnd,
    SessionStart,
)
from models.finding import Noticed
from models.registry import EMPTY, Registry
from models.session import (
    APPROVALS_MAX,
    CREDENTIALS_MAX,
    RECENT_IDS_MAX,
    REGISTRATIONS_MAX,
    SESSIONS_MAX,
    Grant,
    Session,
    Step,
    Vouched,
    Workflow,
    step_of,
)

Attend = Callable[[Session, Workflow, AnyEvent], Noticed | None]


class Tally(Struct):
    """What was counted on the way, since the start."""

    events: int = 0
    operations: int = 0
    redelivered: int = 0
    duplicates: int = 0
    late: int = 0
    unclassified: int = 0
    not_enough_seen: int = 0
    sessions_begun: int = 0
    sessions_forgotten: int = 0


class Judge:
    """One policy and one baseline, ready to fold. Holds no session: they are passed in."""

    def __init__(self, policy: Policy, baseline: Baseline | None, registry: Registry = EMPTY) -> None:
        self.policy = policy
        self.tally = Tally()
        self._idle_ms = policy.idle_ms
        active = detectors(policy, Knowledge(baseline, registry))
        self._listeners = {
            op_class: tuple(detector.inspect for detector in listening)
            for op_class, listening in by_op_class(active).items()
        }
        self._attendants = {
            kind: tuple(detector.attend for detector in attending)
            for kind, attending in by_kind(active).items()
        }
        self._warrants = Warrants(policy.approvals, registry)
        self._decisions = Decisions(policy, baseline.version if baseline is not None else "")
        self._known_roles = frozenset(baseline.roles) if baseline is not None else frozenset()

    def fold(self, workflow: Workflow, event: AnyEvent, position: int, seen_ms: int) -> Decision | None:
        """Fold one event in.

        `position` is its place in the log, rising per workflow: what was folded before is recognised by it.
        `seen_ms` is when it reached the log, and only reported. None means that nothing is due.
        """
        tally = self.tally
        if position <= workflow.position:
            tally.redelivered += 1
            return None
        workflow.position = position
        tally.events += 1
        workflow.last_ms = max(workflow.last_ms, event.at_ms)
        if type(event) is Operation:
            return self._operation(workflow, event, seen_ms)
        return self._fact(workflow, event, seen_ms)

    def _operation(self, workflow: Workflow, event: Operation, seen_ms: int) -> Decision | None:
        at_ms, op_class = event.at_ms, event.op_class
        session = workflow.sessions.get(event.session)
        if session is None or at_ms - session.last_ms > self._idle_ms:
            session = self._begin(workflow, event, event.parent_session)
        recent = session.recent_ids
        if event.id in recent and recent[event.id] == event.source:
            self.tally.duplicates += 1
            return None
        recent[event.id] = event.source
        if len(recent) > RECENT_IDS_MAX:
            del recent[next(iter(recent))]
        self._attend(session, event)
        noticed: list[Noticed] | None = None
        step = step_of(event)
        if op_class in JUDGED:
            step = self._weighed(workflow, event, step)
        for inspect in self._listeners[op_class]:
            word = inspect(session, workflow, event, step)
            if word is not None:
                if noticed is None:
                    noticed = []
                noticed.append(word)
        if workflow.grants and op_class not in READS and event.outcome is Outcome.OK:
            grant = covering(workflow, step, self.policy.approvals)
            if grant is not None:
                grant.used_by, grant.used_source = event.id, event.source
        if noticed is None:
            return None
        self._recall(workflow, session, noticed)
        return self._decisions.due(workflow, session, event, noticed, seen_ms)

    def _weighed(self, workflow: Workflow, event: Operation, step: Step) -> Step:
        """The step of a change, with whom it strengthens and what vouches for it."""
        facts = event.facts
        gains = listed(facts.get(Fact.BENEFICIARY, "")) + listed(facts.get(Fact.GRANTED, "")) if facts else ()
        if gains:
            step = step_of(event, gains)
        warrant = self._warrants.find(workflow, event, step)
        return step_of(event, gains, warrant) if warrant else step

    def _attend(self, session: Session, event: Operation) -> None:
        """Bring the session up to the event."""
        tally = self.tally
        tally.operations += 1
        session.events += 1
        role = event.agent_role
        if event.at_ms >= session.last_ms:
            session.last_ms = event.at_ms
            session.agent = event.agent
            session.agent_role = role
            session.principal = event.principal
            session.credential = event.credential
            session.credential_kind = event.credential_kind
        elif session.last_ms - event.at_ms > self.policy.lateness_ms:
            tally.late += 1
        if event.credential and event.credential not in session.held:
            session.held[event.credential] = event.credential_kind
            if len(session.held) > CREDENTIALS_MAX:
                del session.held[next(iter(session.held))]
        if event.op_class is OpClass.UNCLASSIFIED:
            tally.unclassified += 1
        if role not in self._known_roles:
            tally.not_enough_seen += 1

    def _begin(self, workflow: Workflow, event: Event, parent: str) -> Session:
        """A new session, or one that was silent for so long that it is a new run; a stop outlives both."""
        self.tally.sessions_begun += 1
        sessions = workflow.sessions
        before = sessions.pop(event.session, None)
        session = Session(id=event.session, agent=event.agent, started_ms=event.at_ms, last_ms=event.at_ms)
        if before is not None:
            session.verdict, session.verdict_until_ms = before.verdict, before.verdict_until_ms
            session.recent_ids = before.recent_ids
            session.minted, session.revoked = before.minted, before.revoked
            parent = parent or before.parent
        self._admit(workflow, session)
        if parent:
            self._decisions.inherit(workflow, session, parent, event.at_ms)
        return session

    def _recall(self, workflow: Workflow, session: Session, noticed: list[Noticed]) -> None:
        """A session that ended or was forgotten answers for its own act; nobody else does."""
        for word in noticed:
            if word.session and word.session not in workflow.sessions:
                acted = Session(id=word.session, started_ms=word.act_ms, last_ms=word.act_ms)
                self._admit(workflow, acted, kept=session)

    def _admit(self, workflow: Workflow, session: Session, kept: Session | None = None) -> None:
        """Remember a session; where there is no room, the one silent longest gives way, but never `kept`."""
        sessions = workflow.sessions
        if len(sessions) >= SESSIONS_MAX:
            others = (known for known in sessions.values() if known is not kept)
            silent = min(others, key=lambda known: (known.verdict_until_ms, known.last_ms))
            del sessions[silent.id]
            workflow.sessions_forgotten += 1
            self.tally.sessions_forgotten += 1
        sessions[session.id] = session

    def _fact(self, workflow: Workflow, event: AnyEvent, seen_ms: int) -> Decision | None:
        """What is no operation, yet changes how operations are judged."""
        match event:
            case Release():
                return self._decisions.release(workflow, event, seen_ms)
            case ApprovalRequest():
                self._ask(workflow, event)
            case Approval():
                self._grant(workflow, event)
            case Registration():
                self._register(workflow, event)
            case Delegation() | SessionStart():
                self._delegate(workflow, event, event.parent_session)
            case SessionEnd():
                self._end(workflow, event)
        attending = self._attendants.get(type(event))
        return self._attended(workflow, event, attending, seen_ms) if attending else None

    def _attended(
        self, workflow: Workflow, event: AnyEvent, attending: tuple[Attend, ...], seen_ms: int
    ) -> Decision | None:
        """Ask the detectors that attend to such a fact."""
        session = workflow.sessions.get(event.session)
        if session is None:
            session = self._begin(workflow, event, "")
        noticed = [word for attend in attending if (word := attend(session, workflow, event)) is not None]
        return self._decisions.due(workflow, session, event, noticed, seen_ms) if noticed else None

    def _delegate(self, workflow: Workflow, event: Event, parent: str) -> None:
        session = workflow.sessions.get(event.session)
        if session is None:
            self._begin(workflow, event, parent)
        elif parent and not session.parent:
            self._decisions.inherit(workflow, session, parent, event.at_ms)

    @staticmethod
    def _end(workflow: Workflow, event: SessionEnd) -> None:
        ended = workflow.sessions.get(event.session)
        if ended is not None and max(ended.verdict_until_ms, ended.last_ms) <= event.at_ms:
            del workflow.sessions[event.session]

    @staticmethod
    def _register(workflow: Workflow, event: Registration) -> None:
        if event.grade is Grade.INFERRED:
            return  # a guess vouches for nothing
        if event.what is Registered.STOP_DONE:
            stopped = workflow.sessions.get(event.session)
            if stopped is not None and event.source == LEDGER:
                stopped.stop_done_ms = event.at_ms
            return
        starts_ms = event.at_ms if event.starts_ms is None else event.starts_ms
        workflow.registrations.append(
            Vouched(
                event.what,
                event.reference,
                event.session,
                event.decided_by,
                event.at_ms,
                starts_ms,
                event.expires_ms,
                event.grade,
                event.targets,
            )
        )
        if len(workflow.registrations) > REGISTRATIONS_MAX:
            del workflow.registrations[0]

    @staticmethod
    def _ask(workflow: Workflow, event: ApprovalRequest) -> None:
        workflow.asked[event.request] = event.at_ms
        if len(workflow.asked) > APPROVALS_MAX:
            del workflow.asked[next(iter(workflow.asked))]

    @staticmethod
    def _grant(workflow: Workflow, event: Approval) -> None:
        requested_ms = workflow.asked.get(event.request, event.requested_ms)
        if event.grade is Grade.INFERRED or any(grant.reference == event.id for grant in workflow.grants):
            return  # a guess allows nothing
        workflow.grants.append(
            Grant(
                event.id,
                event.session,
                event.operation,
                event.target,
                event.decided_by,
                event.requested_by,
                requested_ms,
                event.at_ms,
                event.expires_ms,
            )
        )
        if len(workflow.grants) > APPROVALS_MAX:
            used = (place for place, grant in enumerate(workflow.grants) if grant.used_by)
            del workflow.grants[next(used, 0)]
