"""Things of many kinds were looked up in a session, and then a credential made that outlives it.

A rotation knows whose key it renews, and looks at that one; it does not ask for roles and tenants first.
Known gap: whoever knows beforehand, or looks at one or two kinds of thing.
"""

from detectors.detector import Detector, Inspect
from detectors.thresholds import ScoutedSettings
from models.attested import Effect
from models.baselines.habits import Habits
from models.event import OK, READS, SECRET_READ, OpClass, Operation, weakest
from models.finding import EVIDENCE_MAX, Noticed
from models.session import Session, Step, Workflow

LOOKED_MAX = 8
"""Kinds that are remembered per session; the one looked up longest ago gives way."""
LOOKS = READS - {SECRET_READ}


class ScoutedCredential(Detector):
    """Fires at a lasting credential after look-ups of `kinds_min` kinds of target, in one session."""

    name = "scouted_credential"
    by_habit = True
    listens_to = LOOKS | {OpClass.CREDENTIAL_MINT}
    tags = ("T1087.004", "T1069.003", "T1098.001", "AML.T0075", "AML.T0098", "ASI03")

    def __init__(self, settings: ScoutedSettings, habits: Habits) -> None:
        self._settings = settings
        self._habits = habits

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        if event.outcome is not OK:
            return False
        if event.op_class in LOOKS:
            return bool(event.target_kind)
        return Effect.MINTS in event.effects and Effect.LONG_LIVED in event.effects

    def inspector(self, event: Operation) -> Inspect | None:
        """See `Detector.inspector`. Either may come late, so either may complete it."""
        if not self.concerns(event):
            return None
        return self._look if event.op_class in LOOKS else self._make

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        ask = self.inspector(event)
        return ask(session, workflow, event, step) if ask is not None else None

    def _look(self, session: Session, _workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        looked = session.looked
        known = looked.get(event.target_kind)
        if known is not None:
            if step.at_ms > known.at_ms:
                looked[event.target_kind] = step
            return None
        looked[event.target_kind] = step
        if len(looked) > LOOKED_MAX:
            del looked[min(looked, key=lambda kind: looked[kind].at_ms)]
        made = session.lasting
        return self._noticed(session, made) if made is not None and step.at_ms <= made.at_ms else None

    def _make(self, session: Session, _workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        if step.warrant or step.own or self._habits.is_habit(event):
            return None
        if session.lasting is None or step.at_ms >= session.lasting.at_ms:
            session.lasting = step
        return self._noticed(session, step)

    def _noticed(self, session: Session, made: Step) -> Noticed | None:
        since_ms = made.at_ms - self._settings.within_ms
        before = sorted(
            (look for look in session.looked.values() if since_ms <= look.at_ms <= made.at_ms),
            key=lambda look: look.at_ms,
        )
        if len(before) < self._settings.kinds_min:
            return None
        kinds = ", ".join(look.target_kind for look in before)
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence,
            reason=f"{made.operation} on {made.target or 'no named target'} made a credential that lasts, "
            f"after looking among {kinds}",
            evidence=(*(look.event_id for look in before), made.event_id)[-EVIDENCE_MAX:],
            grade=weakest((*(look.grade for look in before), made.grade)),
            tags=self.tags,
            session=made.session,
            act_ms=made.at_ms,
        )
