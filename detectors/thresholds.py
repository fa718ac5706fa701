"""The settings of every detector: each number that one compares with, its default, its unit and its limits.

Part of the policy (`detectors/policy.py`); each group has its page in `docs/detectors/`.
"""

from typing import Annotated

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
DurationMs = Annotated[int, Meta(ge=1, le=31 * 24 * 3_600_000)]

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


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


class VelocitySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`unusual_velocity`, see `docs/detectors/unusual_velocity.md`."""

    enabled: bool = True
    tail: Annotated[float, Meta(gt=0.0, le=1e-4)] = 1e-4
    """Chance of such a peak in an honest session (the artifact's next smaller level); no limit is below."""
    count_min: Annotated[float, Meta(ge=5.0)] = 5.0
    """Fewer operations than this are never fast, whatever was learned."""
    confidence: Share = 0.4
    """At the learned limit."""
    confidence_sure: Share = 0.5
    """Where no honest session went so far."""
    confidence_extreme: Share = 0.6
    """At `extreme_times` the learned limit."""
    extreme_times: Annotated[float, Meta(ge=1.0)] = 4.0
    """How many times the limit is extreme."""


class TransitionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`unusual_transition`, see `docs/detectors/unusual_transition.md`."""

    enabled: bool = True
    confidence: Share = 0.45
    """At the limit: on its own a finding to watch."""
    confidence_sure: Share = 0.54
    """Where no honest session went so far: still one to watch, and with any other step-up."""


class ProvenanceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`unusual_provenance`, see `docs/detectors/unusual_provenance.md`."""

    enabled: bool = True
    confidence: Share = 0.5
    """At the limit: on its own a finding to watch; with another learned one it reaches step-up."""
    confidence_sure: Share = 0.54
    """Where no honest session went so far."""


class ResemblanceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`resembles_hijack`, see `docs/detectors/resembles_hijack.md`."""

    enabled: bool = True
    confidence: Share = 0.5
    """At the limit: on its own a finding to watch; with another learned one it reaches step-up."""
    confidence_sure: Share = 0.54
    """Where no honest session went so far."""


class ShapeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`unusual_shape`, see `docs/detectors/unusual_shape.md`."""

    enabled: bool = True
    confidence: Share = 0.4
    """At the limit: on its own a finding to watch."""
    confidence_sure: Share = 0.5
    """Where no honest session went so far."""


class UnfamiliarSystemSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`unfamiliar_system`, see `docs/detectors/unfamiliar_system.md`."""

    enabled: bool = True
    bits_min: Annotated[float, Meta(ge=0.0, le=64.0)] = 4.5
    """From this surprise on a system or an issuer is none of the job's."""
    confidence: Share = 0.35
    """On its own a finding to watch."""


class UnusualApprovalSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`unusual_approval`, see `docs/detectors/unusual_approval.md`."""

    enabled: bool = True
    pause_ms_max: Annotated[int, Meta(ge=1, le=MINUTE)] = MINUTE
    """Whoever took longer thought about it, however long others take."""
    confidence: Share = 0.35
    """At the limit: on its own a finding to watch."""
    confidence_sure: Share = 0.45
    """Where no honest session was answered so fast."""


class EndingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`unusual_ending`, see `docs/detectors/unusual_ending.md`."""

    enabled: bool = True
    confidence: Share = 0.25
    """Alone it orders nothing: what it tells of is over."""


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


class UnfamiliarSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`unfamiliar_act`, see `docs/detectors/unfamiliar_act.md`."""

    enabled: bool = True
    bits_min: Annotated[float, Meta(ge=0.0, le=64.0)] = 3.0
    """From this surprise on."""
    bits_sure: Annotated[float, Meta(ge=0.0, le=64.0)] = 6.0
    """From here on it is surer."""
    confidence: Share = 0.4
    """New for the job."""
    confidence_sure: Share = 0.65
    """New for a job that hardly ever does anything new."""


class MassReadSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`mass_secret_read`, see `docs/detectors/mass_secret_read.md`."""

    enabled: bool = True
    count_min: Annotated[int, Meta(ge=1, le=64)] = 4
    """Fewer different secrets than this are never many, whatever was learned."""
    times: Annotated[float, Meta(ge=1.0)] = 2.0
    """How many times the most that the job ever read in a session."""
    count_unknown: Annotated[int, Meta(ge=1, le=63)] = 12
    """The limit for a job of which too little was seen."""
    confidence: Share = 0.6
    """Above the job's limit."""
    confidence_unknown: Share = 0.4
    """Above the limit for unknown jobs."""


class SharedAccountSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`shared_account`, see `docs/detectors/shared_account.md`."""

    enabled: bool = True
    confidence: Share = 0.6
    """A change."""
    confidence_read: Share = 0.35
    """A secret read."""


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


class WorkloadSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`workload_elsewhere`, see `docs/detectors/workload_elsewhere.md`."""

    enabled: bool = True
    bits_min: Annotated[float, Meta(ge=0.0, le=64.0)] = 4.5
    """From this surprise on an address is none of the workload's."""
    confidence: Share = 0.9
    """A proven workload identity turns up where others run, or in another network."""
    confidence_moved: Share = 0.4
    """At an address of its own network at which nobody was ever seen: it may have been moved."""


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
    used_elsewhere: ElsewhereSettings = ElsewhereSettings()
    workload_elsewhere: WorkloadSettings = WorkloadSettings()
    outside_scope: ScopeSettings = ScopeSettings()
    one_sided: OneSidedSettings = OneSidedSettings()
    borrowed_workload: BorrowedWorkloadSettings = BorrowedWorkloadSettings()
    opened_outside: OpenedOutsideSettings = OpenedOutsideSettings()
    scouted_credential: ScoutedSettings = ScoutedSettings()
