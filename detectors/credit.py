"""An act that was asked for, and whose answer has not been heard: it may be on its way.

Platforms tell of an act within seconds; an approval service may take longer. Until the answer is heard, or
has had its time, what is held against the act asks a human and stops nobody; then it counts in full. One act
of a workflow at a time, or what one plan lists, for which the time runs from the first of it; and none that
the platform had refused: asking must not be a way to be left alone.
"""

from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from detectors.approvals import (
    PLAN_OPERATION,
    approved_plan,
    covering,
    is_about,
    is_for_session,
    use_up,
)
from detectors.policy import ApprovalSettings
from models.attested import Registered
from models.event import Grade, Outcome
from models.finding import Noticed
from models.session import Credit, Step, Workflow
from models.words import Question

WAITS = "it was asked for, and the answer may be on its way"
"""Silence may mean that nobody allowed it: that is a guess."""


def on_credit(
    workflow: Workflow,
    step: Step,
    noticed: list[Noticed],
    may_stop: AbstractSet[str],
    settings: ApprovalSettings,
    seen_ms: int,
    plans: tuple[str, ...] = (),
) -> list[Noticed]:
    """What was noticed of an act; without the power to stop, where an answer to it may be on its way.

    `seen_ms` is when the act was told: an answer is late by when it arrives, whatever it is dated. `plans`
    are the registered ones in which it stands.
    """
    request = _awaited(workflow, step, settings, seen_ms, plans)
    if not request:
        return noticed
    words = tuple(
        word for word in noticed if word.detector in may_stop and word.session in ("", step.session)
    )
    if words:
        _keep(workflow, step, request, words)
    return [word.doubted(WAITS) if word in words else word for word in noticed]


def _keep(workflow: Workflow, step: Step, request: str, words: tuple[Noticed, ...]) -> None:
    """Hold back what counts against an act, and of a plan against all that was done of it so far."""
    held, question = workflow.credit, workflow.questions[request]
    known = held.words if held is not None else ()
    if question.operation != PLAN_OPERATION:
        workflow.credit = Credit(step, request, (*known, *words))
        return
    first, acts = (held.step, held.acts) if held is not None and held.plan else (step, ())
    workflow.credit = Credit(first, request, (*known, *words), question.target, (*acts, step.event_id))


def settled(workflow: Workflow, now_ms: int, settings: ApprovalSettings) -> list[Noticed]:
    """What has to be held against the act on credit after all; nothing while its answer may still come."""
    credit = workflow.credit
    if credit is None:
        return []
    step = credit.step
    if _allowed(workflow, credit, settings):
        _withdraw(workflow, step.session, {step.event_id, *credit.acts})
        workflow.credit = None
        return []
    if credit.request in workflow.questions and now_ms - step.at_ms <= settings.answer_within_ms:
        return []
    workflow.credit = None
    return [replace(word, session=step.session, act_ms=step.at_ms) for word in credit.words]


def _allowed(workflow: Workflow, credit: Credit, settings: ApprovalSettings) -> bool:
    """Whether the answer came, and allows it; one of a single act is used up."""
    step = credit.step
    if credit.plan:
        return any(
            plan.what is Registered.PLAN
            and plan.reference.casefold() == credit.plan.casefold()
            and approved_plan(workflow, plan, step.session, step.at_ms, settings)
            for plan in workflow.registrations
        )
    grant = covering(workflow, step, settings)
    if grant is not None:
        use_up(grant, step)
    return grant is not None


def _awaited(
    workflow: Workflow, step: Step, settings: ApprovalSettings, seen_ms: int, plans: tuple[str, ...]
) -> str:
    """The question whose answer would vouch for an act; empty for none, or if it has had its time."""
    within_ms = settings.answer_within_ms
    late_ms = max(workflow.last_ms, seen_ms) - step.at_ms
    if not within_ms or step.outcome is not Outcome.OK or late_ms > within_ms:
        return ""
    for request, question in workflow.questions.items():
        asked_ms = step.at_ms - question.at_ms
        if (
            settings.pause_ms_min <= asked_ms <= settings.lifetime_ms
            and is_for_session(question.session, workflow, step.session)
            and _would_allow(question, step, plans)
            and _has_room(workflow, request, step)
            and not any(_same_again(question, denied, step) for denied in workflow.denied)
        ):
            return request
    return ""


def _would_allow(question: Question, step: Step, plans: tuple[str, ...]) -> bool:
    """Whether a yes to the question is one to the act."""
    if question.operation == PLAN_OPERATION:
        return question.target.casefold() in plans
    return is_about(question.operation, question.target, step)


def _has_room(workflow: Workflow, request: str, step: Step) -> bool:
    """Whether nothing else waits in the workflow."""
    held = workflow.credit
    if held is None or _same_act(held.step, step):
        return True
    return bool(held.plan) and held.request == request


def _same_again(question: Question, denied: Step, step: Step) -> bool:
    """Whether it was refused before."""
    if question.operation == PLAN_OPERATION:
        return (denied.operation, denied.target) == (step.operation, step.target)
    return is_about(question.operation, question.target, denied)


def _same_act(known: Step, step: Step) -> bool:
    """Told by another witness."""
    return known.session == step.session and bool(step.act) and known.act == step.act


def _withdraw(workflow: Workflow, whose: str, acts: set[str]) -> None:
    """It was allowed: nothing is held against it any more."""
    session = workflow.sessions.get(whose)
    if session is None:
        return
    alarms = session.alarms
    guessed = [name for name, alarm in alarms.items() if alarm.grade is Grade.INFERRED]
    for name in guessed:
        if not acts.isdisjoint(alarms[name].evidence):
            del alarms[name]
