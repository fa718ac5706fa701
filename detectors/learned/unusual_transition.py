"""A run of operations that honest sessions of this job do not make in this order and rhythm.

The surprise of each step, given up to five before it, is averaged over the last few. It is part of the score
that `unusual_provenance` looks at, and has its limit: one promise for both. Known gap: a hijacked agent that
only makes its usual calls.
"""

from detectors.certainty import certainty
from detectors.detector import Detector
from detectors.thresholds import TransitionSettings
from models.baselines.baseline import Baseline
from models.event import ERROR, OpClass, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow


class UnusualTransition(Detector):
    """Fires when the surprise of the sequence alone exceeds the limit of the score."""

    name = "unusual_transition"
    by_habit = True
    budgeted = True
    counts = True
    listens_to = frozenset(OpClass)
    tags = ("ASI01", "ASI10")

    def __init__(self, settings: TransitionSettings, share: float, baseline: Baseline | None) -> None:
        self._settings = settings
        self._share = share
        self._expected = baseline.expected if baseline is not None else None

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return self._expected is not None

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if self._expected is None:
            return None
        expectation = self._expected.of(event.agent, event.agent_role).surprise
        expectation.follow(session, event)
        if event.outcome is ERROR:
            return None
        found, repeated = session.surprise, session.repeated
        often = repeated > found
        if often:
            found = repeated
        limit = expectation.score_limit(self._share)
        if limit is None or found <= limit:
            return None
        span = (self._settings.confidence, self._settings.confidence_sure)
        sure, told = certainty(expectation, "score", found, self._share, span)
        what = "how often it came by now" if often else "the last operations"
        return Noticed(
            detector=self.name,
            confidence=sure,
            reason=f"{event.operation} brings the surprise of {what} to {found:.1f} bits; "
            f"the limit of this job is {limit:.1f}{told}",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )
