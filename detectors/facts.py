"""What is no operation, yet vouches for operations: approvals, their requests, and registrations."""

from models.acknowledgement import LEDGER
from models.attested import Registered
from models.event import AnyEvent, Approval, ApprovalRequest, Grade, Registration
from models.registry import Registry
from models.session import APPROVALS_MAX, REGISTRATIONS_MAX, Workflow
from models.words import Grant, Question, Vouched

VOUCHING = frozenset(Registered) - {
    Registered.STOP_DONE,
    Registered.PLAN_STARTED,
    Registered.CREDENTIAL,
    Registered.REFUSED,
}
"""What is asked again later. The others would only push these out: a long run is handed many credentials."""


def take_in(workflow: Workflow, event: AnyEvent, registry: Registry) -> None:
    """Remember it in the workflow; a guess allows nothing and vouches for nothing."""
    if event.grade is Grade.INFERRED:
        return
    if isinstance(event, Approval):
        _answer(workflow, event)
        if event.digest_fits:
            _grant(workflow, event, by_approver=registry.may_approve(event.decided_by))
    elif isinstance(event, ApprovalRequest):
        _ask(workflow, event)
    elif isinstance(event, Registration):
        _register(workflow, event)


def _grant(workflow: Workflow, event: Approval, *, by_approver: bool) -> None:
    if any(_same_answer(grant, event) for grant in workflow.grants):
        return
    workflow.grants.append(
        Grant(
            event.id,
            event.session,
            event.operation,
            event.target,
            event.decided_by,
            event.requested_by,
            workflow.asked.get(event.request, event.requested_ms),
            event.at_ms,
            event.expires_ms,
            request=event.request,
            by_approver=by_approver,
        )
    )
    if len(workflow.grants) > APPROVALS_MAX:
        used = (place for place, grant in enumerate(workflow.grants) if grant.used_by)
        del workflow.grants[next(used, 0)]


def _same_answer(grant: Grant, event: Approval) -> bool:
    """Told again; under another id, too: a question is answered once."""
    if grant.reference == event.id:
        return True
    again = (event.request, event.session, event.operation, event.target, event.decided_by)
    known = (grant.request, grant.session, grant.operation, grant.target, grant.decided_by)
    return bool(event.request) and again == known


def _ask(workflow: Workflow, event: ApprovalRequest) -> None:
    if event.request not in workflow.asked:  # told again, it may have been answered
        question = Question(event.session, event.operation, event.target, event.at_ms)
        workflow.questions[event.request] = question
    workflow.asked[event.request] = event.at_ms
    for known in (workflow.asked, workflow.questions):
        if len(known) > APPROVALS_MAX:
            del known[next(iter(known))]


def _answer(workflow: Workflow, event: Approval) -> None:
    """Whatever the answer is worth, nobody has to wait for it any more."""
    about = (event.session, event.operation, event.target)
    for request, asked in list(workflow.questions.items()):
        if request == event.request or (
            not event.request and about == (asked.session, asked.operation, asked.target)
        ):
            del workflow.questions[request]


def _register(workflow: Workflow, event: Registration) -> None:
    if event.what in (Registered.UNTOLD, Registered.UNRECORDED):
        return  # these vouch for nothing
    if event.what is Registered.REFUSED:
        workflow.questions.pop(event.reference, None)
        return
    if event.what is Registered.STOP_DONE:
        stopped = workflow.sessions.get(event.session)
        if stopped is not None and event.source == LEDGER:
            stopped.stop_done_ms = event.at_ms
        return
    if event.what not in VOUCHING:
        return
    workflow.registrations.append(
        Vouched(
            event.what,
            event.reference,
            event.session,
            event.decided_by,
            event.at_ms,
            event.at_ms if event.starts_ms is None else event.starts_ms,
            event.expires_ms,
            event.grade,
            event.targets,
        )
    )
    if len(workflow.registrations) > REGISTRATIONS_MAX:
        del workflow.registrations[0]
