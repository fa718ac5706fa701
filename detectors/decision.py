"""From what detectors noticed to what is published and ordered: alarms, risk, level, commands.

Levels are edge-triggered: a level that stands is not earned again, and an alarm that a detector raises again
counts once until half of it has faded.
"""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from detectors import explain, risk
from detectors.ceilings import Ceilings
from detectors.chains.hosted import NOTHING, Declared
from detectors.policy import Level, Policy
from detectors.thresholds import DetectorSettings
from models.command import RANK, STOPS, Action, Command, stable_id
from models.event import OWN_KINDS, CredentialKind, Disposition, Event, Operation, Release, weakest
from models.finding import EVIDENCE_MAX, Finding, Noticed, Verdict
from models.session import CREDENTIALS_MAX, STANDING_MAX, Alarm, Session, Workflow, remembered

SELF_RELEASE = "self_release"
DISPOSITION = "disposition"
SELF_DISPOSITION = "self_disposition"
INHERITED = "inherited_risk"


class Decision(Struct, frozen=True):
    """What one event led to."""

    findings: tuple[Finding, ...]
    commands: tuple[Command, ...]

    def __add__(self, more: "Decision") -> "Decision":
        """Both, in their order."""
        return Decision(self.findings + more.findings, self.commands + more.commands)


class Cause(Struct, frozen=True):
    """The event that made something due, and the two times that matter beside its own."""

    event: Event
    seen_ms: int
    now_ms: int
    """When the newest act was that it shows: risk is told as of then, whatever order the events came in."""
    apart: tuple[str, ...] = ()
    """Part of the ids of what follows, where the event's own id was used before for another act."""


