"""The settings of every detector: each number that one compares with, its default, its unit and its limits.

Part of the policy (`detectors/policy.py`); each group has its page in `docs/detectors/`.
"""

from typing import Annotated

from msgspec import Meta, Struct

from detectors.learned_thresholds import (
    EndingSettings,
    MassReadSettings,
    ProvenanceSettings,
    ResemblanceSettings,
    ShapeSettings,
    TransitionSettings,
    UnfamiliarSettings,
    UnfamiliarSystemSettings,
    UnusualApprovalSettings,
    VelocitySettings,
    WorkloadSettings,
)
from detectors.units import HOUR, SECOND, DurationMs, Share


class ChainSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`read_then_write_chain`, see `docs/detectors/read_then_write_chain.md`."""

    enabled: bool = True
    within_ms: DurationMs = 4 * HOUR
    """From the first step to the write."""
    confidence: Share = 0.9
    """No policies of targets of its kind were read, or it names no target."""
    confidence_bound: Share = 0.97
    """The change hits what the session had read the policies of."""
    confidence_unrelated: Share = 0.6
    """The change hits another target of the same kind than those whose policies were read."""
    confidence_failed: Share = 0.6
    """The write was denied or failed."""


class FasterThanHumanSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`faster_than_human`, see `docs/detectors/faster_than_human.md`."""

    enabled: bool = True
    human_floor_ms: DurationMs = 10 * SECOND
    """Nobody reads, weighs and orders an identity change in less."""
    confidence: Share = 0.35
    """On its own a finding to watch."""


class DeniedSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`denied_then_elsewhere`, see `docs/detectors/denied_then_elsewhere.md`."""

    enabled: bool = True
    within_ms: DurationMs = 1 * HOUR
    """From the denial to the act."""
    confidence: Share = 0.9
    """The same target, by another way."""
    confidence_delegated: Share = 0.6
    """A secret, which another agent of the workflow read with an identity of its own."""
    confidence_other_target: Share = 0.6
    """A grant elsewhere after a grant was denied, on another target."""


class UnapprovedSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`unapproved_change`, see `docs/detectors/unapproved_change.md`."""

    enabled: bool = True
    confidence: Share = 0.5
    """A serious change: somebody is stronger, a lasting credential made, or a login weaker."""
    confidence_grave: Share = 0.9
    """A grave one: administrative or far-reaching rights, outsiders let in, a guard rail switched off."""
    confidence_denied: Share = 0.6
    """A grave one that was denied; half of it for a serious one."""


class TamperingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`guardrail_tampering`, see `docs/detectors/guardrail_tampering.md`."""

    enabled: bool = True
    targets_min: Annotated[int, Meta(ge=2, le=8)] = 2
    """From so many weakened logins in one session on it is no help-desk case any more."""
    confidence: Share = 0.55
    """One user's login."""
    confidence_wide: Share = 0.9
    """Logging, a guard rail, a policy for many, or the logins of several users."""
    confidence_denied: Share = 0.3
    """A guard rail, logging or a policy for many was to be weakened, and that was refused."""


class TrustSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`trust_opened`, see `docs/detectors/trust_opened.md`."""

    enabled: bool = True
    confidence: Share = 0.92
    """Trust goes to an issuer or account that is registered nowhere."""


class CredentialSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`credential_for_another`, see `docs/detectors/credential_for_another.md`."""

    enabled: bool = True
    confidence: Share = 0.4
    """A short-lived one for somebody else, or a lasting one of its own."""
    confidence_lasting: Share = 0.9
    """A lasting one for somebody else, or one made from a static or shared one."""
    confidence_orphan: Share = 0.6
    """One of its own that lasts, and that lives on when its maker is revoked."""
    confidence_unknown: Share = 0.55
    """At most this for a job of which too little was seen: it may be what it does every night."""


class PlanSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`outside_plan`, see `docs/detectors/outside_plan.md`."""

    enabled: bool = True
    confidence: Share = 0.92
    """A change of a planned run that no approved plan names."""
    confidence_unapproved: Share = 0.65
    """A plan is carried out that nobody approved."""


class BadApprovalSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`bad_approval`, see `docs/detectors/bad_approval.md`."""

    enabled: bool = True
    confidence: Share = 0.4
    """Too fast, or by whoever asked."""
    confidence_both: Share = 0.6
    """Both."""
    confidence_refused: Share = 0.8
    """Both, for just what the platform had refused."""


class OneSidedSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`one_sided`, see `docs/detectors/one_sided.md`."""

    enabled: bool = True
    confidence: Share = 0.35
    """On its own a finding to watch: it rests on silence."""


class ThreeSystemsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`three_systems`, see `docs/detectors/three_systems.md`."""

    enabled: bool = True
    bits_min: Annotated[float, Meta(ge=0.0, le=64.0)] = 5.0
    """A secret that is less surprising for the job is its own."""
    within_ms: DurationMs = 2 * HOUR
    """From one part to the next."""
    confidence: Share = 0.9
    """Something is sent out at the end."""
    confidence_change: Share = 0.7
    """An identity is changed at the end."""


class AfterStopSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`after_stop`, see `docs/detectors/after_stop.md`."""

    enabled: bool = True
    grace_ms: DurationMs = 30 * SECOND
    """What was on its way when the stop came may still arrive."""
    confidence: Share = 0.95
    """A stop that does not hold is an emergency of its own."""


class SharedAccountSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`shared_account`, see `docs/detectors/shared_account.md`."""

    enabled: bool = True
    confidence: Share = 0.6
    """A change."""
    confidence_read: Share = 0.35
    """A secret read."""


class HopSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`unexplained_hop`, see `docs/detectors/unexplained_hop.md`."""

    enabled: bool = True
    confidence: Share = 0.5
    """Alone it is watched; with a change that nobody approved a human is asked."""


class ElsewhereSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`used_elsewhere`, see `docs/detectors/used_elsewhere.md`."""

    enabled: bool = True
    confidence: Share = 0.5
    """On its own a finding to watch: people travel, and networks change."""


class ScopeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`outside_scope`, see `docs/detectors/outside_scope.md`."""

    enabled: bool = True
    targets_min: Annotated[int, Meta(ge=1, le=8)] = 2
    """From so many targets on, taking away counts as much as anything else."""
    confidence: Share = 0.9
    """A change or a secret outside the registration."""
    confidence_removal: Share = 0.6
    """Something was taken away."""
    confidence_names: Share = 0.65
    """A certificate for a name that is none of the job's, or nobody knows for which."""


class SecretThenChangeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`secret_then_change`, see `docs/detectors/secret_then_change.md`."""

    enabled: bool = True
    within_ms: DurationMs = 4 * HOUR
    """From the secret to the change."""
    bits_min: Annotated[float, Meta(ge=0.0, le=64.0)] = 5.0
    """From this surprise on a secret is none of the job's."""
    confidence: Share = 0.75
    """The secret is none of the job's."""
    confidence_unknown: Share = 0.25
    """Nothing is known of the job."""


class BorrowedWorkloadSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`borrowed_workload`, see `docs/detectors/borrowed_workload.md`."""

    enabled: bool = True
    confidence: Share = 0.35
    """On its own a finding to watch."""
    confidence_denied: Share = 0.25
    """It was refused."""


class OpenedOutsideSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`opened_outside`, see `docs/detectors/opened_outside.md`."""

    enabled: bool = True
    confidence: Share = 0.45
    """Data was shared, or the network opened."""
    confidence_login: Share = 0.3
    """A login by password alone."""


class ScoutedSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`scouted_credential`, see `docs/detectors/scouted_credential.md`."""

    enabled: bool = True
    kinds_min: Annotated[int, Meta(ge=2, le=8)] = 3
    """Kinds of thing that were looked up; a help desk looks up users and groups, a rotation keys."""
    within_ms: DurationMs = 1 * HOUR
    """From a look-up to the credential."""
    confidence: Share = 0.4
    """On its own a finding to watch."""


class DetectorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One group per detector."""

    read_then_write_chain: ChainSettings = ChainSettings()
    faster_than_human: FasterThanHumanSettings = FasterThanHumanSettings()
    unusual_velocity: VelocitySettings = VelocitySettings()
    unusual_transition: TransitionSettings = TransitionSettings()
    unusual_provenance: ProvenanceSettings = ProvenanceSettings()
    resembles_hijack: ResemblanceSettings = ResemblanceSettings()
    unusual_shape: ShapeSettings = ShapeSettings()
    unusual_approval: UnusualApprovalSettings = UnusualApprovalSettings()
    unusual_ending: EndingSettings = EndingSettings()
    unfamiliar_system: UnfamiliarSystemSettings = UnfamiliarSystemSettings()
    denied_then_elsewhere: DeniedSettings = DeniedSettings()
    unapproved_change: UnapprovedSettings = UnapprovedSettings()
    guardrail_tampering: TamperingSettings = TamperingSettings()
    trust_opened: TrustSettings = TrustSettings()
    credential_for_another: CredentialSettings = CredentialSettings()
    outside_plan: PlanSettings = PlanSettings()
    bad_approval: BadApprovalSettings = BadApprovalSettings()
    three_systems: ThreeSystemsSettings = ThreeSystemsSettings()
    after_stop: AfterStopSettings = AfterStopSettings()
    secret_then_change: SecretThenChangeSettings = SecretThenChangeSettings()
    unfamiliar_act: UnfamiliarSettings = UnfamiliarSettings()
    mass_secret_read: MassReadSettings = MassReadSettings()
    shared_account: SharedAccountSettings = SharedAccountSettings()
    unexplained_hop: HopSettings = HopSettings()
    used_elsewhere: ElsewhereSettings = ElsewhereSettings()
    workload_elsewhere: WorkloadSettings = WorkloadSettings()
    outside_scope: ScopeSettings = ScopeSettings()
    one_sided: OneSidedSettings = OneSidedSettings()
    borrowed_workload: BorrowedWorkloadSettings = BorrowedWorkloadSettings()
    opened_outside: OpenedOutsideSettings = OpenedOutsideSettings()
    scouted_credential: ScoutedSettings = ScoutedSettings()
