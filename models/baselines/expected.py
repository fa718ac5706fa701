"""All that a baseline expects of an agent in a role, found by one look."""

from collections.abc import Callable

from models.baselines.pace import Limits, Pace, PaceModel
from models.baselines.shape_model import Center
from models.baselines.surprise import Expectation, SurpriseModel
from models.event import Operation
from models.session import Session

KNOWN_MAX = 65_536
"""Agents in roles that are kept; forgotten as a whole when there are more, since the names may be any."""


Asked = tuple[float, ...]


class Expected:
    """Of one agent in one role."""

    __slots__ = ("_asked", "_known", "_limits", "center", "pace", "surprise")

    def __init__(self, pace: Pace | None, surprise: Expectation) -> None:
        self.pace = pace
        """None is "not enough seen"."""
        self.surprise = surprise
        self.center: Center | None = None
        """What is usual for the shape of a session; None while nobody asked."""
        self._known: dict[Asked, Limits | None] = {}
        """By what was asked: each policy asks for one thing."""
        self._asked: Asked | None = None
        """The last of these, and its limits."""
        self._limits: Limits | None = None

    def limits(self, asked: Asked, make: "Callable[[Expected], Limits | None]") -> Limits | None:
        """What a session stays below, by class and horizon: made once for all that `make` depends on."""
        if asked is not self._asked:
            self._asked = asked
            if asked not in self._known:
                self._known[asked] = make(self)
            self._limits = self._known[asked]
        return self._limits


class Expecting:
    """Of all of them. Several ask about each event: the last answer is at hand."""

    def __init__(self, paces: PaceModel, surprise: SurpriseModel) -> None:
        self._paces = paces
        self._surprise = surprise
        self.symbol = surprise.symbol
        """What operations of a kind are called in a sequence."""
        self._by_role: dict[str, dict[str, Expected]] = {}
        self._count = 0
        self.event: Operation | None = None
        """The operation about which was asked last."""
        self.last = Expected(None, surprise.expectation("", ""))
        """The answer: whoever asks about each event looks here first, since a call costs more."""

    def by(self, session: Session, event: Operation) -> Expected:
        """What is expected of whoever acts, as the event says.

        Where the session says the same, it is asked for in its words: their hashes are known, and an event's
        are not.
        """
        if event is self.event:
            return self.last
        agent, role = event.agent, event.agent_role
        if agent == session.agent:
            agent = session.agent
        if role == session.agent_role:
            role = session.agent_role
        agents = self._by_role.get(role)  # `of`, without the call
        found = agents.get(agent) if agents is not None else None
        if found is None:
            found = self._made(agent, role)
        self.event, self.last = event, found
        return found

    def of(self, agent: str, role: str) -> Expected:
        """What is expected of an agent in a role; either may be empty."""
        agents = self._by_role.get(role)
        found = agents.get(agent) if agents is not None else None
        return found if found is not None else self._made(agent, role)

    def _made(self, agent: str, role: str) -> Expected:
        if self._count >= KNOWN_MAX:
            self._by_role.clear()
            self._count = 0
        self._count += 1
        made = Expected(self._paces.of(agent, role), self._surprise.expectation(agent, role))
        self._by_role.setdefault(role, {})[agent] = made
        return made