class Decisions:
    """Risk to response, as one policy says."""

    def __init__(self, policy: Policy, model_version: str, declared: Declared = NOTHING) -> None:
        self._policy = policy
        self._policy_version = policy.version + (f"+{declared.version}" if declared.version else "")
        self._model_version = model_version
        self._detectors = frozenset(
            (*DetectorSettings.__struct_fields__, *declared.names, *declared.crossing)
        )
        self._ceilings = Ceilings(policy, declared)
        self.may_stop = self._ceilings.may_stop

    def due(
        self,
        workflow: Workflow,
        session: Session,
        event: Event,
        noticed: list[Noticed],
        seen_ms: int,
        apart: tuple[str, ...] = (),
    ) -> Decision | None:
        """Findings that are new, and the commands of a level that was not reached before.

        `apart` tells an event from another one that had its id.
        """
        news: list[tuple[Session, Noticed]] = []
        now_ms = event.at_ms
        for word in noticed:
            subject = workflow.sessions.get(word.session, session)
            act_ms = max(event.at_ms, word.act_ms)
            if self._raise(subject, word, act_ms, _used(subject, event)):
                news.append((subject, word))
                now_ms = max(now_ms, act_ms)
        if not news:
            return None
        cause = Cause(event, seen_ms, now_ms, apart)
        findings = tuple(self._finding(workflow, subject, cause, word) for subject, word in news)
        commands: list[Command] = []
        for subject in {subject.id: subject for subject, _ in news}.values():
            words = [word for known, word in news if known is subject]
            commands.extend(self._commands(workflow, subject, cause, words))
        _remember(workflow, session, findings, commands)
        return Decision(findings, tuple(commands))

    def release(self, workflow: Workflow, event: Release, seen_ms: int) -> Decision | None:
        """A human lifts a stop: the session starts with a clean slate, and the hooks hear of it."""
        session = workflow.sessions.get(event.session)
        if session is None:  # forgotten, but its stop may still stand at the hooks
            session = Session(id=event.session, last_ms=event.at_ms)
        cause = Cause(event, seen_ms, session.last_ms)
        if event.decided_by == session.id or workflow.owns(event.decided_by):
            what = f"the release of {session.id}"
            return self._refused(
                workflow, session, cause, SELF_RELEASE, f"{event.decided_by} asked for {what}"
            )
        session.verdict, session.verdict_until_ms, session.stop_done_ms = Action.OBSERVE, 0, 0
        lifts, session.standing = session.standing, ()
        session.alarms.clear()
        workflow.chains.clear()
        workflow.tracks.clear()
        workflow.denied.clear()
        workflow.noted.clear()
        workflow.credit = None
        workflow.released_ms = max(workflow.released_ms, event.at_ms)
        reason = f"released by {event.decided_by}: {event.reason or 'no reason given'}"
        level = self._policy.levels[-1]
        command = self._command(workflow, session, cause, Action.RELEASE_SESSION, level.lifetime_ms, reason)
        workflow.releases += 1
        return Decision((), (replace(command, lifts=lifts),))

    def dispose(
        self, workflow: Workflow, event: Disposition, seen_ms: int, *, by_agent: bool = False
    ) -> Decision:
        """What an analyst says of a stop or finding, put on record: it changes no risk and lifts nothing."""
        session = workflow.sessions.get(event.session)
        if session is None:  # forgotten; people take their time
            session = Session(id=event.session, agent=event.agent, last_ms=event.at_ms)
        cause = Cause(event, seen_ms, session.last_ms)
        who = event.decided_by
        if by_agent or who == session.id or workflow.owns(who):
            said = f"{who} would judge a stop of {session.id}"
            return self._refused(workflow, session, cause, SELF_DISPOSITION, said)
        verdict = Verdict.TRUE_POSITIVE if event.true_positive else Verdict.FALSE_POSITIVE
        blamed = session.answered.get(event.about) or tuple(filter(self._is_detector, event.detectors))
        told = "was right" if event.true_positive else "was a false alarm"
        word = Noticed(
            detector=DISPOSITION,
            confidence=1.0,
            reason=f"{event.about} {told}, says {who}: {event.reason or 'no reason given'}",
            evidence=(event.id,),
            grade=event.grade,
        )
        finding = self._finding(workflow, session, cause, word)
        return Decision(
            (replace(finding, about=event.about, verdict=verdict, decided_by=who, blamed=blamed),), ()
        )

    def _refused(
        self, workflow: Workflow, session: Session, cause: Cause, detector: str, what: str
    ) -> Decision:
        """No agent lifts or judges a stop in its own workflow; that one tried is told."""
        word = Noticed(
            detector=detector,
            confidence=0.9,
            reason=f"{what}, in a workflow of its own",
            evidence=(cause.event.id,),
            grade=cause.event.grade,
            tags=("T1548.005", "ASI03", "ASI09"),
        )
        return Decision((self._finding(workflow, session, cause, word),), ())

    def inherit(self, workflow: Workflow, session: Session, parent: str, at_ms: int) -> None:
        """A delegated session starts with a share of what its parent is suspected of."""
        session.parent = parent
        known = workflow.sessions.get(parent)
        if known is None or not known.alarms:
            return
        counted = self._ceilings.counted(known.alarms, Action.STEP_UP)
        confidence = self._policy.inherited_share * risk.combined(
            counted.values(), at_ms, self._policy.half_life_ms
        )
        evidence = tuple(event_id for alarm in known.alarms.values() for event_id in alarm.evidence)
        grade = weakest(alarm.grade for alarm in known.alarms.values())
        session.alarms[INHERITED] = Alarm(confidence, at_ms, grade, evidence[:EVIDENCE_MAX])

    def _raise(self, session: Session, word: Noticed, at_ms: int, credential: str) -> bool:
        """Hold a finding against its session; False if that is no news: the same on firmer evidence is."""
        known = session.alarms.get(word.detector)
        firmer = self._ceilings.stops(word.grade) > (known is not None and self._ceilings.stops(known.grade))
        if known is not None and word.confidence <= known.confidence and not firmer:
            left = risk.faded(known, at_ms, self._policy.half_life_ms)
            if left > word.confidence / 2:
                return False
        credential = credential or (known.credential if known is not None else "")
        session.alarms[word.detector] = Alarm(
            word.confidence, at_ms, word.grade, word.evidence[:EVIDENCE_MAX], credential
        )
        if word.credential:
            remembered(session.minted, word.credential, CREDENTIALS_MAX)
        return True

    def _is_detector(self, name: str) -> bool:
        return name in self._detectors

    def _risk(self, session: Session, at_ms: int) -> float:
        return risk.combined(session.alarms.values(), at_ms, self._policy.half_life_ms)

    def _level(self, session: Session, at_ms: int) -> Level | None:
        """The highest level that the session's risk reaches at that time."""
        for level in reversed(self._policy.levels):
            counted = self._ceilings.counted_at(session.alarms, level)
            if risk.combined(counted.values(), at_ms, self._policy.half_life_ms) >= level.risk_min:
                return level
        return None

    def _commands(
        self, workflow: Workflow, session: Session, cause: Cause, words: list[Noticed]
    ) -> list[Command]:
        level = self._level(session, cause.now_ms)
        if level is None:
            return []
        standing = session.verdict if session.verdict_until_ms > session.last_ms else Action.OBSERVE
        actions = _applicable(level, session)
        strongest = max(actions, key=RANK.__getitem__)
        degraded_from: Action | None = None
        news = RANK[strongest] > RANK[standing]
        if strongest in STOPS and (self._protected(session) or _everybodys(session)):
            news = RANK[Action.STEP_UP] > RANK[standing] or not self._ceilings.may_stop.isdisjoint(
                word.detector for word in words
            )
            degraded_from, actions, strongest = strongest, (Action.STEP_UP,), Action.STEP_UP
        if not news:
            return self._revocations(workflow, session, cause, level, words) if strongest in STOPS else []
        session.verdict = strongest
        session.verdict_until_ms = session.last_ms + level.lifetime_ms
        reason = explain.reason_of(level, self._risk(session, cause.now_ms), session.alarms, words)
        if degraded_from is not None:
            why = "others share the account" if _everybodys(session) else "the identity is protected"
            reason = f"{degraded_from} was due, but {why}: a human must look; {reason}"
        commands = [
            self._command(workflow, session, cause, action, level.lifetime_ms, reason, degraded_from)
            for action in actions
            if action not in (Action.OBSERVE, Action.REVOKE_TOKEN)
        ]
        if Action.REVOKE_TOKEN in actions:
            session.revoked.clear()
            commands += self._revocations(workflow, session, cause, level, words)
        session.standing = (*session.standing, *(command.id for command in commands))[-STANDING_MAX:]
        return commands

    def _revocations(
        self, workflow: Workflow, session: Session, cause: Cause, level: Level, words: list[Noticed]
    ) -> list[Command]:
        """One command per credential of the session that may be revoked, and that it made; each once."""
        if Action.REVOKE_TOKEN not in level.actions:
            return []
        reason = explain.reason_of(level, self._risk(session, cause.now_ms), session.alarms, words)
        made = dict.fromkeys(session.minted, CredentialKind.STATIC)
        return [
            self._command(
                workflow,
                session,
                cause,
                Action.REVOKE_TOKEN,
                level.lifetime_ms,
                reason,
                of=(credential, kind),
            )
            for credential, kind in (_its_own(session) | made).items()
            if kind in OWN_KINDS and remembered(session.revoked, credential, 2 * CREDENTIALS_MAX)
        ]

    def _protected(self, session: Session) -> bool:
        """By what the platform itself recorded first: else naming a protected account were a way out."""
        budget = self._policy.budget
        return (
            session.attested_agent in budget.protected_agents
            or session.attested_principal in budget.protected_principals
        )

    def _lateness(self, session: Session, event: Event) -> str:
        """Marks what was told too late to be judged in its order."""
        late_ms = session.last_ms - event.at_ms
        if not isinstance(event, Operation) or late_ms <= self._policy.lateness_ms:
            return ""
        return f" (late: its session's newest act is {late_ms / 60_000:.0f} min younger)"

    def _finding(self, workflow: Workflow, session: Session, cause: Cause, word: Noticed) -> Finding:
        event = cause.event
        return Finding(
            id=stable_id("finding", word.detector, session.id, event.source, event.id, *cause.apart),
            detector=word.detector,
            confidence=word.confidence,
            reason=word.reason + self._lateness(session, event),
            evidence=word.evidence[:EVIDENCE_MAX],
            grade=word.grade,
            session=session.id,
            workflow=workflow.id,
            agent=session.agent,
            at_ms=event.at_ms,
            event_id=event.id,
            event_source=event.source,
            risk=round(self._risk(session, cause.now_ms), 6),
            principal=session.principal,
            credential=session.credential,
            tags=word.tags,
            policy_version=self._policy_version,
            model_version=self._model_version,
            elsewhere=word.elsewhere,
        )

    def _command(
        self,
        workflow: Workflow,
        session: Session,
        cause: Cause,
        action: Action,
        lifetime_ms: int,
        reason: str,
        degraded_from: Action | None = None,
        of: tuple[str, CredentialKind] | None = None,
    ) -> Command:
        """`of` names the credential, where it is about one; else the session's own, unless it is shared."""
        event = cause.event
        credential, kind = of or _credential(session, event)
        lifted = (f"after release {workflow.releases}",) if workflow.releases else ()
        apart = (*(of or ())[:1], *cause.apart, *lifted)
        shares = risk.contributions(session.alarms, cause.now_ms, self._policy.half_life_ms)
        evidence = dict.fromkeys(event_id for share in shares for event_id in share.evidence)
        return Command(
            id=stable_id("command", action, session.id, event.source, event.id, *apart),
            action=action,
            session=session.id,
            workflow=workflow.id,
            agent=session.agent,
            at_ms=event.at_ms,
            seen_ms=cause.seen_ms,
            expires_ms=max(event.at_ms, session.last_ms) + lifetime_ms,
            event_id=event.id,
            event_source=event.source,
            risk=round(self._risk(session, cause.now_ms), 6),
            reason=reason,
            principal=session.principal,
            credential=credential,
            credential_kind=kind,
            evidence=tuple(evidence)[:EVIDENCE_MAX],
            contributions=shares,
            policy_version=self._policy_version,
            model_version=self._model_version,
            degraded_from=degraded_from,
            shadow=self._policy.shadow,
        )


