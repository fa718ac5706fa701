"""Ticket, directory and secret store in one workflow: a text from outside can steer a secret out.

The reader of tickets that fetches a secret is the danger the moment it can send, too. Known gap: a ticket
whose author's standing nobody recorded counts as an employee's.
"""

from typing import Final

from detectors.detector import Detector
from detectors.thresholds import ThreeSystemsSettings
from models.attested import Effect
from models.baselines.habits import Habits
from models.event import CHANGES, DISCOVERY, EXCHANGE, OK, SECRET_READ, Operation, weakest
from models.finding import Noticed
from models.session import Session, Step, Workflow, pause_ms

READ: Final = "ticket"
FOUND: Final = "directory"
HELD: Final = "secret"
SENT: Final = "sent"
CHANGED: Final = "changed"
STEERED: Final = "ticket_before_secret"
"""The ticket that had been read when the secret was: reading one again takes nothing back."""


class ThreeSystems(Detector):
    """Fires when content is sent, or an identity changed, after all three were read in one workflow."""

    name = "three_systems"
    by_habit = True
    listens_to = CHANGES | {EXCHANGE, DISCOVERY, SECRET_READ}
    tags = ("T1199", "T1555", "AML.T0051.001", "AML.T0086", "AML.T0098", "ASI01", "ASI02", "ASI03")

    def __init__(self, settings: ThreeSystemsSettings, habits: Habits) -> None:
        self._settings = settings
        self._habits = habits

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        carries = Effect.OUTBOUND in event.effects or Effect.UNTRUSTED in event.effects
        return event.outcome is OK and (carries or event.op_class is not EXCHANGE)

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`. Any of the parts may come late, so any may complete it."""
        if event.outcome is not OK:
            return None
        part = self._part(event, step)
        if part:
            _remember(workflow, part, step)
            if part == HELD and READ in workflow.visited:
                workflow.visited[STEERED] = workflow.visited[READ]
        sent = bool(event.effects) and Effect.OUTBOUND in event.effects
        if (sent or event.op_class in CHANGES) and not step.warrant:
            _remember(workflow, SENT if sent else CHANGED, step)
            return self._noticed(workflow, step, sent=sent)
        return self._late(workflow) if part in (READ, HELD) else None

    def _late(self, workflow: Workflow) -> Noticed | None:
        """What was acted on a secret, or steered by a ticket, that is told only now."""
        for act, sent in ((SENT, True), (CHANGED, False)):
            acted, held = workflow.visited.get(act), workflow.visited.get(HELD)
            if acted is None or held is None or acted.at_ms < held.at_ms:
                continue
            noticed = self._noticed(workflow, acted, sent=sent)
            if noticed is not None:
                return noticed
        return None

    def _part(self, event: Operation, step: Step) -> str:
        if event.op_class is SECRET_READ:
            own = step.own or self._habits.is_strange(event, self._settings.bits_min) is False
            return "" if own else HELD
        if event.op_class is DISCOVERY:
            return FOUND
        return READ if event.effects and Effect.UNTRUSTED in event.effects else ""

    def _follows(self, earlier: Step, later: Step) -> bool:
        return 0 <= pause_ms(earlier, later) <= self._settings.within_ms

    def _noticed(self, workflow: Workflow, act: Step, *, sent: bool) -> Noticed | None:
        held = workflow.visited.get(HELD)
        if held is None or not self._follows(held, act):
            return None
        tickets = (workflow.visited.get(ticket) for ticket in (READ, STEERED))
        read = next((one for one in tickets if one is not None and self._follows(one, held)), None)
        if read is None:
            return None
        found = workflow.visited.get(FOUND)
        steps = [each for each in (read, found, held, act) if each is not None]
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence if sent else self._settings.confidence_change,
            reason=f"{act.operation} after {held.operation} of {held.target or 'a secret'}, "
            f"in a workflow that read {read.target or 'content'} from outside",
            evidence=tuple(each.event_id for each in steps),
            grade=weakest(each.grade for each in steps),
            tags=self.tags,
            session=act.session,
            act_ms=act.at_ms,
        )


def _remember(workflow: Workflow, part: str, step: Step) -> None:
    """The newest of each part."""
    known = workflow.visited.get(part)
    if known is None or step.at_ms >= known.at_ms:
        workflow.visited[part] = step
