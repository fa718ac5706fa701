"""More operations of one class in a short time than honest sessions of this agent in this role ever make.

The limit is the job's own: a fast one stays silent at a thousand times the rate that gives a slow one away.
Known gap: an agent and a role that nobody has trained on; they count as not enough seen.
"""

from detectors.detector import Detector
from detectors.thresholds import VelocitySettings
from models.baselines.baseline import Baseline
from models.baselines.cohorts import ByCohort
from models.baselines.pace import Limits, PaceModel
from models.baselines.rates import HORIZONS_MS, count
from models.event import OpClass, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow

HORIZONS = tuple((k + 1, horizon_ms) for k, horizon_ms in enumerate(HORIZONS_MS))


class LimitsOf(ByCohort[Limits | None]):
    """What an agent in a role stays below, by class and horizon; None is "not enough seen"."""

    def __init__(self, paces: PaceModel, settings: VelocitySettings) -> None:
        super().__init__({key: cohort.sessions for key, cohort in paces.cohorts.items()})
        self._paces = paces
        self._settings = settings

    def make(self, agent: str, role: str) -> Limits | None:
        """See `ByCohort.make`."""
        pace = self._paces.of(agent, role)
        if pace is None:
            return None
        least = self._settings.count_min
        return {
            op_class: tuple(max(limit, least) for limit in limits)
            for op_class, limits in pace.limits(self._settings.tail).items()
        }


class UnusualVelocity(Detector):
    """Fires above the learned count at any horizon, and never below `count_min`."""

    name = "unusual_velocity"
    by_habit = True
    counts = True
    listens_to = frozenset(OpClass) - {OpClass.UNCLASSIFIED}
    tags = ("T1087.004", "T1555.006", "ASI02", "ASI10")

    def __init__(self, settings: VelocitySettings, baseline: Baseline | None) -> None:
        self._settings = settings
        self._limits = LimitsOf(baseline.pace, settings) if baseline is not None else None

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
        return self._noticed(event, cell, limits)

    def _noticed(self, event: Operation, cell: list[float], limits: tuple[float, ...]) -> Noticed:
        k, horizon_ms = max(HORIZONS, key=lambda horizon: cell[horizon[0]] / limits[horizon[0] - 1])
        times = cell[k] / limits[k - 1]
        extreme = times >= self._settings.extreme_times
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence_extreme if extreme else self._settings.confidence,
            reason=f"about {cell[k]:.0f} {event.op_class} operations in {horizon_ms // 1000} s, "
            f"{times:.1f} times what this job stays below",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )
