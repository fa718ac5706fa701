"""What vouches for an act: an approval of exactly it, or a registration whose terms it keeps.

A warrant is always somebody else's word, given beforehand, about this very target. A name never is one: the
evil twin of an honest job has the job's name, its account and its user agent.
"""

from detectors.approvals import approved_plan, covering
from detectors.policy import ApprovalSettings
from detectors.severity import listed, short
from models.attested import Effect, Fact, Registered
from models.event import Operation
from models.registry import Registry
from models.scope import scope_of
from models.session import Step, Vouched, Workflow


class Warrants:
    """Looks for whatever vouches for an operation, in the workflow it belongs to."""

    def __init__(self, settings: ApprovalSettings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry

    def find(self, workflow: Workflow, event: Operation, step: Step) -> str:
        """In a few words, what vouches for it; empty if nothing does."""
        if workflow.grants:
            grant = covering(workflow, step, self._settings)
            if grant is not None:
                return f"approved by {grant.decided_by}"
        if Effect.MINTS in event.effects and self._rotates(event):
            return "registered for the credentials of this user"
        for vouched in workflow.registrations:
            if _in_time(vouched, event.at_ms) and self._vouches(workflow, vouched, event):
                return f"{vouched.what} {vouched.reference}"
        return ""

    def _rotates(self, event: Operation) -> bool:
        """Whether the job is registered, by name, for the credentials of just this user."""
        job = self._registry.job_of(event.source, event.principal, event.agent)
        if job is None or Effect.ADMIN in event.effects:
            return False
        owner = short(event.facts.get(Fact.BENEFICIARY, "") or event.target)
        return owner in {user.casefold() for user in scope_of(job.scope).users}

    def _vouches(self, workflow: Workflow, vouched: Vouched, event: Operation) -> bool:
        if vouched.decided_by and vouched.decided_by in (event.principal, event.agent, event.session):
            return False
        match vouched.what:
            case Registered.PLAN:
                holds = in_plan(event, vouched.targets) and approved_plan(
                    workflow, vouched, event.session, event.at_ms, self._settings
                )
            case Registered.CHANGE | Registered.CAMPAIGN:
                holds = in_change(event, vouched.targets, self._registry)
            case Registered.CASE:
                holds = Effect.REMOVES in event.effects and self._registry.is_protected(
                    event.source, event.principal, event.facts.get(Fact.CLIENT, "")
                )
            case Registered.INCIDENT:
                holds = _to_all(event, vouched.targets) and not _closed(workflow, vouched, event.at_ms)
            case Registered.EXERCISE:
                holds = event.facts.get(Fact.ACCOUNT, "") in vouched.targets
            case _:
                holds = False
        return holds


def is_exercise(workflow: Workflow, event: Operation) -> bool:
    """Whether it happens in an account in which an announced exercise runs."""
    return any(
        vouched.what is Registered.EXERCISE
        and _in_time(vouched, event.at_ms)
        and event.facts.get(Fact.ACCOUNT, "") in vouched.targets
        for vouched in workflow.registrations
    )


def in_plan(event: Operation, targets: tuple[str, ...]) -> bool:
    """Whether the target is among a plan's; a plan may write more of a name than the platform does."""
    name = short(event.target)
    return bool(name) and any(short(target) == name for target in targets)


def in_change(event: Operation, targets: tuple[str, ...], registry: Registry) -> bool:
    """Whether everything that the operation reaches is what a change was registered for.

    A stack vouches for what its service calls; users for what they gain; issuers for trust in them;
    objects for themselves.
    """
    names = {short(target) for target in targets}
    issuers = listed(event.facts.get(Fact.ISSUER, ""))
    if issuers:
        return all(short(issuer) in names or registry.knows_issuer(issuer) for issuer in issuers) and any(
            short(issuer) in names for issuer in issuers
        )
    if event.facts.get(Fact.VIA) and any(":stack/" in target or "/stacks/" in target for target in targets):
        return True
    if Effect.ADMIN in event.effects:
        return short(event.target) in names and short(event.facts.get(Fact.GRANTED, "")) in names
    gaining = listed(event.facts.get(Fact.BENEFICIARY, ""))
    if gaining:
        return all(short(name) in names for name in gaining)
    return bool(event.target) and short(event.target) in names


def _to_all(event: Operation, targets: tuple[str, ...]) -> bool:
    gaining = listed(event.facts.get(Fact.BENEFICIARY, "")) or (event.target,)
    names = {short(target) for target in targets}
    return all(short(name) in names for name in gaining)


def _closed(workflow: Workflow, incident: Vouched, at_ms: int) -> bool:
    return any(
        known.what is Registered.INCIDENT_CLOSED
        and known.reference == incident.reference
        and known.at_ms < at_ms
        for known in workflow.registrations
    )


def _in_time(vouched: Vouched, at_ms: int) -> bool:
    return vouched.starts_ms <= at_ms and (vouched.expires_ms is None or at_ms <= vouched.expires_ms)
