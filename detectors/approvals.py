"""Whether a change was approved: that very change, by somebody else, after a human pause, once."""

from detectors.policy import ApprovalSettings
from models.session import Grant, Step, Workflow


def covering(workflow: Workflow, step: Step, settings: ApprovalSettings) -> Grant | None:
    """The grant that covers a step, or None. A reference in the event is a claim and proves nothing."""
    for grant in workflow.grants:
        if (
            grant.operation == step.operation
            and grant.target == step.target
            and (grant.used_by in ("", step.event_id) or grant.used_source != step.source)
            and _in_time(grant, step, settings)
            and _for_session(grant, workflow, step.session)
            and _by_another(grant, workflow, step)
        ):
            return grant
    return None


def _in_time(grant: Grant, step: Step, settings: ApprovalSettings) -> bool:
    expires_ms = grant.expires_ms if grant.expires_ms is not None else grant.at_ms + settings.lifetime_ms
    if not grant.at_ms <= step.at_ms <= expires_ms:
        return False
    return grant.requested_ms is None or grant.at_ms - grant.requested_ms >= settings.pause_ms_min


def _for_session(grant: Grant, workflow: Workflow, session: str) -> bool:
    """Its own session's grant, or one that a session it was delegated from asked for."""
    for _ in range(len(workflow.sessions) + 1):
        if grant.session == session:
            return True
        known = workflow.sessions.get(session)
        if known is None or not known.parent:
            return False
        session = known.parent
    return False


def _by_another(grant: Grant, workflow: Workflow, step: Step) -> bool:
    """Neither whoever asked, nor any agent of the workflow: delegates must not approve one another."""
    decided_by = grant.decided_by
    if decided_by in (grant.requested_by, grant.session, step.session, step.principal):
        return False
    return not workflow.owns(decided_by)
