"""What is more than it should be, and yet likely honest: a human should look before anybody is stopped.

A job that serves users' logins one by one, and once does more for one of them than it is used to: a help desk
takes one factor away of a user who lost it, week after week; today it takes all of them away, since an
employee's ticket asks for that. To its habits that is new, to a rule it weakens a login, and nobody approved
it: three doubts about one small act. The same act is stopped where any of that is missing: no ticket or one
from outside, a second login, an approver's login, something else held against it, or something refused.

A client that is registered for users, and writes where one of them is reached: people marry and move, and
the directory's log calls their new address a weaker login. Whose login is worth everybody's is stopped for.

Whoever an incident was declared for, while it goes on, and who gives people new passwords: an emergency has
no habits, and no time for approvals one by one. Rights, trust, what lasts and guard rails are stopped for all
the same: the emergency passes, what it leaves does not.
"""

from collections.abc import Set as AbstractSet

from detectors.severity import ADDS, FACTOR, Severity, lasting_for_another, severity
from detectors.warrants import Warrants
from models.attested import Effect, Fact
from models.baselines.habits import Habits
from models.event import OK, Grade, Operation
from models.finding import Noticed
from models.registry import Registry
from models.scope import scope_of
from models.session import Session, Workflow

USER = "user"
EMPLOYEE, NOBODY_KNOWN = "employee", "unauthenticated"
MORE = ADDS - {Effect.WEAKENS}
LOOK = "a human should look"
WHY = f"for one login, by a job that serves them: {LOOK}"
REACHED = f"where a user is reached, by a client that is registered for users: {LOOK}"
EMERGENCY = f"in an incident, by whom it was declared for: {LOOK}"
"""That it was more than it should have been is a guess."""


def opened(session: Session, event: Operation) -> None:
    """Who wrote the newest ticket or mail that the session opened; one by nobody known is not forgotten."""
    author = event.facts.get(Fact.AUTHOR, "")
    if author and session.author != NOBODY_KNOWN:
        session.author = author


class Served:
    """Tells such acts from others, and makes questions of what was noticed of them."""

    def __init__(
        self, habits: Habits, registry: Registry, may_stop: AbstractSet[str], warrants: Warrants
    ) -> None:
        self._habits = habits
        self._registry = registry
        self._may_stop = may_stop
        self._warrants = warrants

    def eased(
        self, workflow: Workflow, session: Session, event: Operation, noticed: list[Noticed]
    ) -> list[Noticed]:
        """What was noticed, and of such an act without the power to stop."""
        why = self._why(workflow, session, event)
        return [word.doubted(why) for word in noticed] if why else noticed

    def _why(self, workflow: Workflow, session: Session, event: Operation) -> str:
        """Why a human should look before anybody is stopped; empty where there is no such reason."""
        if event.grade is not Grade.ATTESTED or severity(event, self._registry) is not Severity.SERIOUS:
            return ""
        if Effect.WEAKENS in event.effects and self._is_small(workflow, session, event):
            return WHY
        if self._keeps_users(event):
            return REACHED
        if _lets_in(event) and self._warrants.in_emergency(workflow, event):
            return EMERGENCY
        return ""

    def _keeps_users(self, event: Operation) -> bool:
        """Whether a client registered for users writes what one of them is reached by, and nothing else."""
        if event.target_kind != USER or ADDS.intersection(event.effects) != {Effect.WEAKENS}:
            return False
        client = self._registry.client(event.source, event.facts.get(Fact.CLIENT, ""))
        return client is not None and scope_of(client.scope).ordinary

    def _is_small(self, workflow: Workflow, session: Session, event: Operation) -> bool:
        return (
            session.author == EMPLOYEE
            and event.outcome is OK
            and not workflow.denied
            and MORE.isdisjoint(event.effects)
            and session.weakened in ([], [event.target])
            and not any(
                name in self._may_stop and alarm.grade is not Grade.INFERRED
                for name, alarm in session.alarms.items()
            )
            and self._habits.serves(event)
        )


def _lets_in(event: Operation) -> bool:
    """Whether it makes somebody a way to log in that does not last, as no factor does, and nothing else."""
    if event.target_kind == FACTOR or lasting_for_another(event):
        return False
    return ADDS.intersection(event.effects) == {Effect.MINTS}
