"""A secret that is none of the job's was read, and then somebody made stronger or something sent out.

The seed's chain without its preparations: an agent that knows what it wants need not look around first. Known
gap: a job nobody has trained on, whose every secret could be its own: it is less sure.
"""

from detectors.detector import Detector
from detectors.severity import JUDGED, Severity, may_weigh, severity
from detectors.thresholds import SecretThenChangeSettings
from models.attested import Effect
from models.baselines.habits import Habits
from models.event import EXCHANGE, OK, SECRET_READ, Operation, weakest
from models.finding import Noticed
from models.registry import Registry
from models.session import Session, Step, Workflow, pause_ms

STRANGE, UNKNOWN, CHANGED = "strange_secret", "unknown_secret", "unwarranted_change"


class SecretThenChange(Detector):
    """Fires at an unwarranted change of some weight after such a read, in one workflow."""

    name = "secret_then_change"
    by_habit = True
    presumes = True
    listens_to = JUDGED | {SECRET_READ, EXCHANGE}
    tags = ("T1555.006", "T1552.007", "T1098.003", "AML.T0098", "ASI02", "ASI03")

    def __init__(self, settings: SecretThenChangeSettings, registry: Registry, habits: Habits) -> None:
        self._settings = settings
        self._registry = registry
        self._habits = habits

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return event.outcome is OK and (event.op_class is SECRET_READ or may_weigh(event))

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`. Either of the pair may come late, so either may complete it."""
        if event.outcome is not OK:
            return None
        if event.op_class is SECRET_READ:
            return None if step.own else self._read(workflow, event, step)
        if step.warrant or not self._weighs(event) or self._habits.is_habit(event):
            return None
        newest = workflow.visited.get(CHANGED)
        if newest is None or step.at_ms >= newest.at_ms:
            workflow.visited[CHANGED] = step
        if step.own:
            return None  # unless a secret comes to light that had been read before it
        pairs = [(kind, workflow.visited.get(kind), step) for kind in (STRANGE, UNKNOWN)]
        return self._best(pairs)

    def _weighs(self, event: Operation) -> bool:
        if event.op_class is EXCHANGE:
            return Effect.OUTBOUND in event.effects
        return severity(event, self._registry) >= Severity.SERIOUS

    def _read(self, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        strange = self._habits.is_strange(event, self._settings.bits_min)
        if strange is False:
            return None
        kind = STRANGE if strange else UNKNOWN
        newest = workflow.visited.get(kind)
        if newest is None or step.at_ms >= newest.at_ms:
            workflow.visited[kind] = step
        change = workflow.visited.get(CHANGED)
        return self._best([(kind, step, change)]) if change is not None else None

    def _best(self, pairs: list[tuple[str, Step | None, Step]]) -> Noticed | None:
        for kind, read, change in pairs:
            if read is not None and 0 <= pause_ms(read, change) <= self._settings.within_ms:
                return self._noticed(kind, read, change)
        return None

    def _noticed(self, kind: str, read: Step, change: Step) -> Noticed:
        strange = kind == STRANGE
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence if strange else self._settings.confidence_unknown,
            reason=f"{change.operation} on {change.target or 'no named target'} "
            f"{pause_ms(read, change) / 1000:.1f} s after {read.operation} of "
            f"{read.target or 'a secret'}, "
            f"{'which is none of its own' if strange else 'whose owner is not known'}",
            evidence=(read.event_id, change.event_id),
            grade=weakest((read.grade, change.grade)),
            tags=self.tags,
            session=change.session,
            act_ms=change.at_ms,
        )
