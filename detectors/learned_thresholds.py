"""Settings of the detectors that go by what was learned: the learned half of `detectors/thresholds.py`."""

from typing import Annotated

from msgspec import Meta, Struct

from detectors.units import MINUTE, Share


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


class WorkloadSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`workload_elsewhere`, see `docs/detectors/workload_elsewhere.md`."""

    enabled: bool = True
    bits_min: Annotated[float, Meta(ge=0.0, le=64.0)] = 4.5
    """From this surprise on an address is none of the workload's."""
    confidence: Share = 0.9
    """A proven workload identity turns up where others run, or in another network."""
    confidence_moved: Share = 0.4
    """At an address of its own network at which nobody was ever seen: it may have been moved."""
