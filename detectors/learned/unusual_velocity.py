"""More operations of one class in a short time than honest sessions of this role ever make.

The limit is the role's own: a fast job stays silent at a thousand times the rate that gives a slow one away.
Known gap: a role nobody has trained on; it counts as not enough seen.
"""

from detectors.detector import Detector
from detectors.thresholds import VelocitySettings
from models.baselines.baseline import Baseline
from models.baselines.rates import HORIZONS_MS, count
from models.event import OpClass, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow

HORIZONS = tuple((k + 1, horizon_ms) for k, horizon_ms in enumerate(HORIZONS_MS))


class UnusualVelocity(Detector):
    """Fires above the learned count at any horizon, and never below `count_min`."""

    name = "unusual_velocity"
    counts = True
    listens_to = frozenset(OpClass) - {OpClass.UNCLASSIFIED}
    tags = ("T1087.004", "T1555.006", "ASI02", "ASI10")

    def __init__(self, settings: VelocitySettings, baseline: Baseline | None) -> None:
        self._settings = settings
        learned = baseline.rate_limits(settings.tail) if baseline is not None else {}
        self._limits = {
            role: {
                op_class: tuple(max(limit, settings.count_min) for limit in limits)
                for op_class, limits in classes.items()
            }
            for role, classes in learned.items()
        }

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        cell = count(session.rates, event.op_class, event.at_ms)
        classes = self._limits.get(session.agent_role)
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
            f"{times:.1f} times what this role stays below",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )
