"""More operations of one class in a short time than honest sessions of this agent in this role ever make.

The limit is the job's own: a fast one stays silent at a thousand times the rate that gives a slow one away.
Known gap: an agent and a role that nobody has trained on; they count as not enough seen.
"""

from detectors.certainty import certainty
from detectors.detector import Detector, Inspect
from detectors.learned_thresholds import VelocitySettings
from models.baselines.baseline import Baseline
from models.baselines.expected import Asked, Expected
from models.baselines.pace import CALIBRATED_TAIL, COUNT_MIN, TAILS, Limits
from models.baselines.rates import HORIZONS_MS, count
from models.event import OpClass, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow

HORIZONS = tuple((k + 1, horizon_ms) for k, horizon_ms in enumerate(HORIZONS_MS))


class UnusualVelocity(Detector):
    """Fires above the learned count at any horizon, and never below `count_min`."""

    name = "unusual_velocity"
    by_habit = True
    budgeted = True
    counts = True
    listens_to = frozenset(OpClass) - {OpClass.UNCLASSIFIED}
    tags = ("T1087.004", "T1555.006", "ASI02", "ASI10")

    def __init__(self, settings: VelocitySettings, share: float, baseline: Baseline | None) -> None:
        self._settings = settings
        self._share = share
        self._asked: Asked = (settings.tail, settings.count_min, share)
        """What the limits depend on beside the baseline."""
        self._expected = baseline.expected if baseline is not None else None

    def inspector(self, event: Operation) -> Inspect:
        """See `Detector.inspector`."""
        op_class = str(event.op_class)  # a plain text is found faster than an enum's member
        expecting, asked, limits_of = self._expected, self._asked, self._limits
        least = self._settings.count_min

        def counted(session: Session, _workflow: Workflow, event: Operation, _step: Step) -> Noticed | None:
            """Count one of the class; no limit is below `count_min`, so most need not be looked up."""
            cell = count(session.rates, op_class, event.at_ms)
            if expecting is None:
                session.unseen += 1
                return None
            expected = expecting.last if event is expecting.event else expecting.by(session, event)
            if event.agent_role != session.agent_role:  # it came late
                expected = expecting.of(event.agent, session.agent_role)
            if expected.pace is None:
                session.unseen += 1
                return None
            if cell[3] <= least:  # the longest horizon counts most
                return None
            classes = expected.limits(asked, limits_of)
            assert classes is not None, "a pace has limits"
            limits = classes[op_class]
            if cell[1] <= limits[0] and cell[2] <= limits[1] and cell[3] <= limits[2]:
                return None
            return self._noticed(event, cell, limits, *self._sure(event, expected, cell))

        return counted

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        return self.inspector(event)(session, workflow, event, step)

    def _limits(self, expected: Expected) -> Limits | None:
        """By class and horizon: at least those of the tail, and as far above them as the budget asks for.

        Where no sessions back the budget, the narrowest tail that is stored: next to nothing of any budget.
        """
        pace = expected.pace
        if pace is None:
            return None
        times = expected.surprise.limits(self._share).pace
        tail = pace.limits(self._settings.tail if times is not None else TAILS[-1])
        calibrated, least = pace.limits(CALIBRATED_TAIL), self._settings.count_min
        return {
            op_class: tuple(
                max(limit, least, (times or 1.0) * max(beside, COUNT_MIN))
                for limit, beside in zip(limits, calibrated[op_class], strict=True)
            )
            for op_class, limits in tail.items()
        }

    def _sure(self, event: Operation, expected: Expected, cell: list[float]) -> tuple[float, str]:
        """Of a session that has limits."""
        pace = expected.pace
        assert pace is not None, "no pace, no limits"
        span = (self._settings.confidence, self._settings.confidence_sure)
        times = pace.times(event.op_class, cell[1:])
        return certainty(expected.surprise, "pace", times, self._share, span)

    def _noticed(
        self, event: Operation, cell: list[float], limits: tuple[float, ...], sure: float, told: str
    ) -> Noticed:
        k, horizon_ms = max(HORIZONS, key=lambda horizon: cell[horizon[0]] / limits[horizon[0] - 1])
        times = cell[k] / limits[k - 1]
        extreme = times >= self._settings.extreme_times
        return Noticed(
            detector=self.name,
            confidence=max(sure, self._settings.confidence_extreme) if extreme else sure,
            reason=f"about {cell[k]:.0f} {event.op_class} operations in {horizon_ms // 1000} s, "
            f"{times:.1f} times what this job stays below{told}",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )
