"""Judges that have declared chains, and nothing else."""

from collections.abc import Iterable

from msgspec.structs import replace

from detectors.chains.hosted import Declared, Hosted
from detectors.judge import Judge
from detectors.policy import Policy
from detectors.thresholds import DetectorSettings
from models.baselines.baseline import Baseline
from tests.builders import OFFICE, Judged


def alone() -> Policy:
    """The default policy with every detector switched off."""
    names = DetectorSettings.__struct_fields__
    off = {name: replace(getattr(DetectorSettings(), name), enabled=False) for name in names}
    return Policy(detectors=DetectorSettings(**off))


def judging(
    hosted: Iterable[Hosted], policy: Policy | None = None, baseline: Baseline | None = None
) -> Judged:
    """At work."""
    heard = Judged()
    heard.judge = Judge(policy or alone(), baseline, OFFICE, Declared(tuple(hosted)))
    return heard
