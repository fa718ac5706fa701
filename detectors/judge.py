"""The fold: one event into its workflow, and a decision if one is due.

Pure: the same workflow and the same event give the same answer, whoever folds it, and when. `workflow` is
changed in place, since this runs for every event and a copy per event costs more than all detectors.
"""

from collections.abc import Callable
from typing import Final
from zlib import crc32

from detectors.approvals import covering, use_up
from detectors.asking import Asking
from detectors.catalog import Knowledge, by_kind, detectors
from detectors.chains.hosted import NOTHING, Declared
from detectors.credit import on_credit, settled
from detectors.crossing import Crossing
from detectors.decision import Decision, Decisions
from detectors.facts import take_in
from detectors.making import given_much, is_own, is_written, made
from detectors.policy import Policy
from detectors.served import Served, opened
from detectors.severity import JUDGED, Severity, severity
from detectors.steps import shared, step_of, strengthened
from detectors.tally import Tally
from detectors.warrants import Warrants
from detectors.witnesses import FIRST, told_before
from models.attested import Effect
from models.baselines.baseline import Baseline
from models.baselines.drift import Drift
from models.event import (
    EXCHANGE,
    OK,
    READS,
    SECRET_READ,
    AnyEvent,
    Delegation,
    Disposition,
    Event,
    Grade,
    Join,
    OpClass,
    Operation,
    Release,
    SessionEnd,
    SessionStart,
)
from models.finding import Noticed
from models.registry import EMPTY, Registry
from models.session import (
    CREDENTIALS_MAX,
    RECENT_IDS_MAX,
    SESSIONS_MAX,
    Session,
    Step,
    Workflow,
)
from models.words import Grant

Attend = Callable[[Session, Workflow, AnyEvent], Noticed | None]
# Bound once: on Python 3.11 an enum's attribute costs 50 ns at every look.
ATTESTED: Final = Grade.ATTESTED
UNCLASSIFIED: Final = OpClass.UNCLASSIFIED
CREATES: Final = Effect.CREATES
WEIGHED: Final = JUDGED | {SECRET_READ}


class Judge:
    """One policy and one baseline, ready to fold. Holds no session: they are passed in."""

    def __init__(
        self,
        policy: Policy,
        baseline: Baseline | None,
        registry: Registry = EMPTY,
        declared: Declared = NOTHING,
    ) -> None:
        self.policy = policy
        self.tally = Tally()
        self._idle_ms = policy.idle_ms
        knowledge = Knowledge(baseline, registry, declared)
        active = detectors(policy, knowledge)
        self._asking = Asking(active, WEIGHED)
        self._attendants = {
            kind: tuple(detector.attend for detector in attending)
            for kind, attending in by_kind(active).items()
        }
        self._registry = registry
        self._warrants = Warrants(policy.approvals, registry)
        self._decisions = Decisions(policy, baseline.version if baseline is not None else "", declared)
        self._may_stop = self._decisions.may_stop
        self._served = Served(knowledge.habits, registry, self._may_stop, self._warrants)
        self.crossing = Crossing(active, self._decisions)
        self._expected = baseline.expected if baseline is not None else None
        share = policy.wrong_stops_per_1000_sessions / 1000
        self.baseline = baseline
        on = {detector.name for detector in active}
        self.drift = Drift(baseline, share, on) if baseline is not None else None

    def fold(self, workflow: Workflow, event: AnyEvent, position: int, seen_ms: int) -> Decision | None:
        """Fold one event in.

        `position` is its place in the log, rising per workflow: what was folded before is recognised by it.
        `seen_ms` is when it reached the log: reported, and how long an answer has been waited for. None means
        that nothing is due.
        """
        tally = self.tally
        if position <= workflow.position:
            tally.redelivered += 1
            return None
        workflow.position = position
        tally.events += 1
        if event.at_ms > workflow.last_ms:  # noqa: PLR1730 - a call to `max` for every event shows in the profile
            workflow.last_ms = event.at_ms
        if type(event) is Operation:
            decision = self._operation(workflow, event, seen_ms)
        else:
            decision = self._fact(workflow, event, seen_ms)
        return decision if workflow.credit is None else self._called_in(workflow, event, seen_ms, decision)

    def _operation(self, workflow: Workflow, event: Operation, seen_ms: int) -> Decision | None:
        session = workflow.sessions.get(event.session)
        if session is None or event.at_ms - session.last_ms > self._idle_ms:
            session = self._begin(workflow, event, event.parent_session)
        apart = self._told_apart(session, event)
        if apart is None:
            return None
        self._attend(workflow, session, event)
        op_class = event.op_class
        weighs = op_class in WEIGHED or CREATES in event.effects
        grant: Grant | None = None
        if weighs:
            step, grant = self._weighed(workflow, event, session)
        else:
            step = step_of(event, session)
        noticed: list[Noticed] | None = None
        told = told_before(session, event) if event.act else FIRST
        for inspect in self._asking.about(event, told):
            word = inspect(session, workflow, event, step)
            if word is not None:
                noticed = [*(noticed or ()), word, *word.also]
        if workflow.grants and op_class not in READS and event.outcome is OK:
            self._use_up(workflow, step, grant)
        if noticed is None:
            return None
        if not step.warrant:
            noticed = self._served.eased(workflow, session, event, noticed)
            if workflow.questions:
                plans = self._warrants.plans_of(workflow, event)
                noticed = on_credit(
                    workflow, step, noticed, self._may_stop, self.policy.approvals, seen_ms, plans
                )
        self._recall(workflow, session, noticed)
        return self._decisions.due(workflow, session, event, noticed, seen_ms, apart)

    def _called_in(
        self, workflow: Workflow, event: AnyEvent, seen_ms: int, decision: Decision | None
    ) -> Decision | None:
        """What is due, and what was held back for an answer that did not come, or is none."""
        noticed = settled(workflow, max(event.at_ms, seen_ms), self.policy.approvals)
        if not noticed:
            return decision
        acted = noticed[0].session
        self._recall(workflow, workflow.sessions.get(event.session), noticed)
        more = self._decisions.due(workflow, workflow.sessions[acted], event, noticed, seen_ms)
        if decision is None or more is None:
            return decision or more
        return decision + more

    def _told_apart(self, session: Session, event: Operation) -> tuple[str, ...] | None:
        """None for a duplicate; else what tells the event from another one that had its id."""
        recent, key = session.recent_ids, f"{event.source}\0{event.id}"
        act = crc32(f"{event.operation}\0{event.target}".encode(), event.at_ms)
        known = recent.get(key)
        if known is None:
            recent[key] = act
            if len(recent) > RECENT_IDS_MAX:
                del recent[next(iter(recent))]
            return ()
        if known == act:
            self.tally.duplicates += 1
            return None
        recent[key] = act
        self.tally.ids_reused += 1
        return (str(act),)

    def _weighed(self, workflow: Workflow, event: Operation, session: Session) -> tuple[Step, Grant | None]:
        """The step of a change, with whom it strengthens and what vouches for it, or whose it is.

        And of a change the approval that covers it.
        """
        if CREATES in event.effects:
            made(session, event)
        if event.op_class not in JUDGED:
            return step_of(event, session, own=is_written(session, event)), None
        gainers, granted, thing = strengthened(event)
        step = step_of(event, session, gainers, granted, thing)
        grant = covering(workflow, step, self.policy.approvals) if workflow.grants else None
        warrant = self._warrants.find(workflow, event, grant)
        own = self._makes(workflow, event, session)
        if warrant or own:
            step = step_of(event, session, gainers, granted, thing, warrant, own=own)
        return step, grant

    def _makes(self, workflow: Workflow, event: Operation, session: Session) -> bool:
        """Whether a change reaches only what its session made, be it by this very change."""
        if not session.made:
            return False
        if event.outcome is OK and severity(event, self._registry) is Severity.GRAVE:
            given_much(session, event)
        return is_own(workflow, session, event)

    def _use_up(self, workflow: Workflow, step: Step, grant: Grant | None) -> None:
        """An approval is good for one act; which one covers a change is known."""
        if step.op_class not in JUDGED:
            grant = covering(workflow, step, self.policy.approvals)
        if grant is not None:
            use_up(grant, step)

    def _attend(self, workflow: Workflow, session: Session, event: Operation) -> None:
        """Bring the session up to the event.

        What stays the same is not written again: a new copy in its place would scatter the session over
        memory, and looking at the old one is cheaper than freeing it.
        """
        session.events += 1
        role, at_ms = event.agent_role, event.at_ms
        if at_ms >= session.last_ms:
            session.last_ms = at_ms
            if event.agent != session.agent or event.principal != session.principal:
                workflow.remember_names(session.agent, session.principal)
                session.agent, session.principal = shared(event.agent), shared(event.principal)
            if role != session.agent_role:
                session.agent_role = shared(role)
            if event.credential != session.credential:
                self._change_credential(session, event)
            session.credential_kind = event.credential_kind
        else:
            self._late(session, event)
        if event.grade is ATTESTED and not session.attested_agent:
            session.attested_agent, session.attested_principal = event.agent, event.principal
        if event.op_class is UNCLASSIFIED:
            self.tally.unclassified += 1
        elif event.op_class is EXCHANGE and event.facts:
            opened(session, event)
        if self._expected is None or self._expected.by(session, event).pace is None:
            self.tally.not_enough_seen += 1

    def _late(self, session: Session, event: Operation) -> None:
        """Telemetry is ahead of the platform's record, which alone may name the credential: it was used."""
        if event.credential and len(session.held) < CREDENTIALS_MAX:
            session.held.setdefault(event.credential, event.credential_kind)
        if session.last_ms - event.at_ms > self.policy.lateness_ms:
            self.tally.late += 1

    @staticmethod
    def _change_credential(session: Session, event: Operation) -> None:
        """Another credential than the one before: a stop revokes all that the session has used."""
        session.credential = event.credential
        if event.credential:
            session.held.pop(event.credential, None)
            session.held[event.credential] = event.credential_kind
            if len(session.held) > CREDENTIALS_MAX:
                del session.held[next(iter(session.held))]

    def _begin(self, workflow: Workflow, event: Event, parent: str) -> Session:
        """A new session, or one that was silent for so long that it is a new run; a stop outlives both."""
        self.tally.sessions_begun += 1
        sessions = workflow.sessions
        before = sessions.pop(event.session, None)
        session = Session(event.session, shared(event.agent), started_ms=event.at_ms, last_ms=event.at_ms)
        if self.drift is not None and self.drift.begun:
            session.model = self.drift.begun
        if before is not None:
            session.verdict, session.verdict_until_ms = before.verdict, before.verdict_until_ms
            session.answered = before.answered
            session.minted, session.revoked = before.minted, before.revoked
            session.recent_ids, session.standing = before.recent_ids, before.standing
            session.attested_agent = before.attested_agent
            session.attested_principal = before.attested_principal
            session.stop_done_ms = before.stop_done_ms
            workflow.remember_names(before.agent, before.principal)
            parent = parent or before.parent
            self._over(before)
        self._admit(workflow, session)
        if parent:
            self._decisions.inherit(workflow, session, parent, event.at_ms)
        return session

    def _recall(self, workflow: Workflow, session: Session | None, noticed: list[Noticed]) -> None:
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
            self._leave(workflow, silent)
            workflow.sessions_forgotten += 1
            self.tally.sessions_forgotten += 1
        sessions[session.id] = session

    @staticmethod
    def _leave(workflow: Workflow, session: Session) -> None:
        """Remember no more of a session than whose it was."""
        del workflow.sessions[session.id]
        workflow.remember_names(session.id, session.agent, session.principal)

    def _fact(self, workflow: Workflow, event: AnyEvent, seen_ms: int) -> Decision | None:
        """What is no operation, yet changes how operations are judged."""
        self.tally.facts += 1
        match event:
            case Release():
                return self._decisions.release(workflow, event, seen_ms)
            case Disposition():
                return self._dispose(workflow, event, seen_ms)
            case Delegation() | SessionStart():
                self._delegate(workflow, event, event.parent_session)
            case SessionEnd():
                return self._end(workflow, event, seen_ms)
            case Join():
                self._join(workflow, event)
            case _:
                take_in(workflow, event, self._registry)
        attending = self._attendants.get(type(event))
        return self._attended(workflow, event, attending, seen_ms) if attending else None

    def _attended(
        self, workflow: Workflow, event: AnyEvent, attending: tuple[Attend, ...], seen_ms: int
    ) -> Decision | None:
        """Ask the detectors that attend to such a fact."""
        session = workflow.sessions.get(event.session)
        if session is None and type(event) is SessionEnd:  # nothing to remember of what is over
            session = Session(id=event.session, agent=event.agent, last_ms=event.at_ms)
        elif session is None:
            session = self._begin(workflow, event, "")
        noticed = [word for attend in attending if (word := attend(session, workflow, event)) is not None]
        return self._decisions.due(workflow, session, event, noticed, seen_ms) if noticed else None

    def _dispose(self, workflow: Workflow, event: Disposition, seen_ms: int) -> Decision | None:
        """An analyst's word, once, however often it is delivered."""
        session = workflow.sessions.get(event.session)
        if session is not None:
            recent, key = session.recent_ids, f"{event.source}\0{event.id}"
            if recent.get(key) == event.about:
                return None
            recent[key] = event.about
            if len(recent) > RECENT_IDS_MAX:
                del recent[next(iter(recent))]
        by_agent = self._registry.agent(event.decided_by) is not None
        return self._decisions.dispose(workflow, event, seen_ms, by_agent=by_agent)

    def _delegate(self, workflow: Workflow, event: Event, parent: str) -> None:
        session = workflow.sessions.get(event.session)
        if session is None:
            session = self._begin(workflow, event, parent)
        elif parent and not session.parent:
            self._decisions.inherit(workflow, session, parent, event.at_ms)
        session.run = session.run or isinstance(event, SessionStart)

    def _end(self, workflow: Workflow, event: SessionEnd, seen_ms: int) -> Decision | None:
        """What is said of the end is said of the whole session: before it is forgotten."""
        attending = self._attendants.get(SessionEnd)
        decision = self._attended(workflow, event, attending, seen_ms) if attending else None
        ended = workflow.sessions.get(event.session)
        if ended is not None and event.at_ms >= ended.last_ms + self._idle_ms:
            self._over(ended)
            if ended.verdict_until_ms <= event.at_ms:
                self._leave(workflow, ended)
        return decision

    def _over(self, session: Session) -> None:
        """Nothing more comes of it: it says, once, whether sessions still are what was learned from."""
        if self.drift is not None:
            self.drift.ended(session)
        session.model = ""

    def _join(self, workflow: Workflow, event: Join) -> None:
        """What it did is judged again where it belongs; here nothing is held against it any more."""
        joined = workflow.sessions.get(event.session)
        if joined is None:
            return
        moved = set(event.moved)
        if workflow.credit is not None and workflow.credit.step.event_id in moved:
            workflow.credit = None
        workflow.noted = [each for each in workflow.noted if each.note.hit.step.event_id not in moved]
        for name in [name for name, alarm in joined.alarms.items() if not moved.isdisjoint(alarm.evidence)]:
            del joined.alarms[name]
        if joined.events <= len(moved):
            self._leave(workflow, joined)
        if not workflow.sessions:
            workflow.chains.clear()
            workflow.tracks.clear()
            workflow.denied.clear()
            workflow.done.clear()
            workflow.visited.clear()
