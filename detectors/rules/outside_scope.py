"""A registered job or client does what its registration does not cover.

The registration narrows what is normal and never vouches for anything. Known gap: a registration without
terms (`models/scope.py`), or one that is wider than the job.
"""

from detectors.detector import Detector
from detectors.severity import FACTOR, JUDGED, for_another, lasting_for_another, listed, takes_away
from detectors.thresholds import ScopeSettings
from models.attested import Effect, Fact
from models.event import CHANGES, OpClass, Operation, Outcome
from models.finding import Noticed
from models.registry import Registry
from models.scope import Scope, scope_of
from models.session import Session, Step, Workflow, called, remembered

STRAYED_MAX = 8
CERTIFICATE = "certificate"


class OutsideScope(Detector):
    """Fires at a change, a secret or a certificate name outside the terms of a registration."""

    name = "outside_scope"
    listens_to = JUDGED | {OpClass.SECRET_READ}
    tags = ("T1078.004", "T1098", "T1555.006", "T1649", "ASI02", "ASI03")

    def __init__(self, settings: ScopeSettings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        registry = self._registry
        return event.outcome is Outcome.OK and (registry.has_scopes or bool(registry.content.protected))

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if step.warrant or event.outcome is not Outcome.OK:
            return None
        scope = self._scope_of(event)
        fault = _fault(scope, event) if scope is not None else self._fault_of_responder(event)
        if not fault:
            return None
        remembered(session.strayed, event.target or event.operation, STRAYED_MAX)
        return Noticed(
            detector=self.name,
            confidence=self._confidence(session, event),
            reason=f"{event.operation} on {event.target or 'no named target'} is outside of what "
            f"{event.principal or event.agent} is registered for: {fault}",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )

    def _confidence(self, session: Session, event: Operation) -> float:
        settings = self._settings
        if Fact.NAMES in event.facts or _is_blank(event):
            return settings.confidence_names
        removal = takes_away(event) and len(session.strayed) < settings.targets_min
        return settings.confidence_removal if removal else settings.confidence

    def _fault_of_responder(self, event: Operation) -> str:
        """Hooks and responders are for taking away: a lasting credential, a new factor are the opposite."""
        if not (lasting_for_another(event) or _enrols(event)):
            return ""
        client = event.facts.get(Fact.CLIENT, "")
        known = self._registry.is_protected(event.source, event.principal, client)
        return "it takes away, and gives nobody a way to log in" if known else ""

    def _scope_of(self, event: Operation) -> Scope | None:
        facts = event.facts
        client = self._registry.client(event.source, facts[Fact.CLIENT]) if Fact.CLIENT in facts else None
        if client is not None:
            return scope_of(client.scope)
        job = self._registry.job_of(event.source, event.principal, event.agent)
        return scope_of(job.scope, job.names) if job is not None else None


def _fault(scope: Scope, event: Operation) -> str:
    if event.op_class is OpClass.SECRET_READ:
        return "" if scope.allows_secret(event.target) else "not one of its secrets"
    effects = event.effects
    outside = [name for name in listed(event.facts.get(Fact.NAMES, "")) if not scope.allows_name(name)]
    checks = (
        (scope.read_only, "it reads only"),
        (scope.namespaced and Effect.WIDE in effects, "it stays within its name spaces"),
        (scope.ordinary and Effect.ADMIN in effects, "it grants nothing administrative"),
        (_for_stranger(scope, event), f"it makes credentials of {', '.join(scope.users)} only"),
        (bool(outside), f"{', '.join(outside)} is none of its names"),
        (bool(scope.names) and _is_blank(event), "nothing says for which name, or by which issuer"),
    )
    return next((words for broken, words in checks if broken), "")


def _is_blank(event: Operation) -> bool:
    """Whether a certificate came into being of which the record tells neither name nor issuer."""
    told = Fact.NAMES in event.facts or Fact.ISSUER in event.facts
    return event.target_kind == CERTIFICATE and Effect.MINTS in event.effects and not told


def _enrols(event: Operation) -> bool:
    """Whether it is a new factor of somebody else: one's own is no change."""
    if event.target_kind != FACTOR or Effect.MINTS not in event.effects:
        return False
    return Effect.EXPANDS in event.effects or for_another(event)


def _for_stranger(scope: Scope, event: Operation) -> bool:
    if not scope.users or Effect.MINTS not in event.effects or event.op_class not in CHANGES:
        return False
    owner = called(event.facts.get(Fact.BENEFICIARY, "") or event.target)
    return owner not in {user.casefold() for user in scope.users}
