"""A declared chain, compiled, whatever it was declared in."""

from collections.abc import Callable

from msgspec import Struct

from detectors.chains.conditions import Look, Test
from detectors.chains.fields import Field
from detectors.chains.shape import Shape
from models.command import RANK, Action
from models.event import Event, Grade, OpClass, Operation


class Part(Struct, frozen=True, kw_only=True):
    """A step of a chain or, where it is not, an absence: what an operation of it has to be like."""

    bit: int
    is_step: bool = True
    classes: frozenset[OpClass] = frozenset()
    is_named: Callable[[str], bool] | None = None
    """Whether an operation's name is right; None for any name."""
    looks: tuple[Look, ...] = ()
    """Asked once for all operations that look alike."""
    tests: tuple[Test, ...] = ()
    """Asked of each operation."""
    habit: bool | None = None
    """Whether it has to be a habit of its job, or must be none; None for either."""
    kind: type[Event] = Operation
    is_fact: Callable[[Event], bool] | None = None
    """Asked of an event that is no operation, where it is about such."""

    @property
    def asks(self) -> bool:
        """Whether each operation has to be asked, although it looks right."""
        return bool(self.tests) or self.habit is not None

    def may_be(self, event: Operation) -> bool:
        """Whether an operation that looks like this one can be it."""
        return (
            event.op_class in self.classes
            and (self.is_named is None or self.is_named(event.operation))
            and all(look(event) for look in self.looks)
        )


class Hosted(Struct, frozen=True, kw_only=True):
    """A chain, compiled, whatever it was declared in."""

    name: str
    title: str
    parts: tuple[Part, ...]
    shape: Shape
    compared: tuple[Field, ...] = ()
    """Fields whose values are kept and compared: the slots of the shape."""
    scope: Field | None = None
    """Id of whom it follows; None for the workflow."""
    followed: tuple[Field, ...] = ()
    """Fields that have to name the same thing in every step, beside the scope."""
    grades: frozenset[Grade]
    confidence: float
    response: Action
    tags: tuple[str, ...] = ()
    part_of: str = ""
    """Tells apart the chains of one name."""
    exact: bool = False
    """Names are compared to the letter, a call counts once, a claim without a target will do: as in Sigma."""

    crosses: bool = False
    """Whether it is followed over workflows, too: whoever it follows acts in several."""
    digest: str = ""
    """Of what it says: notes of two versions are told apart."""

    @property
    def joined_as(self) -> str:
        """What its notes are kept under."""
        return f"{self.name}{self.part_of}@{self.digest}"


CROSSING = ":crossing"
"""Follows a chain's name in findings that rest on several workflows: they have a ceiling of their own."""

LATE = CROSSING + ":late"
"""The same of a match whose last act is another workflow's: nobody here has done it, so nobody is asked."""

COUNTED_MAX = 64
"""A chain that counts to more in all is not followed over workflows: so many notes are not kept."""


class Declared(Struct, frozen=True):
    """All that were loaded."""

    chains: tuple[Hosted, ...] = ()
    version: str = ""
    """Digest of the users' files; empty where there are none."""
    remarks: tuple[str, ...] = ()
    """What in the users' files does less than it seems to, with its place."""
    own: tuple[str, ...] = ()
    """Names of those that are from the users' files."""

    @property
    def within_ms(self) -> int:
        """The longest window."""
        return max((chain.shape.within_ms for chain in self.chains), default=0)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all, each once."""
        return tuple(dict.fromkeys(chain.name for chain in self.chains))

    @property
    def crossing(self) -> dict[str, Action]:
        """What findings over workflows are called, and the strongest response that each may lead to."""
        found: dict[str, Action] = {}
        for chain in self.chains:
            if chain.crosses:
                found[chain.name + CROSSING] = min(chain.response, Action.STEP_UP, key=RANK.__getitem__)
                found[chain.name + LATE] = Action.OBSERVE
        return found


NOTHING = Declared()
