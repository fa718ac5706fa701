"""A run of operations that honest sessions of this job do not make in this order and rhythm.

The surprise of each step, given up to five before it, is averaged over the last few; the limit is set on
whole honest sessions, held out from the counting. Known gap: a hijacked agent that only makes its usual
calls.
"""

from detectors.detector import Detector
from detectors.thresholds import TransitionSettings
from models.baselines.baseline import Baseline
from models.baselines.surprise import sequence_of
from models.event import OpClass, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow


class UnusualTransition(Detector):
    """Fires when the surprise of the sequence exceeds what `p_max` of honest sessions reach."""

    name = "unusual_transition"
    by_habit = True
    counts = True
    listens_to = frozenset(OpClass)
    tags = ("ASI01", "ASI10")

    def __init__(self, settings: TransitionSettings, baseline: Baseline | None) -> None:
        self._settings = settings
        self._p_max = settings.p_max
        self._model = baseline.surprise if baseline is not None else None

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        model = self._model
        if model is None:
            return None
        expectation = model.expectation(event.agent, event.agent_role)
        expectation.follow(session, event)
        found = sequence_of(session, event)
        limit = expectation.sequence_limit(self._p_max)
        if limit is None or found <= limit:
            return None
        often = session.repeated > session.surprise
        what = "how often it came by now" if often else "the last operations"
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence,
            reason=f"{event.operation} brings the surprise of {what} to {found:.1f} bits; "
            f"all but {self._settings.p_max:.1%} of honest sessions of this job stay below {limit:.1f}",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )
