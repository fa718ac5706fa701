"""From what detectors noticed to what is published and ordered: alarms, risk, level, commands.

Levels are edge-triggered: a level that stands is not earned again, and an alarm that a detector raises again
counts once until half of it has faded.
"""

from msgspec import Struct

from detectors import explain, risk
from detectors.policy import Level, Policy
from models.command import RANK, STOPS, Action, Command, stable_id
from models.event import CredentialKind, Event, Operation, Release, weakest
from models.finding import EVIDENCE_MAX, Finding, Noticed
from models.session import Alarm, Session, Workflow

INHERITED = "inherited_risk"
REVOCABLE = frozenset({CredentialKind.EPHEMERAL, CredentialKind.STATIC})
"""A shared credential is never revoked for one session's sake, nor one of which that is not known."""


class Decision(Struct, frozen=True):
    """What one event led to."""

    findings: tuple[Finding, ...]
    commands: tuple[Command, ...]


class Decisions:
    """Risk to response, as one policy says."""

    def __init__(self, policy: Policy, model_version: str) -> None:
        self._policy = policy
        self._policy_version = policy.version
        self._model_version = model_version
        self._may_stop = frozenset(policy.may_stop)

    def due(
        self, workflow: Workflow, session: Session, event: Operation, noticed: list[Noticed], seen_ms: int
    ) -> Decision | None:
        """Findings that are new, and the commands of a level that was not reached before."""
        news: list[tuple[Session, Noticed]] = []
        for word in noticed:
            subject = workflow.sessions.get(word.session, session)
            if self._raise(subject, word, event.at_ms):
                news.append((subject, word))
        if not news:
            return None
        findings = tuple(self._finding(workflow, subject, event, word) for subject, word in news)
        commands: list[Command] = []
        for subject in {subject.id: subject for subject, _ in news}.values():
            words = [word for known, word in news if known is subject]
            commands.extend(self._commands(workflow, subject, event, words, seen_ms))
        return Decision(findings, tuple(commands))

    def release(self, workflow: Workflow, event: Release, seen_ms: int) -> Decision | None:
        """A human lifts a stop: the session starts with a clean slate, and the hooks hear of it."""
        session = workflow.sessions.get(event.session)
        if session is None:
            session = workflow.sessions[event.session] = Session(id=event.session, last_ms=event.at_ms)
        session.verdict, session.verdict_until_ms = Action.OBSERVE, 0
        session.alarms.clear()
        workflow.chains.clear()
        workflow.denied.clear()
        reason = f"released by {event.decided_by}: {event.reason or 'no reason given'}"
        level = self._policy.levels[-1]
        command = self._command(
            workflow, session, event, Action.RELEASE_SESSION, level.lifetime_ms, reason, seen_ms
        )
        return Decision((), (command,))

    def inherit(self, workflow: Workflow, session: Session, parent: str, at_ms: int) -> None:
        """A delegated session starts with a share of what its parent is suspected of."""
        session.parent = parent
        known = workflow.sessions.get(parent)
        if known is None or not known.alarms:
            return
        confidence = self._policy.inherited_share * self._risk(known, at_ms)
        evidence = tuple(event_id for alarm in known.alarms.values() for event_id in alarm.evidence)
        grade = weakest(alarm.grade for alarm in known.alarms.values())
        session.alarms[INHERITED] = Alarm(confidence, at_ms, grade, evidence[:EVIDENCE_MAX])

    def _raise(self, session: Session, word: Noticed, at_ms: int) -> bool:
        """Hold a finding against its session; False if that is no news."""
        known = session.alarms.get(word.detector)
        if known is not None and word.confidence <= known.confidence:
            left = risk.faded(known, at_ms, self._policy.half_life_ms)
            if left > word.confidence / 2:
                return False
        session.alarms[word.detector] = Alarm(
            word.confidence, at_ms, word.grade, word.evidence[:EVIDENCE_MAX]
        )
        return True

    def _risk(self, session: Session, at_ms: int) -> float:
        return risk.combined(session.alarms.values(), at_ms, self._policy.half_life_ms)

    def _stopping_risk(self, session: Session, at_ms: int) -> float:
        """The risk of what the policy lets stop: named detectors, on evidence of a grade that is good enough."""
        alarms = [
            alarm
            for name, alarm in session.alarms.items()
            if name in self._may_stop and alarm.grade in self._policy.grades_that_stop
        ]
        return risk.combined(alarms, at_ms, self._policy.half_life_ms)

    def _level(self, session: Session) -> Level | None:
        """The highest level that the session's risk reaches."""
        at_ms = session.last_ms
        whole, stopping = self._risk(session, at_ms), self._stopping_risk(session, at_ms)
        for level in reversed(self._policy.levels):
            counted = stopping if STOPS.intersection(level.actions) else whole
            if counted >= level.risk_min:
                return level
        return None

    def _commands(
        self, workflow: Workflow, session: Session, event: Operation, words: list[Noticed], seen_ms: int
    ) -> list[Command]:
        level = self._level(session)
        if level is None:
            return []
        standing = session.verdict if session.verdict_until_ms > session.last_ms else Action.OBSERVE
        strongest = max(level.actions, key=RANK.__getitem__)
        if RANK[strongest] <= RANK[standing]:
            return []
        actions = [action for action in level.actions if self._applies(action, session)]
        degraded_from: Action | None = None
        if strongest in STOPS and self._protected(session):
            degraded_from, actions, strongest = strongest, [Action.STEP_UP], Action.STEP_UP
            if RANK[strongest] <= RANK[standing]:
                return []
        session.verdict = strongest
        session.verdict_until_ms = session.last_ms + level.lifetime_ms
        reason = explain.reason_of(level, self._risk(session, session.last_ms), session.alarms, words)
        if degraded_from is not None:
            reason = f"{degraded_from} was due, but the identity is protected: a human must look; {reason}"
        return [
            self._command(
                workflow, session, event, action, level.lifetime_ms, reason, seen_ms, degraded_from
            )
            for action in actions
        ]

    def _applies(self, action: Action, session: Session) -> bool:
        if action is Action.REVOKE_TOKEN:
            return bool(session.credential) and session.credential_kind in REVOCABLE
        return action is not Action.OBSERVE

    def _protected(self, session: Session) -> bool:
        budget = self._policy.budget
        return session.agent in budget.protected_agents or session.principal in budget.protected_principals

    def _finding(self, workflow: Workflow, session: Session, event: Operation, word: Noticed) -> Finding:
        return Finding(
            id=stable_id("finding", word.detector, session.id, event.source, event.id),
            detector=word.detector,
            confidence=word.confidence,
            reason=word.reason,
            evidence=word.evidence[:EVIDENCE_MAX],
            grade=word.grade,
            session=session.id,
            workflow=workflow.id,
            agent=session.agent,
            at_ms=event.at_ms,
            event_id=event.id,
            event_source=event.source,
            risk=round(self._risk(session, session.last_ms), 6),
            principal=session.principal,
            credential=session.credential,
            tags=word.tags,
            policy_version=self._policy_version,
            model_version=self._model_version,
        )

    def _command(
        self,
        workflow: Workflow,
        session: Session,
        event: Event,
        action: Action,
        lifetime_ms: int,
        reason: str,
        seen_ms: int,
        degraded_from: Action | None = None,
    ) -> Command:
        shares = risk.contributions(session.alarms, session.last_ms, self._policy.half_life_ms)
        evidence = dict.fromkeys(event_id for share in shares for event_id in share.evidence)
        return Command(
            id=stable_id("command", action, session.id, event.source, event.id),
            action=action,
            session=session.id,
            workflow=workflow.id,
            agent=session.agent,
            at_ms=event.at_ms,
            seen_ms=seen_ms,
            expires_ms=max(event.at_ms, session.last_ms) + lifetime_ms,
            event_id=event.id,
            event_source=event.source,
            risk=round(self._risk(session, session.last_ms), 6),
            reason=reason,
            principal=session.principal,
            credential=session.credential,
            credential_kind=session.credential_kind,
            evidence=tuple(evidence)[:EVIDENCE_MAX],
            contributions=shares,
            policy_version=self._policy_version,
            model_version=self._model_version,
            degraded_from=degraded_from,
            shadow=self._policy.shadow,
        )
