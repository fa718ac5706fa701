"""An act that was asked for, and whose answer has not been heard: it may be on its way.

Platforms tell of an act within seconds; an approval service may take longer. Until the answer is heard, or
has had its time, what is held against the act asks a human and stops nobody; then it counts in full. One act
of a workflow at a time, and none that the platform had refused: asking must not be a way to be left alone.
"""

from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from detectors.approvals import covering, is_about, is_for_session, use_up
from detectors.policy import ApprovalSettings
from models.event import Grade, Outcome
from models.finding import Noticed
from models.session import Credit, Step, Workflow


def on_credit(
    workflow: Workflow,
    step: Step,
    noticed: list[Noticed],
    may_stop: AbstractSet[str],
    settings: ApprovalSettings,
    seen_ms: int,
) -> list[Noticed]:
    """What was noticed of an act; without the power to stop, where an answer to it may be on its way.

    `seen_ms` is when the act was told: an answer is late by when it arrives, whatever it is dated.
    """
    request = _awaited(workflow, step, settings, seen_ms)
    if not request:
        return noticed
    words = tuple(
        word for word in noticed if word.detector in may_stop and word.session in ("", step.session)
    )
    if words:
        known = workflow.credit.words if workflow.credit is not None else ()
        workflow.credit = Credit(step, request, (*known, *words))
    return [_waiting(word) if word in words else word for word in noticed]


def settled(workflow: Workflow, now_ms: int, settings: ApprovalSettings) -> list[Noticed]:
    """What has to be held against the act on credit after all; nothing while its answer may still come."""
    credit = workflow.credit
    if credit is None:
        return []
    step = credit.step
    grant = covering(workflow, step, settings)
    if grant is not None:
        use_up(grant, step)
        _withdraw(workflow, step)
        workflow.credit = None
        return []
    if credit.request in workflow.questions and now_ms - step.at_ms <= settings.answer_within_ms:
        return []
    workflow.credit = None
    return [replace(word, session=step.session, act_ms=step.at_ms) for word in credit.words]


def _awaited(workflow: Workflow, step: Step, settings: ApprovalSettings, seen_ms: int) -> str:
    """The question whose answer would vouch for an act; empty for none, or if it has had its time."""
    within_ms = settings.answer_within_ms
    late_ms = max(workflow.last_ms, seen_ms) - step.at_ms
    if not within_ms or step.outcome is not Outcome.OK or late_ms > within_ms:
        return ""
    if workflow.credit is not None and not _same_act(workflow.credit.step, step):
        return ""
    for request, question in workflow.questions.items():
        asked_ms = step.at_ms - question.at_ms
        if (
            settings.pause_ms_min <= asked_ms <= settings.lifetime_ms
            and is_about(question.operation, question.target, step)
            and is_for_session(question.session, workflow, step.session)
            and not any(is_about(question.operation, question.target, denied) for denied in workflow.denied)
        ):
            return request
    return ""


def _same_act(known: Step, step: Step) -> bool:
    """Told by another witness."""
    return known.session == step.session and bool(step.act) and known.act == step.act


def _waiting(word: Noticed) -> Noticed:
    """Silence may mean that nobody allowed it: that is a guess."""
    reason = f"{word.reason} (it was asked for, and the answer may be on its way)"
    return replace(word, grade=Grade.INFERRED, reason=reason)


def _withdraw(workflow: Workflow, step: Step) -> None:
    """It was allowed: nothing is held against it any more."""
    session = workflow.sessions.get(step.session)
    if session is None:
        return
    alarms = session.alarms
    guessed = [name for name, alarm in alarms.items() if alarm.grade is Grade.INFERRED]
    for name in guessed:
        if step.event_id in alarms[name].evidence:
            del alarms[name]