def _remember(
    workflow: Workflow, acting: Session, findings: Iterable[Finding], commands: Iterable[Command]
) -> None:
    """Whoever says later that it was wrong names the finding or the command, and not the detectors."""
    for finding in findings:
        workflow.sessions.get(finding.session, acting).answer(finding.id, (finding.detector,))
    for command in commands:
        blamed = tuple(share.detector for share in command.contributions)
        workflow.sessions.get(command.session, acting).answer(command.id, blamed)


def _used(session: Session, event: Event) -> str:
    """The credential that an act of the session was done by; empty where the event is no act of it."""
    return event.credential if isinstance(event, Operation) and event.session == session.id else ""


def _credential(session: Session, event: Event) -> tuple[str, CredentialKind]:
    """What a command names: what the act was done by, which may be told late, else what was used last."""
    credential, kind = session.credential, session.credential_kind
    if isinstance(event, Operation) and _used(session, event):
        credential, kind = event.credential, event.credential_kind
    return "" if kind is CredentialKind.SHARED else credential, kind


def _its_own(session: Session) -> dict[str, CredentialKind]:
    """The credentials that it has used.

    By an account several runs may act: of those, the ones by which the acts were done that are held against
    it, since another run's token is not to be revoked for them.
    """
    if session.run:
        return session.held
    acted = {alarm.credential for alarm in session.alarms.values()}
    return {credential: kind for credential, kind in session.held.items() if credential in acted}


def _everybodys(session: Session) -> bool:
    """Whether the session is but the name of a shared account: to stop it would stop everybody."""
    nobody_named = not session.run and session.agent == session.principal
    shared = CredentialKind.SHARED in (session.credential_kind, *session.held.values())
    return shared and nobody_named


def _applicable(level: Level, session: Session) -> tuple[Action, ...]:
    """The level's actions; where no credential may be revoked, the session is killed instead."""
    revocable = bool(session.minted) or any(kind in OWN_KINDS for kind in _its_own(session).values())
    if revocable or Action.REVOKE_TOKEN not in level.actions:
        return level.actions
    others = tuple(action for action in level.actions if action is not Action.REVOKE_TOKEN)
    return others if STOPS.intersection(others) else (*others, Action.KILL_SESSION)
