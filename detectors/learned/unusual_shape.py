"""A session that, taken as a whole, has another shape than honest sessions of its job.

How much it looked up, read, granted, minted and exchanged by now, in how many systems, on how many targets
and at what pace: each of it may be usual, and all of it together not. Known gap: a hijacked session that does
what its job does, in the same amounts.
"""

from detectors.certainty import certainty
from detectors.detector import Detector, Inspect
from detectors.learned_thresholds import ShapeSettings
from models.baselines.baseline import Baseline
from models.baselines.shape import COUNTED, FEATURES, Vector, mark_of, take_in, vector_of
from models.event import Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow

NAMED_MAX = 3
"""Features that a reason names: those furthest from what is usual."""


class UnusualShape(Detector):
    """Fires when a shape is odder than what the budget's share of honest sessions reach.

    It counts every operation, and looks at the shape only when the session's class of risk has changed.
    """

    name = "unusual_shape"
    by_habit = True
    budgeted = True
    counts = True
    listens_to = frozenset(COUNTED)
    tags = ("ASI01", "ASI03", "ASI10")

    def __init__(self, settings: ShapeSettings, share: float, baseline: Baseline | None) -> None:
        self._settings = settings
        self._share = share
        self._shapes = baseline.shape if baseline is not None else None
        self._expected = baseline.expected if baseline is not None else None

    def inspector(self, event: Operation) -> Inspect | None:
        """See `Detector.inspector`: what operations that look alike add is found out once."""
        mark = mark_of(event)
        if mark is None:
            return None
        taken = mark  # is there

        def marked(session: Session, _workflow: Workflow, event: Operation, _step: Step) -> Noticed | None:
            return self._judged(session, event) if take_in(session.shape, taken, event) else None

        return marked

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        inspect = self.inspector(event)
        return inspect(session, workflow, event, step) if inspect is not None else None

    def _judged(self, session: Session, event: Operation) -> Noticed | None:
        shapes, expecting = self._shapes, self._expected
        if shapes is None or expecting is None:
            return None
        expected = expecting.by(session, event)
        center = expected.center
        if center is None:
            center = expected.center = shapes.center(expected.surprise.keys)
        vector = vector_of(session.shape, session.started_ms, event.at_ms)
        if center.is_near(vector):  # as nine in ten are: what the limit is need not be known
            return None
        expectation = expected.surprise
        limit = expectation.limits(self._share).shape
        if limit is None:
            return None
        found = shapes.oddness_at(center.distances(vector))
        if found <= limit:
            return None
        span = (self._settings.confidence, self._settings.confidence_sure)
        sure, told = certainty(expectation, "shape", found, self._share, span)
        return Noticed(
            detector=self.name,
            confidence=sure,
            reason=f"{event.operation} gives the session a shape of oddness {found:.1f} of 100, "
            f"by {_named(center.distances(vector))}; the limit of this job is {limit:.1f}{told}",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )


def _named(distances: Vector) -> str:
    """What is furthest from usual, in spreads of honest sessions."""
    furthest = sorted(zip(distances, FEATURES, strict=True), key=lambda told: -abs(told[0]))[:NAMED_MAX]
    return ", ".join(f"{name} {distance:+d}" for distance, name in furthest if distance)
