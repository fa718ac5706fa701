"""What vouches for an act: an approval of exactly it, or a registration whose terms it keeps.

A warrant is always somebody else's word, given beforehand, about this very target. A name never is one: the
evil twin of an honest job has the job's name, its account and its user agent.
"""

from detectors.approvals import approved_plan
from detectors.naming import names_target
from detectors.people import is_same
from detectors.policy import ApprovalSettings
from detectors.severity import listed, opens_to_outsiders, resets_login, takes_away
from models.attested import Effect, Fact, Registered
from models.event import Grade, Operation
from models.registry import Registry, Standing
from models.scope import scope_of
from models.session import Workflow, called, known_by
from models.words import Grant, Vouched


class Warrants:
    """Looks for whatever vouches for an operation, in the workflow it belongs to."""

    def __init__(self, settings: ApprovalSettings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry

    def find(self, workflow: Workflow, event: Operation, grant: Grant | None) -> str:
        """In a few words, what vouches for it: the `grant` that covers it, or else; empty if nothing does."""
        if grant is not None:
            return f"approved by {grant.decided_by}"
        if Effect.MINTS in event.effects and self._rotates(event):
            return "registered for the credentials of this user"
        for vouched in workflow.registrations:
            if self._is_given(vouched, event) and self._vouches(workflow, vouched, event):
                return f"{vouched.what} {vouched.reference}"
        return ""

    def plans_of(self, workflow: Workflow, event: Operation) -> tuple[str, ...]:
        """Registered plans in which it stands, approved or not."""
        return tuple(
            vouched.reference.casefold()
            for vouched in workflow.registrations
            if vouched.what is Registered.PLAN
            and self._is_given(vouched, event)
            and in_plan(event, vouched.targets)
        )

    def in_emergency(self, workflow: Workflow, event: Operation) -> bool:
        """Whether an incident goes on that somebody else has declared for whoever acts."""
        return any(
            vouched.what is Registered.INCIDENT
            and self._is_given(vouched, event)
            and called(event.principal) in {called(target) for target in vouched.targets}
            and self._goes_on(workflow, vouched, event.at_ms)
            for vouched in workflow.registrations
        )

    def _rotates(self, event: Operation) -> bool:
        """Whether the job is registered, by name, for the credentials of just this user."""
        job = self._registry.job_of(event.source, event.principal, event.agent)
        if job is None or Effect.ADMIN in event.effects or event.grade is not Grade.ATTESTED:
            return False
        owner = called(event.facts.get(Fact.BENEFICIARY, "") or event.target)
        return owner in {user.casefold() for user in scope_of(job.scope).users}

    def _is_given(self, vouched: Vouched, event: Operation) -> bool:
        """Whether it is somebody else's word, on the record, of the time of the act."""
        return (
            _in_time(vouched, event.at_ms)
            and vouched.grade is Grade.ATTESTED
            and not self._own_word(vouched.decided_by, event)
        )

    def _vouches(self, workflow: Workflow, vouched: Vouched, event: Operation) -> bool:
        """Whether a word that was given is about this act."""
        match vouched.what:
            case Registered.PLAN:
                holds = in_plan(event, vouched.targets) and approved_plan(
                    workflow, vouched, event.session, event.at_ms, self._settings
                )
            case Registered.CHANGE | Registered.CAMPAIGN:
                holds = in_change(event, vouched.targets, self._registry)
            case Registered.CASE:
                holds = self._contains(vouched, event)
            case Registered.INCIDENT:
                holds = (
                    _to_all(event, vouched.targets)
                    and not opens_to_outsiders(event, self._registry)
                    and self._goes_on(workflow, vouched, event.at_ms)
                )
            case Registered.EXERCISE:
                holds = in_exercise(event, vouched)
            case _:
                holds = False
        return holds

    def _own_word(self, decided_by: str, event: Operation) -> bool:
        """Whether it was registered by whoever acts, by whatever name, or by an agent: neither vouches."""
        return bool(decided_by) and (
            called(decided_by) == called(event.agent)
            or any(is_same(decided_by, own) for own in (event.principal, event.session))
            or self._registry.agent(decided_by) is not None
        )

    def _contains(self, case: Vouched, event: Operation) -> bool:
        """Whether a registered responder takes away, or resets a login under the case's own number.

        Of an approver, whose login is worth everybody's, only if the case is about that very person.
        """
        client = event.facts.get(Fact.CLIENT, "")
        if not self._registry.is_protected(event.source, event.principal, client):
            return False
        if takes_away(event):
            return True
        numbers = {called(number) for number in listed(event.facts.get(Fact.CHANGE, ""))}
        if not resets_login(event) or called(case.reference) not in numbers:
            return False
        return not self._registry.is_approver(event.target) or _to_all(event, case.targets)

    def _goes_on(self, workflow: Workflow, incident: Vouched, at_ms: int) -> bool:
        """Neither closed nor, where no end was set, older than an approval gets: an emergency passes."""
        if incident.expires_ms is None and at_ms > incident.starts_ms + self._settings.lifetime_ms:
            return False
        return not any(
            known.what is Registered.INCIDENT_CLOSED
            and known.reference == incident.reference
            and known.at_ms < at_ms
            for known in workflow.registrations
        )


def is_exercise(workflow: Workflow, event: Operation) -> bool:
    """Whether it happens in an account in which an announced exercise runs."""
    return any(
        vouched.what is Registered.EXERCISE
        and vouched.grade is Grade.ATTESTED
        and _in_time(vouched, event.at_ms)
        and in_exercise(event, vouched)
        for vouched in workflow.registrations
    )


def in_exercise(event: Operation, exercise: Vouched) -> bool:
    """Whether it happens in an account that the exercise names."""
    return event.facts.get(Fact.ACCOUNT, "") in exercise.targets


def in_plan(event: Operation, targets: tuple[str, ...]) -> bool:
    """Whether the target is among a plan's; a plan may write more of a name than the platform does."""
    return any(names_target(target, event) for target in targets)


def in_change(event: Operation, targets: tuple[str, ...], registry: Registry) -> bool:
    """Whether everything that the operation reaches is what a change was registered for.

    A stack vouches for what its service calls; users for what they gain; issuers for trust in them, though
    not in the pipelines of everybody who uses them; objects for themselves.
    """
    names = {called(target) for target in targets}
    admitted = listed(event.facts.get(Fact.ADMITS, ""))
    if any(owner not in names and not registry.knows_owner(owner) for owner in admitted):
        return False
    issuers = listed(event.facts.get(Fact.ISSUER, ""))
    if issuers:
        new = [issuer for issuer in issuers if any(_is_issuer(target, issuer) for target in targets)]
        return bool(new) and all(issuer in new or registry.knows_issuer(issuer) for issuer in issuers)
    let_in = listed(event.facts.get(Fact.FOREIGN_ACCOUNT, ""))
    if any(account not in names and registry.standing(account) is Standing.FOREIGN for account in let_in):
        return False
    if any(_stack_of(target, event.facts.get(Fact.VIA, "")) for target in targets):
        return True
    named = any(names_target(target, event) for target in targets)
    gaining = listed(event.facts.get(Fact.BENEFICIARY, ""))
    granted = called(event.facts.get(Fact.GRANTED, ""))
    among = all(called(name) in names for name in gaining)
    alike = granted == called(event.target)  # else the target is whoever gains, or what was written for them
    admin = Effect.ADMIN in event.effects
    if alike and not among and (admin or any("@" in name for name in names)):
        named = False  # people are named beside it, and whoever gains is none of them
    if admin:
        return named and granted in names
    return named or (bool(gaining) and among)


def _is_issuer(written: str, issuer: str) -> bool:
    """Whether a registered name means an issuer: its host, its address, or the provider made of it.

    Of one with a path all of it counts: many tenants share a host, and many hosts have a tenant of one name.
    """
    mine, theirs = _bare(written), _bare(issuer)
    return mine == theirs or mine.endswith(f"oidc-provider/{theirs}") or called(mine) == theirs


def _bare(address: str) -> str:
    return address.casefold().removeprefix("https://").rstrip("/")


def _stack_of(target: str, service: str) -> bool:
    """Whether a registered name is a stack of the service that made the call."""
    if "/stacks/" in target:
        return bool(service)
    return ":stack/" in target and bool(service) and f":{service.partition('.')[0]}:" in target


def _to_all(event: Operation, targets: tuple[str, ...]) -> bool:
    gaining = listed(event.facts.get(Fact.BENEFICIARY, "")) or (event.target,)
    names = {called(target) for target in targets}
    return all(called(name) in names for name in gaining)


def _in_time(vouched: Vouched, at_ms: int) -> bool:
    return known_by(vouched.starts_ms, at_ms) and (vouched.expires_ms is None or at_ms <= vouched.expires_ms)
