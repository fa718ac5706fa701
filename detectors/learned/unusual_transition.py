"""A run of operations that honest sessions of this job do not make in this order and rhythm.

The surprise of each step, given up to five before it, is averaged over the last few. It is part of the score
that `unusual_provenance` looks at, and has its limit: one promise for both. Known gap: a hijacked agent that
only makes its usual calls.
"""

from detectors.certainty import certainty
from detectors.detector import Detector, Inspect
from detectors.learned_thresholds import TransitionSettings
from models.baselines.baseline import Baseline
from models.baselines.surprise import Expectation
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

    def inspector(self, event: Operation) -> Inspect | None:
        """See `Detector.inspector`: what an operation is called in a sequence is found out once."""
        expecting, share = self._expected, self._share
        if expecting is None:
            return None
        symbol, failed = expecting.symbol(event.operation, event.target_kind), event.outcome is ERROR

        def followed(session: Session, _workflow: Workflow, event: Operation, _step: Step) -> Noticed | None:
            expected = expecting.last if event is expecting.event else expecting.by(session, event)
            expectation = expected.surprise
            expectation.follow(session, event, symbol)
            if failed:
                return None
            found, repeated = session.surprise, session.repeated
            if repeated > found:  # noqa: PLR1730 - on the hot path: a call costs more
                found = repeated
            limit = expectation.score_limit(share)
            if limit is None or found <= limit:
                return None
            return self._noticed(session, event, expectation, limit)

        return followed

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        inspect = self.inspector(event)
        return inspect(session, workflow, event, step) if inspect is not None else None

    def _noticed(self, session: Session, event: Operation, expectation: Expectation, limit: float) -> Noticed:
        """Of a session beyond its limit."""
        often = session.repeated > session.surprise
        found = session.repeated if often else session.surprise
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
