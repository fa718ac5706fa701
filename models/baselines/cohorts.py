"""Whose habits count: everybody's, the agent's, the role's (the job), the agent's in that role.

Each backs off to the broader one by how much was seen, so there is no cliff. Whether an agent or a role is
the broader of the two differs between deployments (one assistant with a thousand jobs; a thousand runners of
one job): whichever was seen in more sessions.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

SEPARATOR = "\x1f"
"""Between the parts of a key: names hold no control characters."""

EVERYBODY = ""

UNSEEN = SEPARATOR
"""Stands for every role that was never seen: no role is called so."""

Part = TypeVar("Part")
STRANGERS_MAX = 8_192
"""Names that were never seen and are remembered; all are forgotten when there are more."""

MISSING: Any = object()
"""None is an answer, too."""

SESSIONS_MIN = 30
"""Seen in fewer sessions, an agent or a role has no baseline of its own: not enough seen."""

JOB_SESSIONS_MIN = 10
"""A job seen in so many is known, if its agent was seen enough to carry it."""


def agent_key(agent: str) -> str:
    """All sessions of an agent."""
    return f"agent{SEPARATOR}{agent}"


def role_key(role: str) -> str:
    """All sessions of a role, whoever plays it."""
    return f"role{SEPARATOR}{role}"


def pair_key(agent: str, role: str) -> str:
    """The sessions of an agent in a role."""
    return f"pair{SEPARATOR}{agent}{SEPARATOR}{role}"


def job_key(agent: str, role: str) -> str:
    """What a session's job is called: its role; if none is told, what its agent does without one."""
    return role_key(role) if role else pair_key(agent, "")


def named(cohort: str) -> str:
    """A cohort's key for people."""
    return "everybody" if cohort == EVERYBODY else cohort.replace(SEPARATOR, " ")


def told_keys(agent: str, role: str) -> list[str]:
    """The agent's and the role's, of those that are told."""
    return [key for name, key in ((agent, agent_key(agent)), (role, role_key(role))) if name]


def tally(sessions: Iterable[tuple[str, str]]) -> Counter[str]:
    """Sessions per cohort, of (agent, role) pairs."""
    seen: Counter[str] = Counter()
    for agent, role in sessions:
        seen.update((agent_key(agent), role_key(role), pair_key(agent, role)))
    return seen


def levels(seen: Mapping[str, int], agent: str, role: str) -> tuple[str, ...]:
    """The cohorts of a session that were seen at all, broad to narrow; one that adds nothing is left out."""
    known = sorted((key for key in told_keys(agent, role) if seen.get(key)), key=lambda key: -seen[key])
    together = seen.get(pair_key(agent, role), 0) if agent and role else 0
    if not together:
        return tuple(known)
    if together == seen[known[0]]:
        return (known[0],)
    return (*known, pair_key(agent, role)) if together < seen[known[-1]] else tuple(known)


class ByCohort(ABC, Generic[Part]):
    """Something for each agent in each role, made when first asked for.

    Whoever was never seen shares what is nearest to them: the names that come in may be any.
    """

    def __init__(self, seen: Mapping[str, int]) -> None:
        """`seen`: sessions by cohort."""
        self._seen = seen
        self._by_role: dict[str, dict[str, Part]] = {"": {}}
        """By role, then by agent: a role is asked for again and again, which keeps its agents at hand."""
        self._strangers: dict[tuple[str, str], Part] = {}
        """By agent and role, of which at least one was never seen."""

    @abstractmethod
    def make(self, agent: str, role: str) -> Part:
        """Those of an agent in a role; either may be empty, or the role `UNSEEN`."""

    def of(self, agent: str, role: str) -> Part:
        """The one that was made, or made now."""
        agents = self._by_role.get(role)
        if agents is not None:
            known: Part = agents.get(agent, MISSING)
            if known is not MISSING:
                return known
        nearest: Part = self._strangers.get((agent, role), MISSING)
        return self._nearest(agent, role) if nearest is MISSING else nearest

    def _nearest(self, agent: str, role: str) -> Part:
        """Of whoever is nearest to them; whose names were never seen, are remembered for a while."""
        told = (agent, role)
        if role and role_key(role) not in self._seen:
            role = UNSEEN
        if agent_key(agent) not in self._seen:
            agent = ""
        agents = self._by_role.setdefault(role, {})
        if agent not in agents:
            agents[agent] = self.make(agent, role)
        if told != (agent, role):
            if len(self._strangers) >= STRANGERS_MAX:
                self._strangers.clear()
            self._strangers[told] = agents[agent]
        return agents[agent]
