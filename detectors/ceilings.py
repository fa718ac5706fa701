"""What each finding may lead to: whether it counts towards a response, by policy and declared chains."""

from detectors.chains.hosted import NOTHING, Declared
from detectors.policy import Level, Policy
from models.command import RANK, STOPS, Action
from models.event import Grade
from models.session import Alarm


class Ceilings:
    """One policy's, and its declared chains'."""

    def __init__(self, policy: Policy, declared: Declared = NOTHING) -> None:
        self._grades_that_stop = policy.grades_that_stop
        self._ranks = {chain.name: RANK[chain.response] for chain in declared.chains}
        """Of declared chains: the rank of the strongest response that each may lead to."""
        self._ranks |= {name: RANK[response] for name, response in declared.crossing.items()}
        able = {chain.name for chain in declared.chains if chain.response in STOPS}
        self.may_stop = frozenset(policy.may_stop) | able
        """Detectors and chains whose findings count towards a stop."""

    def stops(self, grade: Grade) -> bool:
        """Whether evidence of that grade counts towards a stop."""
        return grade in self._grades_that_stop

    def counted_at(self, alarms: dict[str, Alarm], level: Level) -> dict[str, Alarm]:
        """Those that count towards a level; of a stop, only on evidence of a grade that stops."""
        counted = self.counted(alarms, max(level.actions, key=RANK.__getitem__))
        if not STOPS.intersection(level.actions):
            return counted
        return {
            name: alarm
            for name, alarm in counted.items()
            if name in self.may_stop and alarm.grade in self._grades_that_stop
        }

    def counted(self, alarms: dict[str, Alarm], response: Action) -> dict[str, Alarm]:
        """Those that may lead to a response of that rank."""
        rank = RANK[response]
        return {name: alarm for name, alarm in alarms.items() if self._ranks.get(name, rank) >= rank}
