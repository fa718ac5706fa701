"""Denied here, done there: the agent went round the strictest boundary.

A retry is not that: the same operation on the same target by the same principal, once it is allowed, says
that somebody fixed a permission, and what comes after it goes round nothing. A secret that was refused to
one agent, and that another of its workflow reads by rights of its own, is what one delegates for: a human is
asked, unless there is more against it. What takes away gains nothing, and two things of one system are not
one for bearing one name.
Known gap: a detour whose target and system are both named differently and whose op class is no grant.
"""

from detectors.approvals import covering
from detectors.detector import Detector
from detectors.policy import ApprovalSettings
from detectors.severity import takes_away
from detectors.thresholds import DeniedSettings
from models.event import DENIED, ERROR, GAINS, GRANTS, OWN_KINDS, SECRET_READ, Operation, weakest
from models.finding import Noticed
from models.session import MEMORIES_MAX, Session, Step, Workflow

TO_THE_SAME_END = "by another operation to the same end"


class DeniedThenElsewhere(Detector):
    """Fires when a gain that was denied is had by another way, in one workflow."""

    name = "denied_then_elsewhere"
    listens_to = GAINS
    tags = ("T1548.005", "T1098", "T1078", "ASI02", "ASI03", "ASI09")

    def __init__(self, settings: DeniedSettings, approvals: ApprovalSettings) -> None:
        self._settings = settings
        self._approvals = approvals

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.outcome is not ERROR and not takes_away(event)

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`. Either of the pair may come late, so either may complete it."""
        if event.outcome is ERROR or takes_away(event):
            return None
        if event.outcome is DENIED:
            remember(workflow.denied, step)
            pairs = [(step, done) for done in workflow.done]
        else:
            remember(workflow.done, step)
            if not workflow.denied:
                return None
            pairs = [(denied, step) for denied in workflow.denied]
        best: Noticed | None = None
        for denied, done in pairs:
            noticed = self._compare(workflow, denied, done)
            if noticed is not None and (best is None or noticed.confidence > best.confidence):
                best = noticed
        return best

    def _compare(self, workflow: Workflow, denied: Step, done: Step) -> Noticed | None:
        if not 0 <= done.at_ms - denied.at_ms <= self._settings.within_ms:
            return None
        if _same_thing(denied, done):
            way = _other_way(denied, done)
            entitled = _may_be_entitled(denied, done)
            confidence = self._settings.confidence_delegated if entitled else self._settings.confidence
        elif {denied.op_class, done.op_class} <= GRANTS and denied.system != done.system:
            way = f"in {done.system or 'another system'} on {done.target or 'another target'}"
            confidence = self._settings.confidence_other_target
        else:
            return None
        if not way or done.warrant or covering(workflow, done, self._approvals) is not None:
            return None
        if _allowed_since(workflow, denied, done) or (way == TO_THE_SAME_END and _retried(workflow, done)):
            return None
        return Noticed(
            detector=self.name,
            confidence=confidence,
            reason=f"{denied.operation} on {denied.target or 'no named target'} was denied; "
            f"{done.operation} was then done {way}",
            evidence=(denied.event_id, done.event_id),
            grade=weakest((denied.grade, done.grade)),
            tags=self.tags,
            session=done.session,
            act_ms=done.at_ms,
        )


def _same_thing(denied: Step, done: Step) -> bool:
    """One name, and within one system one kind: a package calls its role and its workload alike."""
    if not denied.target or denied.target != done.target:
        return False
    kinds = {denied.target_kind, done.target_kind} - {""}
    return denied.system != done.system or len(kinds) < 2  # noqa: PLR2004


def _may_be_entitled(denied: Step, done: Step) -> bool:
    """Whether a delegate read a secret with an identity of its own.

    Who shares an account, or takes another one in the same session, goes round what was refused; so does
    whoever grants.
    """
    return (
        done.op_class is SECRET_READ
        and done.session != denied.session
        and done.principal != denied.principal
        and done.credential_kind in OWN_KINDS
    )


def _other_way(denied: Step, done: Step) -> str:
    """How the two differ, in words; empty for a plain retry."""
    if denied.principal and done.principal and denied.principal != done.principal:
        return f"as {done.principal} instead of {denied.principal}"
    if denied.system != done.system:
        return f"in {done.system or 'another system'} instead of {denied.system or 'the first one'}"
    if denied.credential_kind is not done.credential_kind:
        return f"with a credential of kind {done.credential_kind} instead of {denied.credential_kind}"
    if denied.operation != done.operation and denied.op_class is done.op_class:
        return TO_THE_SAME_END
    return ""


def _allowed_since(workflow: Workflow, denied: Step, done: Step) -> bool:
    """Whether whoever was refused had done just that before `done`: the boundary stood no more."""
    return any(
        _is_retry(denied, step) and denied.at_ms <= step.at_ms <= done.at_ms
        for step in workflow.done
        if step is not done
    )


def _retried(workflow: Workflow, done: Step) -> bool:
    """Whether `done` had been refused as well: two acts that both had to be tried twice."""
    return any(_is_retry(step, done) and step.at_ms <= done.at_ms for step in workflow.denied)


def _is_retry(denied: Step, done: Step) -> bool:
    same = (denied.operation, denied.target) == (done.operation, done.target)
    return same and not _other_way(denied, done)


def remember(ring: list[Step], step: Step) -> None:
    """Keep the newest of each (operation, target), and no more than `MEMORIES_MAX`, grants longest."""
    target = step.target
    for place, known in enumerate(ring):
        if known.target == target and known.operation == step.operation and known.principal == step.principal:
            if step.at_ms >= known.at_ms:
                ring[place] = step
            return
    ring.append(step)
    if len(ring) > MEMORIES_MAX:
        first = 0
        for place, known in enumerate(ring):
            if known.op_class not in GRANTS:
                first = place
                break
        del ring[first]
