"""More operations of one class in a short time than honest sessions of this agent in this role ever make.

The limit is the job's own: a fast one stays silent at a thousand times the rate that gives a slow one away.
Known gap: an agent and a role that nobody has trained on; they count as not enough seen.
"""

from detectors.certainty import certainty
from detectors.detector import Detector
from detectors.thresholds import VelocitySettings
from models.baselines.baseline import Baseline
from models.baselines.cohorts import ByCohort
from models.baselines.pace import CALIBRATED_TAIL, COUNT_MIN, TAILS, Limits
from models.baselines.rates import HORIZONS_MS, count
from models.event import OpClass, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow

HORIZONS = tuple((k + 1, horizon_ms) for k, horizon_ms in enumerate(HORIZONS_MS))


class LimitsOf(ByCohort[Limits | None]):
    """What an agent in a role stays below, by class and horizon; None is "not enough seen"."""

    def __init__(self, baseline: Baseline, settings: VelocitySettings, share: float) -> None:
        super().__init__({key: cohort.sessions for key, cohort in baseline.pace.cohorts.items()})
        self._paces = baseline.pace
        self._surprise = baseline.surprise
        self._settings = settings
        self._share = share

    def make(self, agent: str, role: str) -> Limits | None:
        """See `ByCohort.make`: at least the limits of the tail, and as far above them as the budget asks for.

        Where no sessions back the budget, the narrowest tail that is stored: next to nothing of any budget.
        """
        pace = self._paces.of(agent, role)
        if pace is None:
            return None
        times = self._surprise.expectation(agent, role).limits(self._share).pace
        tail = pace.limits(self._settings.tail if times is not None else TAILS[-1])
        calibrated, least = pace.limits(CALIBRATED_TAIL), self._settings.count_min
        return {
            op_class: tuple(
                max(limit, least, (times or 1.0) * max(beside, COUNT_MIN))
                for limit, beside in zip(limits, calibrated[op_class], strict=True)
            )
            for op_class, limits in tail.items()
        }


class UnusualVelocity(Detector):
    """Fires above the learned count at any horizon, and never below `count_min`."""

    name = "unusual_velocity"
    by_habit = True
    counts = True
    listens_to = frozenset(OpClass) - {OpClass.UNCLASSIFIED}
    tags = ("T1087.004", "T1555.006", "ASI02", "ASI10")

    def __init__(self, settings: VelocitySettings, share: float, baseline: Baseline | None) -> None:
        self._settings = settings
        self._share = share
        self._baseline = baseline
        self._limits = LimitsOf(baseline, settings, share) if baseline is not None else None

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        cell = count(session.rates, event.op_class, event.at_ms)
        classes = self._limits.of(event.agent, session.agent_role) if self._limits is not None else None
        if classes is None:
            session.unseen += 1
            return None
        limits = classes[event.op_class]
        if cell[1] <= limits[0] and cell[2] <= limits[1] and cell[3] <= limits[2]:
            return None
        sure, told = self._sure(event, session.agent_role, cell)
        return self._noticed(event, cell, limits, sure, told)

    def _sure(self, event: Operation, role: str, cell: list[float]) -> tuple[float, str]:
        """Of a session that has limits."""
        assert self._baseline is not None, "no baseline, no limits"
        pace = self._baseline.pace.of(event.agent, role)
        assert pace is not None, "no pace, no limits"
        expectation = self._baseline.surprise.expectation(event.agent, role)
        span = (self._settings.confidence, self._settings.confidence_sure)
        return certainty(expectation, "pace", pace.times(event.op_class, cell[1:]), self._share, span)

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
