"""What every detector is: a promise, the op classes it listens to, and one method that keeps it."""

from abc import ABC, abstractmethod
from typing import ClassVar

from models.event import OpClass, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow


class Detector(ABC):
    """Says nothing (`None`) or says why. Remembers only in the session and the workflow it is given."""

    name: ClassVar[str]
    listens_to: ClassVar[frozenset[OpClass]]
    tags: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """Judge one operation of `session` in `workflow`; `step` is the part of it that may be remembered."""
