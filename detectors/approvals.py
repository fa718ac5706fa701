"""Whether a change was approved: that very change, by somebody else, after a human pause, once."""

import re
from functools import lru_cache

from detectors.allowed import OPAQUE, letters, names
from detectors.naming import NAMES_KEPT_MAX, same_operation
from detectors.people import is_same
from detectors.policy import ApprovalSettings
from models.event import Grade
from models.session import Step, Workflow, called, known_by
from models.words import Grant, Vouched

PLAN_OPERATION = "pipeline.apply"
"""What an approval of a whole plan names as its operation; its target is the plan's hash."""
WORDS = re.compile(r"[a-z]{6,}")
"""The words of an operation that could name a kind of thing; `add`, `update` and `to` do not."""


def covering(workflow: Workflow, step: Step, settings: ApprovalSettings) -> Grant | None:
    """The grant that covers a step, or None. A reference in the event is a claim and proves nothing.

    Names are compared last: most approvals of a workflow are used up, and names cost most.
    """
    for grant in workflow.grants:
        if (
            _unused(grant, step)
            and _in_time(grant, step, settings)
            and is_for_session(grant.session, workflow, step.session)
            and is_about(grant.operation, grant.target, step)
            and _by_another(grant, workflow, step)
        ):
            return grant
    return None


def objections(grant: Grant, workflow: Workflow, step: Step, settings: ApprovalSettings) -> tuple[str, ...]:
    """In a few words each, why a grant does not cover a step; empty if it does. The tests of `covering`."""
    found = {
        f"it allows {grant.operation}": _same_operation(grant.operation, step),
        f"it is for {grant.target}": names(grant.target, step),
        "it was used up before": grant.used_by in ("", step.event_id) or grant.used_source != step.source,
        "it came after the act": grant.at_ms <= step.at_ms,
        "the answer came faster than a person reads": _human(grant, settings),
        "it had run out": step.at_ms <= _expires_ms(grant, settings),
        f"it is for session {grant.session}": is_for_session(grant.session, workflow, step.session),
        "whoever gave it takes part in the work": _by_another(grant, workflow, step),
    }
    return tuple(words for words, fine in found.items() if not fine)


def approved_plan(
    workflow: Workflow, plan: Vouched, session: str, at_ms: int, settings: ApprovalSettings
) -> bool:
    """Whether a registered plan was approved for this session as any change is."""
    step = Step(at_ms=at_ms, session=session, operation=PLAN_OPERATION, target=plan.reference)
    return any(
        grant.operation == PLAN_OPERATION
        and grant.target.casefold() == plan.reference.casefold()
        and known_by(grant.at_ms, at_ms)
        and is_for_session(grant.session, workflow, session)
        and _human(grant, settings)
        and _by_another(grant, workflow, step)
        for grant in workflow.grants
    )


def answered_ms(workflow: Workflow, approval: str) -> int | None:
    """How long the question had stood that the approval of this id answers, if that is known."""
    for grant in reversed(workflow.grants):
        if grant.reference == approval:
            return grant.at_ms - grant.requested_ms if grant.requested_ms is not None else None
    return None


def is_about(operation: str, target: str, step: Step) -> bool:
    """Whether what was approved is what a step did, or tried."""
    if _same_operation(operation, step):
        return names(target, step)
    return step.grade is not Grade.ATTESTED and _may_be(operation, target, step.target)


def use_up(grant: Grant, step: Step) -> None:
    """An approval is good for one act, whoever else tells of it."""
    if not grant.used_by:
        grant.used_by, grant.used_source, grant.used_act = step.event_id, step.source, step.act
    elif step.source != grant.used_source:
        grant.also.setdefault(step.source, step.event_id)


def _unused(grant: Grant, step: Step) -> bool:
    """Unless it was used: then for the same act, or for another source's word on it, of which it has one."""
    if not grant.used_by or (step.act and step.act == grant.used_act):
        return True
    used_by = grant.used_by if step.source == grant.used_source else grant.also.get(step.source)
    return used_by in (None, step.event_id)


def _same_operation(approved: str, step: Step) -> bool:
    """The same name, however it is spelt; or the verb, where the record names verb and path.

    An agent's tool writes a platform's name with underscores, behind a word for the platform.
    """
    allowed, done = approved.casefold(), step.operation.casefold()
    if allowed == done or (" " not in allowed and done.startswith(allowed + " ")):
        return True
    if same_operation(approved, step.operation):
        return True
    return step.grade is not Grade.ATTESTED and _is_tool_of(allowed, done)


@lru_cache(maxsize=NAMES_KEPT_MAX)
def _is_tool_of(operation: str, tool: str) -> bool:
    """Whether a tool is called like an operation: `github_repo_destroy` and `repo.destroy`."""
    named = letters(operation)
    return bool(named) and named in {letters(tool), letters(tool.partition("_")[2])}


@lru_cache(maxsize=NAMES_KEPT_MAX)
def _may_be(operation: str, resource: str, path: str) -> bool:
    """Whether an agent's word may be of what was approved, which has a name there and an id here.

    `Update conditional access policy` of one that has a name, and `/conditionalAccess/policies/<id>`: whose
    id that is, the platform's record tells, which is then compared in full.
    """
    ids = OPAQUE.findall(path)
    if not ids or any(one.casefold() in resource.casefold() for one in ids):
        return False
    said = letters(OPAQUE.sub("", path))
    return any(
        word.removesuffix("y").removesuffix("s") in said for word in WORDS.findall(operation.casefold())
    )


def _human(grant: Grant, settings: ApprovalSettings) -> bool:
    return grant.requested_ms is None or grant.at_ms - grant.requested_ms >= settings.pause_ms_min


def _in_time(grant: Grant, step: Step, settings: ApprovalSettings) -> bool:
    if not known_by(grant.at_ms, step.at_ms) or step.at_ms > _expires_ms(grant, settings):
        return False
    return _human(grant, settings)


def _expires_ms(grant: Grant, settings: ApprovalSettings) -> int:
    return grant.expires_ms if grant.expires_ms is not None else grant.at_ms + settings.lifetime_ms


def is_for_session(asked: str, workflow: Workflow, session: str) -> bool:
    """Whether what session `asked` asked for is this one's: its own, or of one it was delegated from."""
    for _ in range(len(workflow.sessions) + 1):
        if asked == session:
            return True
        known = workflow.sessions.get(session)
        if known is None or not known.parent:
            return False
        session = known.parent
    return False


def _by_another(grant: Grant, workflow: Workflow, step: Step) -> bool:
    """Not whoever acts, either, whom platforms may know by a login without its domain."""
    if is_same(grant.decided_by, step.session) or is_same(grant.decided_by, step.principal):
        return False
    return by_outsider(grant, workflow)


def by_outsider(grant: Grant, workflow: Workflow) -> bool:
    """Neither whoever asked, nor any agent of the workflow: delegates must not approve one another.

    Where the registry lists who may approve, nobody else does: an agent of another workflow is no human.
    """
    own = called(grant.decided_by)
    if not grant.by_approver or own in (called(grant.requested_by), called(grant.session)):
        return False
    return not workflow.owns(grant.decided_by)
