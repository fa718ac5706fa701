"""The fold: one event into its workflow, and a decision if one is due.

Pure: the same workflow and the same event give the same answer, whoever folds it, and when. `workflow` is
changed in place, since this runs for every event and a copy per event costs more than all detectors.
"""

from msgspec import Struct

from detectors.approvals import covering
from detectors.catalog import by_op_class, detectors
from detectors.decision import Decision, Decisions
from detectors.policy import Policy
from models.baselines.baseline import Baseline
from models.event import (
    READS,
    AnyEvent,
    Approval,
    Delegation,
    Event,
    Grade,
    OpClass,
    Operation,
    Outcome,
    Release,
)
from models.finding import Noticed
from models.session import (
    APPROVALS_MAX,
    RECENT_IDS_MAX,
    SESSIONS_MAX,
    Grant,
    Session,
    Workflow,
    step_of,
)


class Tally(Struct):
    """What was counted on the way, since the start."""

    events: int = 0
    facts: int = 0
    """Events that are no operations."""
    redelivered: int = 0
    duplicates: int = 0
    late: int = 0
    unclassified: int = 0
    not_enough_seen: int = 0
    sessions_begun: int = 0
    sessions_forgotten: int = 0

    @property
    def operations(self) -> int:
        """Operations that were judged."""
        return self.events - self.facts - self.duplicates


class Judge:
    """One policy and one baseline, ready to fold. Holds no session: they are passed in."""

    def __init__(self, policy: Policy, baseline: Baseline | None) -> None:
        self.policy = policy
        self.tally = Tally()
        self._idle_ms = policy.idle_ms
        self._listeners = {
            op_class: tuple(detector.inspect for detector in listening)
            for op_class, listening in by_op_class(detectors(policy, baseline)).items()
        }
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
        if event.at_ms > workflow.last_ms:  # noqa: PLR1730 - a call of max costs as much as a detector
            workflow.last_ms = event.at_ms
        if type(event) is Operation:
            return self._operation(workflow, event, seen_ms)
        tally.facts += 1
        return self._fact(workflow, event, seen_ms)

    def _operation(self, workflow: Workflow, event: Operation, seen_ms: int) -> Decision | None:
        session = workflow.sessions.get(event.session)
        if session is None or event.at_ms - session.last_ms > self._idle_ms:
            session = self._begin(workflow, event, event.parent_session)
        recent, event_id = session.recent_ids, event.id
        if event_id in recent and recent[event_id] == event.source:
            self.tally.duplicates += 1
            return None
        recent[event_id] = event.source
        if len(recent) > RECENT_IDS_MAX:
            del recent[next(iter(recent))]
        self._attend(session, event)
        op_class = event.op_class
        step = step_of(event, session)
        noticed: list[Noticed] | None = None
        for inspect in self._listeners[op_class]:
            word = inspect(session, workflow, event, step)
            if word is not None:
                if noticed is None:
                    noticed = []
                noticed.append(word)
        if workflow.grants and op_class not in READS and event.outcome is Outcome.OK:
            grant = covering(workflow, step, self.policy.approvals)
            if grant is not None:
                grant.used_by, grant.used_source = event_id, event.source
        if noticed is None:
            return None
        self._recall(workflow, session, noticed)
        return self._decisions.due(workflow, session, event, noticed, seen_ms)

    def _attend(self, session: Session, event: Operation) -> None:
        """Bring the session up to the event.

        What stays the same is not written again: a new copy in its place would scatter the session over
        memory, and looking at the old one is cheaper than freeing it.
        """
        session.events += 1
        role = event.agent_role
        if event.at_ms >= session.last_ms:
            session.last_ms = event.at_ms
            if event.agent != session.agent:
                session.agent = event.agent
            if role != session.agent_role:
                session.agent_role = role
            if event.principal != session.principal:
                session.principal = event.principal
            if event.credential != session.credential:
                session.credential = event.credential
            session.credential_kind = event.credential_kind
        elif session.last_ms - event.at_ms > self.policy.lateness_ms:
            self.tally.late += 1
        if event.op_class is OpClass.UNCLASSIFIED:
            self.tally.unclassified += 1
        if role not in self._known_roles:
            self.tally.not_enough_seen += 1

    def _begin(self, workflow: Workflow, event: Event, parent: str) -> Session:
        """A new session, or one that was silent for so long that it is a new run; a stop outlives both."""
        self.tally.sessions_begun += 1
        sessions = workflow.sessions
        before = sessions.pop(event.session, None)
        session = Session(id=event.session, agent=event.agent, started_ms=event.at_ms, last_ms=event.at_ms)
        if before is not None:
            session.verdict, session.verdict_until_ms = before.verdict, before.verdict_until_ms
            session.recent_ids = before.recent_ids
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
        if isinstance(event, Approval):
            self._grant(workflow, event)
            return None
        if isinstance(event, Release):
            return self._decisions.release(workflow, event, seen_ms)
        if isinstance(event, Delegation):
            session = workflow.sessions.get(event.session)
            if session is None:
                self._begin(workflow, event, event.parent_session)
            elif not session.parent:
                self._decisions.inherit(workflow, session, event.parent_session, event.at_ms)
            return None
        ended = workflow.sessions.get(event.session)
        if ended is not None and max(ended.verdict_until_ms, ended.last_ms) <= event.at_ms:
            del workflow.sessions[event.session]
        return None

    @staticmethod
    def _grant(workflow: Workflow, event: Approval) -> None:
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
                event.requested_ms,
                event.at_ms,
                event.expires_ms,
            )
        )
        if len(workflow.grants) > APPROVALS_MAX:
            used = (place for place, grant in enumerate(workflow.grants) if grant.used_by)
            del workflow.grants[next(used, 0)]
