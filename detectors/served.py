"""A job that serves users' logins one by one, and once does more for one of them than it is used to.

A help desk takes one factor away of a user who lost it, week after week; today it takes all of them away,
since an employee's ticket asks for that. To its habits that is new, to a rule it weakens a login, and nobody
approved it: three doubts about one small act. A human should look before anybody is stopped. The same act is
stopped where any of that is missing: no ticket or one from outside, a second login, an approver's login,
something else held against the session, or something refused.
"""

from collections.abc import Set as AbstractSet

from detectors.severity import ADDS, Severity, severity
from models.attested import Effect, Fact
from models.baselines.habits import Habits
from models.event import OK, Grade, Operation
from models.finding import Noticed
from models.registry import Registry
from models.session import Session, Workflow

EMPLOYEE, NOBODY_KNOWN = "employee", "unauthenticated"
MORE = ADDS - {Effect.WEAKENS}
WHY = "for one login, by a job that serves them: a human should look"
"""That it was more than it should have been is a guess."""


def opened(session: Session, event: Operation) -> None:
    """Who wrote the newest ticket or mail that the session opened; one by nobody known is not forgotten."""
    author = event.facts.get(Fact.AUTHOR, "")
    if author and session.author != NOBODY_KNOWN:
        session.author = author


class Served:
    """Tells such acts from others, and makes questions of what was noticed of them."""

    def __init__(self, habits: Habits, registry: Registry, may_stop: AbstractSet[str]) -> None:
        self._habits = habits
        self._registry = registry
        self._may_stop = may_stop

    def eased(
        self, workflow: Workflow, session: Session, event: Operation, noticed: list[Noticed]
    ) -> list[Noticed]:
        """What was noticed, and of such an act without the power to stop."""
        if Effect.WEAKENS not in event.effects or not self._is_small(workflow, session, event):
            return noticed
        return [word.doubted(WHY) for word in noticed]

    def _is_small(self, workflow: Workflow, session: Session, event: Operation) -> bool:
        return (
            session.author == EMPLOYEE
            and event.grade is Grade.ATTESTED
            and event.outcome is OK
            and not workflow.denied
            and MORE.isdisjoint(event.effects)
            and session.weakened in ([], [event.target])
            and not any(
                name in self._may_stop and alarm.grade is not Grade.INFERRED
                for name, alarm in session.alarms.items()
            )
            and severity(event, self._registry) is Severity.SERIOUS
            and self._habits.serves(event)
        )
