"""Every detector there is, and which of them listens to which class of operations.

Add a detector here, a group of settings in `policy.py`, a page in `docs/detectors/`, and a session that
fires and one that must not in `tests/`.
"""

from detectors.chains.read_then_write import ReadThenWriteChain
from detectors.detector import Detector
from detectors.learned.unusual_provenance import UnusualProvenance
from detectors.learned.unusual_transition import UnusualTransition
from detectors.learned.unusual_velocity import UnusualVelocity
from detectors.policy import Policy
from detectors.rules.denied_then_elsewhere import DeniedThenElsewhere
from detectors.rules.faster_than_human import FasterThanHuman
from models.baselines.baseline import Baseline
from models.event import OpClass

NAMES = tuple(
    kind.name
    for kind in (
        ReadThenWriteChain,
        FasterThanHuman,
        UnusualVelocity,
        UnusualTransition,
        UnusualProvenance,
        DeniedThenElsewhere,
    )
)


def detectors(policy: Policy, baseline: Baseline | None) -> list[Detector]:
    """Those that the policy has switched on."""
    settings, approvals = policy.detectors, policy.approvals
    every: list[tuple[bool, Detector]] = [
        (
            settings.read_then_write_chain.enabled,
            ReadThenWriteChain(settings.read_then_write_chain, approvals),
        ),
        (
            settings.faster_than_human.enabled,
            FasterThanHuman(settings.faster_than_human, approvals, baseline),
        ),
        (settings.unusual_velocity.enabled, UnusualVelocity(settings.unusual_velocity, baseline)),
        (settings.unusual_transition.enabled, UnusualTransition(settings.unusual_transition, baseline)),
        (
            settings.unusual_provenance.enabled,
            UnusualProvenance(
                settings.unusual_provenance, policy.wrong_stops_per_1000_sessions / 1000, baseline
            ),
        ),
        (
            settings.denied_then_elsewhere.enabled,
            DeniedThenElsewhere(settings.denied_then_elsewhere, approvals),
        ),
    ]
    return [detector for enabled, detector in every if enabled]


def by_op_class(active: list[Detector]) -> dict[OpClass, tuple[Detector, ...]]:
    """Who is asked about an operation: the others cost nothing."""
    return {
        op_class: tuple(detector for detector in active if op_class in detector.listens_to)
        for op_class in OpClass
    }
