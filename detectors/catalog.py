"""Every detector there is, and which of them listens to what.

Add a detector here, a group of settings in `thresholds.py`, a page in `docs/detectors/`, and a session that
fires and one that must not in `tests/`.
"""

from functools import partial

from msgspec import Struct

from detectors.chains.hosted import NOTHING, Declared
from detectors.chains.hosting import DeclaredChain
from detectors.chains.read_then_write import ReadThenWriteChain
from detectors.detector import Detector
from detectors.learned.mass_secret_read import MassSecretRead
from detectors.learned.resembles_hijack import ResemblesHijack
from detectors.learned.unfamiliar_act import UnfamiliarAct
from detectors.learned.unfamiliar_system import UnfamiliarSystem
from detectors.learned.unusual_approval import UnusualApproval
from detectors.learned.unusual_ending import UnusualEnding
from detectors.learned.unusual_provenance import UnusualProvenance
from detectors.learned.unusual_shape import UnusualShape
from detectors.learned.unusual_transition import UnusualTransition
from detectors.learned.unusual_velocity import UnusualVelocity
from detectors.learned.workload_elsewhere import WorkloadElsewhere
from detectors.policy import Policy
from detectors.rules.after_stop import AfterStop
from detectors.rules.bad_approval import BadApproval
from detectors.rules.borrowed_workload import BorrowedWorkload
from detectors.rules.credential_for_another import CredentialForAnother
from detectors.rules.denied_then_elsewhere import DeniedThenElsewhere
from detectors.rules.faster_than_human import FasterThanHuman
from detectors.rules.guardrail_tampering import GuardrailTampering
from detectors.rules.one_sided import OneSided
from detectors.rules.opened_outside import OpenedOutside
from detectors.rules.outside_plan import OutsidePlan
from detectors.rules.outside_scope import OutsideScope
from detectors.rules.scouted_credential import ScoutedCredential
from detectors.rules.secret_then_change import SecretThenChange
from detectors.rules.shared_account import SharedAccount
from detectors.rules.three_systems import ThreeSystems
from detectors.rules.trust_opened import TrustOpened
from detectors.rules.unapproved_change import UnapprovedChange
from detectors.rules.unexplained_hop import UnexplainedHop
from detectors.rules.used_elsewhere import UsedElsewhere
from detectors.severity import Severity, severity
from detectors.thresholds import DetectorSettings
from models.baselines.baseline import Baseline
from models.baselines.habits import Habits
from models.event import Event, Operation
from models.registry import EMPTY, Registry

NAMES = DetectorSettings.__struct_fields__


class Knowledge(Struct, frozen=True):
    """What the detectors are given beside the events."""

    baseline: Baseline | None
    registry: Registry
    declared: Declared = NOTHING

    @property
    def habits(self) -> Habits:
        """What jobs are used to: of nobody without a baseline."""
        return self.baseline.habits if self.baseline is not None else Habits({})


def detectors(policy: Policy, knowledge: Knowledge) -> list[Detector]:
    """Those that the policy has switched on."""
    every = _every(policy, knowledge)
    built = [detector for detector in every if getattr(policy.detectors, detector.name).enabled]
    is_habit = partial(_is_habit, knowledge.habits, knowledge.registry)
    late_ms = policy.lateness_ms
    return [*built, *(DeclaredChain(hosted, is_habit, late_ms) for hosted in knowledge.declared.chains)]


def _every(policy: Policy, knowledge: Knowledge) -> tuple[Detector, ...]:
    return (*_rules(policy, knowledge), *_learned(policy, knowledge))


def _rules(policy: Policy, knowledge: Knowledge) -> tuple[Detector, ...]:
    settings, approvals, registry = policy.detectors, policy.approvals, knowledge.registry
    habits = knowledge.habits
    return (
        ReadThenWriteChain(settings.read_then_write_chain, approvals),
        FasterThanHuman(settings.faster_than_human, approvals, knowledge.baseline),
        DeniedThenElsewhere(settings.denied_then_elsewhere, approvals),
        UnapprovedChange(settings.unapproved_change, registry, habits),
        GuardrailTampering(settings.guardrail_tampering),
        TrustOpened(settings.trust_opened, registry),
        CredentialForAnother(settings.credential_for_another, habits),
        OutsideScope(settings.outside_scope, registry),
        OutsidePlan(settings.outside_plan, approvals, registry),
        BadApproval(settings.bad_approval, approvals),
        ThreeSystems(settings.three_systems, habits),
        SecretThenChange(settings.secret_then_change, registry, habits),
        AfterStop(settings.after_stop),
        OneSided(settings.one_sided),
        SharedAccount(settings.shared_account),
        UnexplainedHop(settings.unexplained_hop),
        UsedElsewhere(settings.used_elsewhere, registry),
        BorrowedWorkload(settings.borrowed_workload, habits),
        OpenedOutside(settings.opened_outside, registry, habits),
        ScoutedCredential(settings.scouted_credential, habits),
    )


def _learned(policy: Policy, knowledge: Knowledge) -> tuple[Detector, ...]:
    settings, baseline = policy.detectors, knowledge.baseline
    share = policy.wrong_stops_per_1000_sessions / 1000
    follows = settings.unusual_transition.enabled or settings.unusual_provenance.enabled
    return (
        UnusualVelocity(settings.unusual_velocity, share, baseline),
        UnusualTransition(settings.unusual_transition, share, baseline),
        UnusualProvenance(
            settings.unusual_provenance, share, baseline, alone=not settings.unusual_transition.enabled
        ),
        ResemblesHijack(
            settings.resembles_hijack,
            share,
            baseline,
            alone=not follows,
        ),
        UnusualShape(settings.unusual_shape, share, baseline),
        UnusualApproval(settings.unusual_approval, share, baseline),
        UnusualEnding(settings.unusual_ending, share, policy.idle_ms, baseline, alone=not follows),
        UnfamiliarSystem(settings.unfamiliar_system, knowledge.habits),
        UnfamiliarAct(settings.unfamiliar_act, knowledge.habits),
        WorkloadElsewhere(settings.workload_elsewhere, knowledge.registry, knowledge.habits),
        MassSecretRead(settings.mass_secret_read, knowledge.habits),
    )


def _is_habit(habits: Habits, registry: Registry, event: Operation) -> bool:
    """What a declared chain may take for granted: a habit knows whom and what, not how much was given."""
    return habits.is_habit(event) and severity(event, registry) is not Severity.GRAVE


def by_kind(active: list[Detector]) -> dict[type[Event], tuple[Detector, ...]]:
    """Who is asked about an event that is no operation."""
    kinds = {kind for detector in active for kind in detector.attends}
    return {kind: tuple(detector for detector in active if kind in detector.attends) for kind in kinds}


_NOTHING_KNOWN = Knowledge(None, EMPTY)
_UNTAUGHT = _every(Policy(), _NOTHING_KNOWN)

LEARNED = frozenset(detector.name for detector in _learned(Policy(), _NOTHING_KNOWN))
"""Detectors that compare with what was learned, and are no rules."""

BY_HABIT = frozenset(detector.name for detector in _UNTAUGHT if detector.by_habit)
"""Detectors that ask what a job is used to."""

PRESUMING = frozenset(detector.name for detector in _UNTAUGHT if detector.presumes)
"""Those of them that hold everything unfamiliar against a job that is new to them."""

BUDGETED = frozenset(detector.name for detector in _UNTAUGHT if detector.budgeted)
"""Those of them whose limits share the policy's budget of wrong stops."""
