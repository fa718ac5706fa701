"""What every detector is: a promise, what it listens to, and the methods that keep it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from models.event import AnyEvent, Event, OpClass, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow

Inspect = Callable[[Session, Workflow, Operation, Step], Noticed | None]


class Detector(ABC):
    """Says nothing (`None`) or says why. Remembers only in the session and the workflow it is given."""

    name: ClassVar[str]
    listens_to: ClassVar[frozenset[OpClass]]
    attends: ClassVar[frozenset[type[Event]]] = frozenset()
    """Kinds of event beside operations that it is asked about."""
    counts: ClassVar[bool] = False
    """Whether it counts operations, and does not weigh them: then a claim without a target will do, and a
    second witness of the same act is none of its business."""
    counts_names: ClassVar[bool] = False
    """Whether it counts what acts are on: one that was told of without a name counts when somebody names it.
    Not those whose limits were learned from acts by their first witness."""
    takes_claims: ClassVar[bool] = False
    """Whether it is asked about a claim without a target, too, although it weighs operations."""
    by_habit: ClassVar[bool] = False
    """Whether it asks what a job is used to: what it says of many sessions of a job is how the job works, and
    keeps none of them from teaching (`stream/learning/teaching.py`)."""
    presumes: ClassVar[bool] = False
    """Whether it goes by habit and holds everything unfamiliar against a job that is new to it."""
    budgeted: ClassVar[bool] = False
    """Whether it goes by habit with a limit that keeps the policy's budget of wrong stops: of honest sessions
    that share alarms, and those to come must not be judged as if it had never been there."""
    tags: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """Judge one operation of `session` in `workflow`; `step` is the part of it that may be remembered."""

    def concerns(self, event: Operation) -> bool:  # noqa: ARG002 - by default everything that it listens to
        """Whether it has to be asked about operations that look like this one (`detectors/asking.py`).

        It may go by what `look_of` sees, and by nothing else: the answer is kept for all that look alike.
        False promises that `inspect` would say nothing, and remember nothing.
        """
        return True

    def inspector(self, event: Operation) -> Inspect | None:
        """What to call for operations that look like this one; None where that could change nothing."""
        return self.inspect if self.concerns(event) else None

    def attend(self, session: Session, workflow: Workflow, event: AnyEvent) -> Noticed | None:
        """Judge an event of a kind that it attends to; `workflow` has taken it in already."""
        raise NotImplementedError(f"{self.name} attends to nothing")
